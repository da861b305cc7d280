/** The norm-wise tier against docs/error-bounds.md, worked out by hand on small examples. */
import { expect } from 'chai';
import { classes, type OperandRounding } from '../../../lib/bounds/arithmetic.ts';
import type { LayersOf } from '../../../lib/bounds/bounds.ts';
import { normwise } from '../../../lib/bounds/normwise.ts';
import type { Layer } from '../../../reference/networks/layers.ts';
import { type Tensor, tensor } from '../../../reference/tensor.ts';
import { contextOn, g, gradientsOf, near, u } from '../../support/hand.ts';

/** A tensor of zeros but for [index, value]. */
function sparse(
  shape: readonly number[],
  ...values: readonly (readonly [readonly number[], number])[]
): Tensor {
  const x = tensor(new Float32Array(shape.reduce((a, b) => a * b)), shape);
  for (const [index, value] of values) x.set(...index, value);
  return x;
}

describe('the norm-wise bound by hand', () => {
  const layer = (pad: readonly [number, number, number, number], groups: number): LayersOf<'conv2d'> => ({
    name: 'y',
    kind: 'conv2d',
    channels: 4,
    kernel: [3, 3],
    attributes: { stride: [1, 1], dilation: [1, 1], pad, groups },
  });

  it('FFT: (3·L·8u + (C/G + 4)u)·‖w‖·‖x‖ of the group’s channels, wherever in the image', () => {
    // 5 + 1 + 2 + 1 and 6 + 1 + 1 + 1 are one above a power of two: L = 4 + 4; ‖x‖ = 5 and 10, twice that in image 1
    const x = sparse(
      [2, 4, 5, 6],
      ...([1, 2] as const).flatMap((times, n) => [
        [[n, 0, 0, 0], 3 * times] as const,
        [[n, 1, 4, 5], 4 * times] as const,
        [[n, 2, 2, 2], 6 * times] as const,
        [[n, 3, 3, 1], 8 * times] as const,
      ]),
    );
    // ‖w‖ = 1, 2, 3, 4
    const w = sparse(
      [4, 2, 2, 2],
      [[0, 0, 0, 0], 1],
      [[1, 1, 1, 1], 2],
      [[2, 0, 1, 0], 3],
      [[3, 1, 0, 1], -4],
    );
    const of = (operands: OperandRounding) => normwise(layer([1, 1, 2, 1], 2), x, w, [2, 4, 7, 7], operands);
    const each = (values: readonly number[]) => values.flatMap((v) => new Array(49).fill(v));
    const products = [5, 10, 30, 40, 10, 20, 60, 80];
    near(of(classes.float32).bound, each(products.map((v) => v * g(3 * 8 * 8 + 6))));
    const first = 198 * u + 2 ** -9 + 2 ** -20;
    near(of(classes.tf32).bound, each(products.map((v) => (v * first) / (1 - first))));
    near(of(classes.float32).squares, each(products.map((v) => v ** 2 / 60)));
  });

  it('Winograd: 300·γ_{C/G+27}·‖w‖·‖x‖ of the pixels that may share a tile with the window, 9×9 around it', () => {
    const x = sparse([1, 1, 14, 16], [[0, 0, 6, 7], 5], [[0, 0, 0, 0], 12]);
    const w = sparse([1, 1, 3, 3], [[0, 0, 1, 2], 2]);
    const about = { ...layer([1, 2, 1, 0], 1), channels: 1 };
    const { bound } = normwise(about, x, w, [1, 1, 14, 16], classes.float32);
    const wanted = Array.from(bound, (_, i) => {
      // the window begins one above and two left of (p, q); tiles reach three before it and five behind
      const [p, q] = [Math.floor(i / 16), i % 16];
      const five = p >= 2 && p <= 10 && q >= 4 && q <= 12;
      const twelve = p <= 4 && q <= 5;
      const norm = five && twelve ? 13 : five ? 5 : twelve ? 12 : 0;
      // the transform of the whole: 14 + 2 + 2 and 16 + 2 + 2, L = 5 + 5; ‖x‖ = 13
      return 2 * (norm > 0 ? 300 * norm * g(28) : 13 * g(3 * 10 * 8 + 5));
    });
    near(bound, wanted);
    const tf32 = normwise(about, x, w, [1, 1, 14, 16], classes.tf32).bound[6 * 16 + 8];
    near([tf32], [2 * 300 * 5 * (g(28) + 2 ** -9 + 2 ** -20)]);
  });

  it('dx is the convolution of dy with the kernels turned: norms over the kernels of a group', () => {
    const attributes = { stride: [1, 1], pad: [0, 0, 0, 0], dilation: [1, 1], groups: 2 } as const;
    const conv: Layer = { name: 'y', kind: 'conv2d', channels: 4, kernel: [2, 2], attributes };
    // of x's channels 5, 13, 10, 17: kernels 0 and 1 read channels 0 and 1, kernels 2 and 3 the others
    const w = sparse(
      [4, 2, 2, 2],
      ...[3, 5, 4, 12, 6, 8, 8, 15].map((v, i) => [[i >> 1, i & 1, 0, 1], v] as const),
    );
    const dy = sparse([1, 4, 7, 7], [[0, 1, 3, 3], 2], [[0, 2, 0, 6], 3]);
    const x = sparse([1, 4, 8, 8]);
    const pass = { x, y: sparse([1, 4, 7, 7]), dy, weights: new Map([['y.weight', w]]) };
    const { bound } = gradientsOf(conv, pass, contextOn('cuda'))[0]!.bounds.normwise!();
    // 7 + 1 + 1 + 1 each way: L = 4 + 4
    near(
      bound,
      [2 * 5, 2 * 13, 3 * 10, 3 * 17].flatMap((v) => new Array(64).fill(v * g(3 * 8 * 8 + 6))),
    );
    for (const change of [{ stride: [2, 2] }, { dilation: [2, 2] }] as const) {
      const P = 'stride' in change ? 4 : 6;
      const own = { ...conv, attributes: { ...attributes, ...change } } as Layer;
      const given = { ...pass, y: sparse([1, 4, P, P]), dy: sparse([1, 4, P, P]) };
      expect(gradientsOf(own, given, contextOn('cuda'))[0]!.bounds.normwise).to.equal(undefined);
    }
  });
});
