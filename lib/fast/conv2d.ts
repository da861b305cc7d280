/**
 * The fast twin of ops/conv2d.ts: the same signature, the same bits.
 *
 * One matrix product a group: rows are the group's kernels, columns the output pixels of a slab of images, and the
 * terms (c, r, s). Padding is zeros here, where the plain loops skip it; 0 · w adds nothing for any finite w, so
 * convolutions with a non-finite weight go to the plain loops.
 */
import * as plain from '../../reference/ops/conv2d.ts';
import type { Terms } from '../../reference/ops/operation.ts';
import {
  allocate,
  dense,
  type Precision,
  precisionOf,
  type Shape,
  type Storage,
  sizeOf,
  type Tensor,
  tensor,
} from '../../reference/tensor.ts';
import { type Arena, allFinite, currentEngine, type Engine, isWide, openArena, viewOf } from './engine.ts';
import type { Arithmetic } from './kernels/product.ts';
import { arithmeticFor, type Frame, grid, multiply, packRows, putFramed, type Rows } from './product.ts';
import { convolve, mustBeSingle } from './single.ts';

export { type Attributes, macs, parameters, shape } from '../../reference/ops/conv2d.ts';
export { backward } from './conv2dbackward.ts';

/** Input and output of one slab of images; more would only cost memory. */
const SLAB_BYTES = 1 << 25;

/** y as ops/conv2d.ts defines it, or with `accumulate` 'float32' as single.ts does. */
export function forward(
  operands: readonly Tensor[],
  attributes: plain.Attributes,
  precision: Precision = precisionOf(operands[0]),
  accumulate: Precision = 'float64',
): Tensor {
  const [x, w, b] = operands;
  const yShape = plain.shape([x.shape, w.shape], attributes);
  if (accumulate === 'float32') mustBeSingle('conv2d', operands, precision);
  const engine = currentEngine();
  const [X, F, B] = [dense(x), dense(w), b && dense(b)];
  const padded = attributes.pad.some((p) => p > 0);
  const loops = () =>
    accumulate === 'float32'
      ? convolve(operands, attributes)
      : plain.forward(operands, attributes, precision);
  if (!engine || sizeOf(yShape) === 0) return loops();
  const arena = openArena(engine);
  const weights = arena.put(F);
  if (padded && !allFinite(engine, weights, F)) return loops();
  const [N, C, H, W] = x.shape;
  const [K, CG, R, S] = w.shape;
  const [, , P, Q] = yShape;
  const { groups, pad, dilation, stride } = attributes;
  if (B && B.length !== K) throw new Error(`conv2d: b must have ${K} values (= ${B.length})`);
  const arithmetic = arithmeticFor(accumulate, X, F);
  const Y = allocate(sizeOf(yShape), precision);
  const [xBytes, yBytes] = [X.BYTES_PER_ELEMENT, Y.BYTES_PER_ELEMENT];

  const bias = arena.put(Float64Array.from(B ?? new Float64Array(K)));
  const kernels = packKernels(engine, arena, arithmetic, weights, F, w.shape, groups);
  const frame: Frame = {
    ...{ H, W, top: pad[0], left: pad[1], value: 0 },
    height: H + pad[0] + pad[2],
    width: W + pad[1] + pad[3],
  };
  const mapBytes = frame.height * frame.width * xBytes;
  const slab = Math.min(N, Math.max(1, Math.floor(SLAB_BYTES / (C * mapBytes + K * P * Q * yBytes))));
  const lines = grid([slab, P, Q], [C * mapBytes, stride[0] * frame.width * xBytes, stride[1] * xBytes]);
  const steps = grid([CG, R, S], [mapBytes, dilation[0] * frame.width * xBytes, dilation[1] * xBytes]);
  const columns = grid([slab, P * Q], [K * P * Q * yBytes, yBytes]);
  const mark = arena.mark();
  for (let n = 0; n < N; n += slab) {
    const count = Math.min(slab, N - n);
    const xAt = putFramed(engine, arena, X.subarray(n * C * H * W, (n + count) * C * H * W), frame);
    const yAt = arena.take(count * K * P * Q * yBytes);
    for (const [g, rows] of kernels.entries()) {
      const operand = {
        at: xAt + g * CG * mapBytes,
        source: precisionOf(x),
        lines: lines.subarray(0, count * P * Q),
        steps,
      };
      multiply(engine, arena, arithmetic, rows, operand, {
        at: yAt + g * rows.count * P * Q * yBytes,
        wide: isWide(Y),
        rowBytes: P * Q * yBytes,
        columns: columns.subarray(0, count * P * Q),
        bias: bias + 8 * g * rows.count,
        biasPer: 'row',
      });
    }
    Y.set(viewOf(engine, precision, yAt, count * K * P * Q), n * K * P * Q);
    arena.release(mark);
  }
  return tensor(Y, yShape);
}

/** As ops/conv2d.ts: the same function over the fast convolution. */
export const terms = (operands: readonly Tensor[], attributes: plain.Attributes): Terms =>
  plain.terms(operands, attributes, forward);

/** The weights of every group, which lie at `at`, as packed rows. */
function packKernels(
  engine: Engine,
  arena: Arena,
  arithmetic: Arithmetic,
  at: number,
  F: Storage,
  [K, CG, R, S]: Shape,
  groups: number,
): Rows[] {
  const depth = CG * R * S;
  const rows = K / groups;
  const lines = grid([rows], [depth * F.BYTES_PER_ELEMENT]);
  const steps = grid([depth], [F.BYTES_PER_ELEMENT]);
  return Array.from({ length: groups }, (_, g) => {
    const operand = {
      at: at + g * rows * depth * F.BYTES_PER_ELEMENT,
      source: isWide(F) ? 'float64' : 'lines',
      lines,
      steps,
    } as const;
    return packRows(engine, arena, arithmetic, operand);
  });
}
