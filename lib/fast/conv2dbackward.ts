/**
 * The fast twin of backward in ops/conv2d.ts: the same signature, the same bits, the same kernels with other tables.
 *
 * dw  rows are kernels, columns the taps (c, r, s), and the sum runs over the outputs (n, p, q) of all slabs.
 * dx  rows are channels, columns the pixels of one phase of the stride, all of which the same taps reach, and the sum
 *     runs over those taps (k, r, s). The frame around dy holds zeros for outputs that do not exist.
 */
import * as plain from '../../reference/ops/conv2d.ts';
import type { Backward } from '../../reference/ops/operation.ts';
import {
  allocate,
  dense,
  type Precision,
  precisionOf,
  type Storage,
  sizeOf,
  type Tensor,
  tensor,
} from '../../reference/tensor.ts';
import { allFinite, currentEngine, type Engine, isWide, openArena, viewOf } from './engine.ts';
import { arithmeticFor, grid, multiply, packRows, partsBytes, putFramed } from './product.ts';

/** Operands of one slab of images. */
const SLAB_BYTES = 1 << 25;

/** As ops/conv2d.ts defines it. */
export const backward: Backward<plain.Attributes> = (dy, operands, y, attributes, how = {}) => {
  const [x, w] = operands;
  const { precision = precisionOf(x), dx = true } = how;
  const yShape = plain.shape([x.shape, w.shape], attributes);
  const engine = currentEngine();
  if (!engine || dy.shape.join() !== yShape.join() || sizeOf(yShape) === 0 || !usable(engine, dy, w)) {
    return plain.backward(dy, operands, y, attributes, how);
  }
  return [
    dx ? inputGradient(engine, dy, x, w, attributes, precision) : null,
    weightGradient(engine, dy, x, w, attributes, precision),
    plain.biasGradient(dy, precision),
  ];
};

/** The frames' zeros meet dy in dw, and w in dx: only where both are finite do they add nothing. */
function usable(engine: Engine, dy: Tensor, w: Tensor): boolean {
  const arena = openArena(engine);
  return [dense(dy), dense(w)].every((values) => allFinite(engine, arena.put(values), values));
}

const bytesOf = (data: Storage): number => data.BYTES_PER_ELEMENT;

function weightGradient(
  engine: Engine,
  dy: Tensor,
  x: Tensor,
  w: Tensor,
  { stride, pad, dilation, groups }: plain.Attributes,
  precision: Precision,
): Tensor {
  const [N, C, H, W] = x.shape;
  const [K, CG, R, S] = w.shape;
  const [, , P, Q] = dy.shape;
  const [DY, X] = [dense(dy), dense(x)];
  const DW = allocate(w.size, precision);
  const [dBytes, xBytes, wBytes] = [bytesOf(DY), bytesOf(X), bytesOf(DW)];
  const arithmetic = arithmeticFor('float64', DY, X);
  const [KG, taps] = [K / groups, CG * R * S];
  const frame = {
    H,
    W,
    top: pad[0],
    left: pad[1],
    height: H + pad[0] + pad[2],
    width: W + pad[1] + pad[3],
    value: 0,
  };
  const [lineBytes, mapBytes] = [frame.width * xBytes, frame.height * frame.width * xBytes];
  const imageBytes = C * mapBytes + K * P * Q * (dBytes + 8);
  const slab = Math.min(N, Math.max(1, Math.floor(SLAB_BYTES / imageBytes)));

  const arena = openArena(engine);
  const dwAt = arena.take(w.size * wBytes);
  const bias = arena.put(new Float64Array(KG));
  const sumsBytes = partsBytes(engine, arithmetic, KG, taps);
  const sums = arena.take(groups * sumsBytes);
  const kernels = grid([KG], [P * Q * dBytes]);
  const lines = grid([CG, R, S], [mapBytes, dilation[0] * lineBytes, dilation[1] * xBytes]);
  const columns = grid([taps], [wBytes]);
  const mark = arena.mark();
  for (let n = 0; n < N; n += slab) {
    const count = Math.min(slab, N - n);
    const xAt = putFramed(engine, arena, X.subarray(n * C * H * W, (n + count) * C * H * W), frame);
    const dyAt = arena.put(DY.subarray(n * K * P * Q, (n + count) * K * P * Q));
    const steps = grid([count, P, Q], [C * mapBytes, stride[0] * lineBytes, stride[1] * xBytes]);
    const outputs = grid([count, P * Q], [K * P * Q * dBytes, dBytes]);
    const inner = arena.mark();
    for (let g = 0; g < groups; g++) {
      const at = dyAt + g * KG * P * Q * dBytes;
      const rows = packRows(engine, arena, arithmetic, {
        at,
        source: precisionOf(dy),
        lines: kernels,
        steps: outputs,
      });
      const operand = { at: xAt + g * CG * mapBytes, source: precisionOf(x), lines, steps };
      const y = {
        at: dwAt + g * KG * taps * wBytes,
        wide: isWide(DW),
        rowBytes: taps * wBytes,
        columns,
        bias,
      };
      const parts = { sums: sums + g * sumsBytes, begins: n === 0, ends: n + count === N };
      multiply(engine, arena, arithmetic, rows, operand, { ...y, biasPer: 'row' }, { parts });
      arena.release(inner);
    }
    arena.release(mark);
  }
  DW.set(viewOf(engine, precision, dwAt, w.size));
  return tensor(DW, w.shape);
}

/** One axis of the pixels that share a remainder: the taps that reach them, and from which outputs. */
interface Phase {
  /** First pixel, and how many, a stride apart. */
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
  engine: Engine,
  dy: Tensor,
  x: Tensor,
  w: Tensor,
  { stride, pad, dilation, groups }: plain.Attributes,
  precision: Precision,
): Tensor {
  const [N, C, H, W] = x.shape;
  const [K, CG, R, S] = w.shape;
  const [, , P, Q] = dy.shape;
  const [DY, F] = [dense(dy), dense(w)];
  const DX = allocate(x.size, precision);
  const [dBytes, wBytes, xBytes] = [bytesOf(DY), bytesOf(F), bytesOf(DX)];
  const arithmetic = arithmeticFor('float64', DY, F);
  const KG = K / groups;
  const down = phasesOf(H, pad[0], stride[0], dilation[0], R);
  const across = phasesOf(W, pad[1], stride[1], dilation[1], S);
  const [[top, bottom], [left, right]] = [margins(down, P), margins(across, Q)];
  const frame = { H: P, W: Q, top, left, height: top + P + bottom, width: left + Q + right, value: 0 };
  const [lineBytes, mapBytes] = [frame.width * dBytes, frame.height * frame.width * dBytes];
  const slab = Math.min(N, Math.max(1, Math.floor(SLAB_BYTES / (K * mapBytes + C * H * W * xBytes))));

  const arena = openArena(engine);
  const wAt = arena.put(F);
  const bias = arena.put(new Float64Array(CG));
  const channels = grid([CG], [R * S * wBytes]);
  const mark = arena.mark();
  for (let n = 0; n < N; n += slab) {
    const count = Math.min(slab, N - n);
    const dyAt = putFramed(engine, arena, DY.subarray(n * K * P * Q, (n + count) * K * P * Q), frame);
    const dxAt = arena.put(DX.subarray(n * C * H * W, (n + count) * C * H * W));
    const inner = arena.mark();
    for (const rowPhase of down) {
      for (const columnPhase of across) {
        if (rowPhase.taps.length === 0 || columnPhase.taps.length === 0) continue;
        const pixels: [number, number, number] = [count, rowPhase.count, columnPhase.count];
        const lines = grid(pixels, [K * mapBytes, lineBytes, dBytes]);
        const columns = grid(pixels, [C * H * W * xBytes, stride[0] * W * xBytes, stride[1] * xBytes]);
        const steps = tapTable(KG, rowPhase.outputs, columnPhase.outputs, [mapBytes, lineBytes, dBytes]);
        const taps = tapTable(KG, rowPhase.taps, columnPhase.taps, [CG * R * S * wBytes, S * wBytes, wBytes]);
        for (let g = 0; g < groups; g++) {
          const at = wAt + g * KG * CG * R * S * wBytes;
          const rows = packRows(engine, arena, arithmetic, {
            at,
            source: precisionOf(w),
            lines: channels,
            steps: taps,
          });
          const from = dyAt + g * KG * mapBytes + top * lineBytes + left * dBytes;
          const to = dxAt + (g * CG * H * W + rowPhase.first * W + columnPhase.first) * xBytes;
          const operand = { at: from, source: precisionOf(dy), lines, steps };
          const y = {
            at: to,
            wide: isWide(DX),
            rowBytes: H * W * xBytes,
            columns,
            bias,
            biasPer: 'row',
          } as const;
          multiply(engine, arena, arithmetic, rows, operand, y);
          arena.release(inner);
        }
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
