/** What every operation must show on its fixtures. */
import { expect } from 'chai';
import ndarray from 'ndarray';
import { cast, dense, sizeOf, type Tensor } from '../../reference/tensor.ts';
import { type Case, fixtureOf } from './cases.ts';
import { disagreement, operations } from './operations.ts';

/** Tests for each case of fixtures/ops/<name>: values in float64, float32 storage, shape, and non-dense inputs. */
export function checkOnFixtures(name: string): void {
  const { run, shape, bound } = operations[name];
  const { cases, provenance } = fixtureOf(name);
  const bits = (t: Tensor) => [...dense(t)];

  describe(`on the values of ${provenance}`, () => {
    for (const test of cases) {
      it(`agrees in float64: ${test.title} (${test.by})`, () => {
        const result = run(test, 'float64');
        expect(result.data).to.be.instanceOf(Float64Array);
        expect(disagreement(test, result, bound)).to.equal(null);
      });
    }

    it('announces the shape of every result', () => {
      for (const test of cases) expect([...shape(test)], test.title).to.deep.equal(test.expected.y.shape);
    });

    it('stores in float32 the float64 result, rounded once', () => {
      for (const test of cases) {
        const stored = run(test, 'float32');
        expect(stored.data).to.be.instanceOf(Float32Array);
        expect(bits(stored), test.title).to.deep.equal(bits(run(test, 'float64')).map(Math.fround));
      }
    });

    it('gives the same for float64 inputs and for inputs that do not lie densely', () => {
      for (const test of cases) {
        for (const change of [(t: Tensor) => cast(t, 'float64'), scattered]) {
          const inputs = Object.fromEntries(Object.entries(test.inputs).map(([key, t]) => [key, change(t)]));
          const changed: Case = { ...test, inputs };
          expect(bits(run(changed, 'float64')), test.title).to.deep.equal(bits(run(test, 'float64')));
        }
      }
    });
  });
}

/** The same tensor with its axes in reverse order in memory, and an offset. */
function scattered(t: Tensor): Tensor {
  const shape = [...t.shape];
  const stride = shape.map((_, axis) => 2 * sizeOf(shape.slice(0, axis)));
  const data = new Float32Array(2 * sizeOf(shape) + 3).fill(NaN);
  const view = ndarray(data, shape, stride, 3);
  const values = dense(t);
  const index = shape.map(() => 0);
  for (let i = 0; i < values.length; i++) {
    data[3 + index.reduce((at, v, axis) => at + v * stride[axis], 0)] = values[i];
    for (let axis = shape.length - 1; axis >= 0 && ++index[axis] === shape[axis]; axis--) index[axis] = 0;
  }
  return view;
}
