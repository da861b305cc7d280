/** Gradients of convolution and fully connected layer: PyTorch's values, finite differences, refusals. */
import { expect } from 'chai';
import { plain } from '../../../reference/oracle.ts';
import { cast, dense, map, type Precision, type Tensor, tensor } from '../../../reference/tensor.ts';
import { type Case, fixtureOf } from '../../support/cases.ts';
import { disagreement, gamma } from '../../support/operations.ts';

type Gradients = Record<'dx' | 'dw' | 'db', Tensor>;
type Inputs = Case['inputs'];

interface Layer {
  readonly backward: (inputs: Inputs, attributes: Case['attributes'], y?: Precision) => Gradients;
  readonly forward: (x: Tensor, w: Tensor, b: Tensor, attributes: Case['attributes']) => Tensor;
}

const layerOf = (kind: 'conv2d' | 'linear'): Layer => ({
  backward: ({ dy, x, w }, attributes, precision) => {
    const [dx, dw, db] = plain[kind].backward(dy, [x, w], dy, attributes, { precision });
    return { dx, dw, db } as Gradients;
  },
  forward: (x, w, b, attributes) => plain[kind].forward([x, w, b], attributes, 'float64'),
});

/** Two right sums of at most m terms differ by 2·γ_m·Σ|terms| (Higham, chapter 3); the sums of magnitudes. */
function bounds(
  { inputs, attributes }: Case,
  { backward }: Layer,
  m: number,
): (name: keyof Gradients, i: number) => number {
  const magnitudes = Object.fromEntries(Object.entries(inputs).map(([name, t]) => [name, map(t, Math.abs)]));
  const sums = backward(magnitudes, attributes, 'float64');
  return (name, i) => 2 * gamma(m) * sums[name].data[i];
}

for (const name of ['conv2d', 'linear'] as const) {
  const layer = layerOf(name);
  const { cases, provenance } = fixtureOf(name, 'backward.json');
  const names = ['dx', 'dw', 'db'] as const;

  describe(`reference/ops/${name} backward`, () => {
    for (const test of cases) {
      const terms = Object.values(test.inputs).reduce((sum, t) => sum + t.size, 1);
      const allowed = bounds(test, layer, terms);

      it(`agrees with ${test.by}: ${test.title}`, () => {
        expect(provenance).to.include('PyTorch 1.13');
        const gradients = layer.backward(test.inputs, test.attributes, 'float64');
        for (const of of names) {
          const within = (_: Case, i: number) => allowed(of, i);
          expect(disagreement(test, gradients[of], within, test.expected[of]), of).to.equal(null);
        }
      });

      it(`agrees with differences of forward: ${test.title}`, () => {
        const { dy, x, w } = test.inputs;
        const b = tensor(new Float64Array(w.shape[0]), [w.shape[0]]);
        const operands = { dx: cast(x, 'float64'), dw: cast(w, 'float64'), db: b };
        const gradients = layer.backward(test.inputs, test.attributes, 'float64');
        const loss = (f = (v: number) => v): number => {
          const [a, c, e] = [operands.dx, operands.dw, operands.db].map((t) => map(t, f));
          const y = layer.forward(a, c, e, test.attributes).data;
          return Array.from(dense(map(dy, f))).reduce((sum, d, i) => sum + d * y[i], 0);
        };
        for (const of of names) {
          for (const i of [0, 1, Math.floor(operands[of].size / 2), operands[of].size - 1]) {
            // Σ dy·y is linear in each operand: a difference over 2 is exact but for the rounding of both sums
            const at = operands[of].data[i];
            operands[of].data[i] = at + 1;
            const above = loss();
            operands[of].data[i] = at - 1;
            const below = loss();
            operands[of].data[i] = Math.abs(at) + 1;
            const allowance = 3 * gamma(terms) * loss(Math.abs);
            operands[of].data[i] = at;
            const error = Math.abs((above - below) / 2 - gradients[of].data[i]);
            expect(error, `${of}[${i}]`).to.be.at.most(allowance);
          }
        }
      });

      it(`stores in float32 the float64 result, rounded once: ${test.title}`, () => {
        const [single, double] = (['float32', 'float64'] as const).map((y) =>
          layer.backward(test.inputs, test.attributes, y),
        );
        for (const of of names) {
          expect(single[of].data).to.be.instanceOf(Float32Array);
          expect([...single[of].data], of).to.deep.equal([...double[of].data].map(Math.fround));
        }
      });
    }

    it('leaves out what is not wanted, and refuses a dy of another shape', () => {
      const { inputs, attributes } = cases[0];
      const { dy, x, w } = inputs;
      const wrong = tensor(
        new Float32Array(1),
        dy.shape.map(() => 1),
      );
      const run = (d: Tensor, how = {}) => plain[name].backward(d, [x, w], d, attributes, how);
      const [dx, dw] = run(dy, { dx: false });
      expect(dx).to.equal(null);
      expect(dw?.shape).to.deep.equal(w.shape);
      const alone = run(dy, { dw: false });
      expect(alone.slice(1)).to.deep.equal([null, null]);
      expect(dense(alone[0]!)).to.deep.equal(dense(run(dy)[0]!));
      expect(() => run(wrong)).to.throw(`${name}: dy must be shaped as y`);
    });
  });
}
