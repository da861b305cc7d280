/**
 * The fast twin of ops/conv2d.ts: the same signatures, the same bits. Forward and both gradients are matrix products
 * by the same kernels through other tables, one product per group, over slabs of images.
 *
 * y   rows are the group's kernels, columns the output pixels, and the sum runs over the taps (c, r, s).
 * dw  rows are kernels, columns the taps (c, r, s), and the sum runs over the outputs (n, p, q) of all slabs.
 * dx  rows are channels, columns the pixels of one phase of the stride, all of which the same taps reach, and the sum
 *     runs over those taps (k, r, s). The frame around dy holds zeros for outputs that do not exist.
 *
 * Padding is zeros here, where the plain loops skip it; 0 · w adds nothing for any finite w, so operands that are not
 * finite go to the plain loops.
 */
import * as plain from '../../reference/ops/conv2d.ts';
import type { Backward, Terms } from '../../reference/ops/operation.ts';
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
import {
  type Arena,
  allFinite,
  currentEngine,
  type FastEngine,
  isFloat64,
  openArena,
  viewOf,
} from './engine.ts';
import { convolve, mustBeSingle } from './float32.ts';
import type { Arithmetic } from './kernels/product.ts';
import {
  arithmeticFor,
  type Frame,
  grid,
  multiply,
  packRows,
  partsBytes,
  putFramed,
  type Rows,
} from './product.ts';

export { type Attributes, macs, parameters, shape } from '../../reference/ops/conv2d.ts';

/** Operands of one slab of images; more would only cost memory. */
const SLAB_BYTES = 1 << 25;
const slabOf = (N: number, imageBytes: number): number =>
  Math.min(N, Math.max(1, Math.floor(SLAB_BYTES / imageBytes)));

/** Images n … n + count of a batch, `size` values each. */
const images = (X: Storage, size: number, n: number, count: number): Storage =>
  X.subarray(n * size, (n + count) * size);

/** The frame of the padding around H × W pixels, and the bytes of its lines and of a map. */
function padded(H: number, W: number, { pad }: plain.Attributes, bytes: number) {
  const [top, left, bottom, right] = pad;
  const frame: Frame = { H, W, top, left, height: top + H + bottom, width: left + W + right, value: 0 };
  return { frame, lineBytes: frame.width * bytes, mapBytes: frame.height * frame.width * bytes };
}

/** y as ops/conv2d.ts defines it, or with `accumulate` 'float32' as float32.ts does. */
export function forward(
  operands: readonly Tensor[],
  attributes: plain.Attributes,
  precision: Precision = precisionOf(operands[0]),
  accumulate: Precision = 'float64',
): Tensor {
  const [x, w, b] = operands;
  const yShape = plain.shape([x.shape, w.shape], attributes);
  if (accumulate === 'float32') mustBeSingle('conv2d', operands, precision);
  const loops = () =>
    accumulate === 'float32'
      ? convolve(operands, attributes)
      : plain.forward(operands, attributes, precision);
  const engine = currentEngine();
  if (!engine || sizeOf(yShape) === 0) return loops();
  const X = dense(x);
  const F = dense(w);
  const B = b && dense(b);
  const arena = openArena(engine);
  const weights = arena.put(F);
  if (attributes.pad.some((p) => p > 0) && !allFinite(engine, weights, F)) return loops();
  const [N, C, H, W] = x.shape;
  const [K, CG, R, S] = w.shape;
  const [, , P, Q] = yShape;
  const { groups, dilation, stride } = attributes;
  if (B && B.length !== K) throw new Error(`conv2d: b must have ${K} values (= ${B.length})`);
  const arithmetic = arithmeticFor(accumulate, X, F);
  const Y = allocate(sizeOf(yShape), precision);
  const xBytes = X.BYTES_PER_ELEMENT;
  const yBytes = Y.BYTES_PER_ELEMENT;

  const bias = arena.put(new Float64Array(B ?? new Float64Array(K)));
  const kernels = packKernels(engine, arena, arithmetic, weights, F, w.shape, groups);
  const { frame, lineBytes, mapBytes } = padded(H, W, attributes, xBytes);
  const slab = slabOf(N, C * mapBytes + K * P * Q * yBytes);
  const lines = grid([slab, P, Q], [C * mapBytes, stride[0] * lineBytes, stride[1] * xBytes]);
  const steps = grid([CG, R, S], [mapBytes, dilation[0] * lineBytes, dilation[1] * xBytes]);
  const columns = grid([slab, P * Q], [K * P * Q * yBytes, yBytes]);
  const mark = arena.mark();
  for (let n = 0; n < N; n += slab) {
    const count = Math.min(slab, N - n);
    const xAt = putFramed(engine, arena, images(X, C * H * W, n, count), frame);
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
        wide: isFloat64(Y),
        rowBytes: P * Q * yBytes,
        columns: columns.subarray(0, count * P * Q),
        bias: bias + 8 * g * rows.count,
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
  engine: FastEngine,
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
      source: isFloat64(F) ? 'float64' : 'lines',
      lines,
      steps,
    } as const;
    return packRows(engine, arena, arithmetic, operand);
  });
}

/** As ops/conv2d.ts defines it. */
export const backward: Backward<plain.Attributes> = (dy, operands, y, attributes, how = {}) => {
  const [x, w] = operands;
  const { precision = precisionOf(x), dx = true, dw = true } = how;
  const yShape = plain.shape([x.shape, w.shape], attributes);
  const engine = currentEngine();
  if (!engine || dy.shape.join() !== yShape.join() || sizeOf(yShape) === 0 || !usable(engine, dy, w)) {
    return plain.backward(dy, operands, y, attributes, how);
  }
  return [
    dx ? inputGradient(engine, dy, x, w, attributes, precision) : null,
    dw ? weightGradient(engine, dy, x, w, attributes, precision) : null,
    dw ? plain.biasGradient(dy, precision) : null,
  ];
};

/** The frames' zeros meet dy in dw, and w in dx: only where both are finite do they add nothing. */
function usable(engine: FastEngine, dy: Tensor, w: Tensor): boolean {
  const arena = openArena(engine);
  return [dense(dy), dense(w)].every((values) => allFinite(engine, arena.put(values), values));
}

function weightGradient(
  engine: FastEngine,
  dy: Tensor,
  x: Tensor,
  w: Tensor,
  attributes: plain.Attributes,
  precision: Precision,
): Tensor {
  const { stride, dilation, groups } = attributes;
  const [N, C, H, W] = x.shape;
  const [K, CG, R, S] = w.shape;
  const [, , P, Q] = dy.shape;
  const DY = dense(dy);
  const X = dense(x);
  const DW = allocate(w.size, precision);
  const [dBytes, xBytes, wBytes] = [DY, X, DW].map((data) => data.BYTES_PER_ELEMENT);
  const arithmetic = arithmeticFor('float64', DY, X);
  const KG = K / groups;
  const taps = CG * R * S;
  const { frame, lineBytes, mapBytes } = padded(H, W, attributes, xBytes);
  const slab = slabOf(N, C * mapBytes + K * P * Q * (dBytes + 8));

  const arena = openArena(engine);
  const dwAt = arena.take(w.size * wBytes);
  const sumsBytes = partsBytes(engine, arithmetic, KG, taps);
  const sums = arena.take(groups * sumsBytes);
  const kernels = grid([KG], [P * Q * dBytes]);
  const lines = grid([CG, R, S], [mapBytes, dilation[0] * lineBytes, dilation[1] * xBytes]);
  const y = { wide: isFloat64(DW), rowBytes: taps * wBytes, columns: grid([taps], [wBytes]) };
  const mark = arena.mark();
  for (let n = 0; n < N; n += slab) {
    const count = Math.min(slab, N - n);
    const xAt = putFramed(engine, arena, images(X, C * H * W, n, count), frame);
    const dyAt = arena.put(images(DY, K * P * Q, n, count));
    const steps = grid([count, P, Q], [C * mapBytes, stride[0] * lineBytes, stride[1] * xBytes]);
    const outputs = grid([count, P * Q], [K * P * Q * dBytes, dBytes]);
    const inner = arena.mark();
    for (let g = 0; g < groups; g++) {
      const at = dyAt + g * KG * P * Q * dBytes;
      const gradients = { at, source: precisionOf(dy), lines: kernels, steps: outputs };
      const rows = packRows(engine, arena, arithmetic, gradients);
      const operand = { at: xAt + g * CG * mapBytes, source: precisionOf(x), lines, steps };
      const parts = { sums: sums + g * sumsBytes, begins: n === 0, ends: n + count === N };
      const to = { ...y, at: dwAt + g * KG * taps * wBytes };
      multiply(engine, arena, arithmetic, rows, operand, to, { parts });
      arena.release(inner);
    }
    arena.release(mark);
  }
  DW.set(viewOf(engine, precision, dwAt, w.size));
  return tensor(DW, w.shape);
}

/** One axis of the pixels that share a remainder: the taps that reach them, and from which outputs. */
interface Phase {
  /** First pixel, and the number of pixels, each a stride from the one before. */
  readonly first: number;
  readonly count: number;
  /** Taps, and for each the output that it carries to pixel `first`; it may lie outside. */
  readonly taps: readonly number[];
  readonly outputs: readonly number[];
}

function phasesOf(extent: number, pad: number, stride: number, dilation: number, size: number): Phase[] {
  return Array.from({ length: Math.min(stride, extent) }, (_, first) => {
    const reach = (tap: number): number => (first + pad - tap * dilation) / stride;
    const taps = Array.from({ length: size }, (_, tap) => tap).filter((tap) => Number.isInteger(reach(tap)));
    return { first, count: Math.ceil((extent - first) / stride), taps, outputs: taps.map(reach) };
  });
}

/** Margins before and after `extent` outputs that hold every output which any phase may reach. */
function margins(phases: readonly Phase[], extent: number): [number, number] {
  const first = phases.flatMap(({ outputs }) => outputs);
  const last = phases.flatMap(({ outputs, count }) => outputs.map((output) => output + count - 1));
  return [Math.max(0, -Math.min(...first)), Math.max(0, Math.max(...last) - (extent - 1))];
}

function inputGradient(
  engine: FastEngine,
  dy: Tensor,
  x: Tensor,
  w: Tensor,
  { stride, pad, dilation, groups }: plain.Attributes,
  precision: Precision,
): Tensor {
  const [N, C, H, W] = x.shape;
  const [K, CG, R, S] = w.shape;
  const [, , P, Q] = dy.shape;
  const DY = dense(dy);
  const F = dense(w);
  const DX = allocate(x.size, precision);
  const [dBytes, wBytes, xBytes] = [DY, F, DX].map((data) => data.BYTES_PER_ELEMENT);
  const arithmetic = arithmeticFor('float64', DY, F);
  const KG = K / groups;
  const down = phasesOf(H, pad[0], stride[0], dilation[0], R);
  const across = phasesOf(W, pad[1], stride[1], dilation[1], S);
  const [top, bottom] = margins(down, P);
  const [left, right] = margins(across, Q);
  const frame = { H: P, W: Q, top, left, height: top + P + bottom, width: left + Q + right, value: 0 };
  const lineBytes = frame.width * dBytes;
  const mapBytes = frame.height * frame.width * dBytes;
  const slab = slabOf(N, K * mapBytes + C * H * W * xBytes);

  const arena = openArena(engine);
  const wAt = arena.put(F);
  const channels = grid([CG], [R * S * wBytes]);
  const mark = arena.mark();
  for (let n = 0; n < N; n += slab) {
    const count = Math.min(slab, N - n);
    const dyAt = putFramed(engine, arena, images(DY, K * P * Q, n, count), frame);
    const dxAt = arena.put(images(DX, C * H * W, n, count));
    const inner = arena.mark();
    for (const [i, j] of down.flatMap((rows) => across.map((columns) => [rows, columns]))) {
      if (i.taps.length === 0 || j.taps.length === 0) continue;
      const pixels = [count, i.count, j.count];
      const lines = grid(pixels, [K * mapBytes, lineBytes, dBytes]);
      const columns = grid(pixels, [C * H * W * xBytes, stride[0] * W * xBytes, stride[1] * xBytes]);
      const steps = tapTable(KG, i.outputs, j.outputs, [mapBytes, lineBytes, dBytes]);
      const taps = tapTable(KG, i.taps, j.taps, [CG * R * S * wBytes, S * wBytes, wBytes]);
      for (let g = 0; g < groups; g++) {
        const at = wAt + g * KG * CG * R * S * wBytes;
        const weights = { at, source: precisionOf(w), lines: channels, steps: taps };
        const rows = packRows(engine, arena, arithmetic, weights);
        const from = dyAt + g * KG * mapBytes + top * lineBytes + left * dBytes;
        const to = dxAt + (g * CG * H * W + i.first * W + j.first) * xBytes;
        const y = { at: to, wide: isFloat64(DX), rowBytes: H * W * xBytes, columns };
        multiply(engine, arena, arithmetic, rows, { at: from, source: precisionOf(dy), lines, steps }, y);
        arena.release(inner);
      }
    }
    DX.set(viewOf(engine, precision, dxAt, count * C * H * W), n * C * H * W);
    arena.release(mark);
  }
  return tensor(DX, x.shape);
}

/** Byte offsets of every (k, r, s), r and s from lists. */
function tapTable(
  kernels: number,
  rows: readonly number[],
  columns: readonly number[],
  [kernelBytes, rowBytes, columnBytes]: readonly number[],
): Int32Array {
  const offsets = Array.from({ length: kernels }, (_, k) =>
    rows.flatMap((r) => columns.map((s) => k * kernelBytes + r * rowBytes + s * columnBytes)),
  );
  return Int32Array.from(offsets.flat());
}
