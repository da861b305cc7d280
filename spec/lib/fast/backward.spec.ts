/** The fast gradients have the bits of the plain loops. */
import { expect } from 'chai';
import * as fast from '../../../lib/fast/node.ts';
import { type Operations, plain } from '../../../reference/oracle.ts';
import { cast, type Precision, sizeOf, type Tensor, tensor } from '../../../reference/tensor.ts';
import { awkward, firstDifference } from '../../support/bits.ts';
import { type Case, fixtureOf } from '../../support/cases.ts';

const values = (shape: readonly number[], seed: number, nonFinite = false): Tensor =>
  tensor(awkward(sizeOf(shape), seed, { nonFinite }), shape);

type Gradients = readonly (Tensor | null)[];

function expectSame(a: Gradients, b: Gradients, what: string): void {
  for (const [i, name] of ['dx', 'dw', 'db'].slice(0, b.length).entries()) {
    expect(a[i]!.shape, `${what}: ${name}`).to.deep.equal(b[i]!.shape);
    const difference = firstDifference(a[i]!.data, b[i]!.data);
    expect(difference, `${what}: ${name}, first difference`).to.equal(-1);
  }
}

function compare(test: Case, storage: Precision, y: Precision, nonFinite = false): void {
  const { dy, x, w } = Object.fromEntries(
    Object.entries(test.inputs).map(([name, { shape }], i) => [
      name,
      cast(values(shape, i, nonFinite), storage),
    ]),
  );
  const what = `${test.title}, ${storage} to ${y}`;
  const kind = w.dimension === 2 ? 'linear' : 'conv2d';
  const run = (by: Operations, dw = true) =>
    by[kind].backward(dy, [x, w], dy, test.attributes, { precision: y, dw });
  const wanted = run(plain);
  expectSame(run(fast.operations), wanted, what);
  const [dx, ...rest] = run(fast.operations, false);
  expectSame([dx], wanted.slice(0, 1), `${what}, dx alone`);
  expect(rest).to.deep.equal([null, null]);
}

describe('fast gradients', () => {
  afterEach(() => fast.configure({ threads: fast.workers(1), wide: false }));

  for (const name of ['conv2d', 'linear']) {
    for (const settings of [{}, { wide: true }, { threads: fast.workers(2) }]) {
      it(`of ${name} have the bits of the plain loops with ${JSON.stringify(settings)}`, () => {
        fast.configure(settings);
        for (const test of fixtureOf(name, 'backward.json').cases) {
          for (const storage of ['float32', 'float64'] as const) {
            for (const y of ['float32', 'float64'] as const) compare(test, storage, y);
          }
          compare(test, 'float32', 'float32', true);
        }
      });
    }
  }

  const shaped = (title: string, x: number[], w: number[], dy: number[], changes = {}): Case => ({
    title,
    by: '',
    attributes: { stride: [1, 1], pad: [0, 0, 0, 0], dilation: [1, 1], groups: 1, ...changes },
    inputs: { dy: values(dy, 1), x: values(x, 2), w: values(w, 3) },
    expected: {},
  });

  it('have the bits of the plain loops for every number of kernels and channels up to two tiles and one', () => {
    for (let n = 1; n <= 9; n++) {
      compare(shaped(`${n} kernels`, [2, 3, 4, 3], [n, 3, 2, 2], [2, n, 3, 2]), 'float32', 'float32');
      compare(shaped(`${n} channels`, [2, n, 4, 3], [3, n, 2, 2], [2, 3, 3, 2]), 'float32', 'float32');
      compare(shaped(`${n} neurons`, [2, 3], [n, 3], [2, n]), 'float32', 'float32');
      compare(shaped(`${n} inputs`, [3, n], [5, n], [3, 5]), 'float32', 'float32');
      compare(shaped(`${n} images`, [n, 7], [5, 7], [n, 5]), 'float32', 'float32');
    }
  });

  it('have the bits of the plain loops when images come in several slabs', () => {
    const geometry = { stride: [1, 2], pad: [1, 0, 0, 1] };
    compare(
      shaped('slabs', [30, 2, 110, 220], [8, 2, 2, 1], [30, 8, 110, 111], geometry),
      'float32',
      'float32',
    );
  });

  it('have the bits of the plain loops when weights come in several chunks', () => {
    compare(shaped('chunks', [3, 9000], [130, 9000], [3, 130]), 'float32', 'float32');
  });
});
