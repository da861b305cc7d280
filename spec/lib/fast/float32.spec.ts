/** Sums in float32: loops whose every operation is rounded, and kernels with their bits. */
import { expect } from 'chai';
import { connect, convolve } from '../../../lib/fast/float32.ts';
import * as fast from '../../../lib/fast/node.ts';
import { forward, weightShapes } from '../../../lib/fast/oracle.ts';
import { networkNamed } from '../../../reference/networks/index.ts';
import type * as plain from '../../../reference/ops/index.ts';
import { cast, sizeOf, type Tensor, tensor } from '../../../reference/tensor.ts';
import { awkward, firstDifference } from '../../support/bits.ts';

const values = (shape: number[], seed: number, nonFinite = false): Tensor =>
  tensor(awkward(sizeOf(shape), seed, { nonFinite }), shape);
const { fround } = Math;

describe('sums in float32', () => {
  afterEach(() => fast.configure({ threads: fast.workers(1), wide: false }));

  it('round every product and every sum: a case worked by hand', () => {
    // 2²⁴ + 1 is not a float32: in float32 the ones are lost one by one, in float64 they are not
    const x = tensor(Float32Array.of(2 ** 24, 1, 1, 1, 1), [1, 5]);
    const w = tensor(new Float32Array(5).fill(1), [1, 5]);
    expect(fast.linear.forward([x, w], undefined, 'float32', 'float32').data[0]).to.equal(2 ** 24);
    expect(fast.linear.forward([x, w], undefined, 'float32').data[0]).to.equal(2 ** 24 + 4);
    // (1 + 2⁻¹²)² = 1 + 2⁻¹¹ + 2⁻²⁴: the product is rounded before it meets −1 (a fused operation would keep 2⁻²⁴)
    const root = 1 + 2 ** -12;
    const a = tensor(Float32Array.of(-1, root), [1, 2]);
    const b = tensor(Float32Array.of(1, root), [1, 2]);
    expect(fast.linear.forward([a, b], undefined, 'float32', 'float32').data[0]).to.equal(2 ** -11);
    expect(fround(root * root) - 1).to.equal(2 ** -11);
  });

  const geometries: [number[], number[], Partial<plain.conv2d.Attributes>][] = [
    [[2, 5, 9, 8], [11, 5, 3, 2], {}],
    [[1, 70, 6, 5], [9, 70, 3, 3], { pad: [1, 1, 1, 1] }],
    [[3, 6, 9, 11], [10, 3, 3, 2], { groups: 2, stride: [2, 1], pad: [1, 0, 2, 1], dilation: [1, 2] }],
  ];
  for (const wide of [false, true]) {
    it(`of a convolution have the bits of the rounding loop${wide ? ', wide tiles' : ''}`, () => {
      for (const threads of [1, 2]) {
        fast.configure({ wide, threads: fast.workers(threads) });
        for (const [x, w, changes] of geometries) {
          for (const nonFinite of [false, true]) {
            const attributes: plain.conv2d.Attributes = {
              ...{ stride: [1, 1], pad: [0, 0, 0, 0], dilation: [1, 1], groups: 1 },
              ...changes,
            };
            const operands = [values(x, 1, nonFinite), values(w, 2, nonFinite), values([w[0]], 3)] as const;
            const y = fast.conv2d.forward(operands, attributes, 'float32', 'float32');
            const expected = convolve(operands, attributes);
            expect(firstDifference(y.data, expected.data), `${x} ${w}, first difference`).to.equal(-1);
          }
        }
      }
    });

    it(`of a fully connected layer have the bits of the rounding loop${wide ? ', wide tiles' : ''}`, () => {
      fast.configure({ wide });
      for (let n = 1; n <= 17; n++) {
        for (const [N, I, O] of [
          [n, 9, 7],
          [1, n, 5],
          [3, n, 5],
          [1, 19, n],
          [3, 19, n],
          [2, 600, n],
        ]) {
          const operands = [values([N, I], 4), values([O, I], 5), values([O], 6)] as const;
          const y = fast.linear.forward(operands, undefined, 'float32', 'float32');
          const difference = firstDifference(y.data, connect(operands).data);
          expect(difference, `${N}×${I}×${O}, first difference`).to.equal(-1);
        }
      }
    });
  }

  it('differ from float64 sums, and do not differ between plain and fast, in a whole network', () => {
    const network = networkNamed('cifar10-full');
    const weights = new Map(
      [...weightShapes(network)].map(([name, shape], i) => {
        const random = awkward(sizeOf(shape), i).map((v) => (Math.abs(v) > 1 ? 0.01 : v * 0.02));
        return [name, tensor(random, shape)];
      }),
    );
    const input = tensor(
      awkward(3 * 32 * 32, 9).map((v) => (Math.abs(v) > 100 ? 1 : v)),
      [1, 3, 32, 32],
    );
    const [a, b, c] = [
      { accumulate: 'float32' } as const,
      { accumulate: 'float32', plain: true } as const,
      {},
    ].map((options) => forward(network, weights, input, { operations: fast.operationsFor(options) }).data);
    expect(firstDifference(a, b)).to.equal(-1);
    expect(firstDifference(a, c)).not.to.equal(-1);
  });

  it('are refused where values are stored in float64', () => {
    const x = values([1, 3], 1);
    expect(() => fast.linear.forward([cast(x, 'float64'), x], undefined, 'float32', 'float32')).to.throw(
      'linear: sums in float32 need values stored in float32',
    );
  });
});
