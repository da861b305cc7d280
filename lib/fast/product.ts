/**
 * One matrix product on the engine: the tables through which operands are read, padding, and how the work is cut into
 * blocks and panels (kernels/product.ts computes them).
 */
import type { Precision, Shape, Storage } from '../../reference/tensor.ts';
import { type Arena, type FastEngine, isFloat64, type Job, runJob } from './engine.ts';
import { type OperandSource, SOURCES } from './kernels/pack.ts';
import { type Arithmetic, accumulatorBytes, columnsOf, type Tile } from './kernels/product.ts';

/** What sums of these operands are held in: fused only where every product is exact in float64. */
export function arithmeticFor(accumulate: Precision, ...operands: Storage[]): Arithmetic {
  if (accumulate === 'float32') return 'float32';
  return operands.some(isFloat64) ? 'float64' : 'fused';
}

/** An operand in the engine's memory: element (i, k) lies at `at` + lines[i] + steps[k] bytes. */
export interface Operand {
  readonly at: number;
  readonly source: OperandSource;
  readonly lines: Int32Array;
  readonly steps: Int32Array;
}

export interface Result {
  readonly at: number;
  readonly wide: boolean;
  /** Bytes from one row to the next. */
  readonly rowBytes: number;
  /** Byte offset of every column. */
  readonly columns: Int32Array;
  /** Address of float64 values, one per row unless `biasPer` says column; without it, nothing is added. */
  readonly bias?: number;
  readonly biasPer?: 'row' | 'column';
}

/** Packed panels of the first operand. */
export interface Rows {
  readonly at: number;
  readonly count: number;
  readonly depth: number;
}

/**
 * Columns of a block and terms packed at a time: 400 KB in float64, which a second-level cache holds beside
 * the tiles.
 */
const MOST_COLUMNS = 96;
const MOST_DEPTH = 512;

const roundUp = (value: number, unit: number): number => Math.ceil(value / unit) * unit;

/** A table in memory, its last entry repeated up to a multiple of `unit`. */
function table(engine: FastEngine, arena: Arena, values: Int32Array, unit = 1): number {
  const length = roundUp(values.length, unit);
  const at = arena.take(4 * length);
  const target = new Int32Array(engine.memory.buffer, at, length);
  target.set(values);
  target.fill(values[values.length - 1], values.length);
  return at;
}

/** Packs the first operand. */
export function packRows(engine: FastEngine, arena: Arena, arithmetic: Arithmetic, a: Operand): Rows {
  const tile = engine.tiles[arithmetic];
  const count = a.lines.length;
  const depth = a.steps.length;
  const lines = table(engine, arena, a.lines, tile.rows);
  const steps = table(engine, arena, a.steps);
  const at = arena.take(roundUp(count, tile.rows) * depth * accumulatorBytes(tile));
  const pack = engine.kernels[`rows_${tile.arithmetic}_${a.source}`];
  pack(at, a.at, lines, steps, depth, Math.ceil(count / tile.rows));
  return { at, count, depth };
}

/** Sums that go on from one call to the next: the terms of one product in several parts, in order. */
interface PartialSums {
  /** Memory for the unfinished sums, of `partsBytes`. */
  readonly sums: number;
  readonly begins: boolean;
  readonly ends: boolean;
}

/** How the columns of a product are cut into blocks, for cache and threads. */
function blocksOf(engine: FastEngine, tile: Tile, rows: number, columns: number) {
  const perThread = columns / engine.threads;
  const blockColumns = roundUp(Math.ceil(perThread / Math.ceil(perThread / MOST_COLUMNS)), columnsOf(tile));
  const tileBytes = roundUp(rows, tile.rows) * blockColumns * accumulatorBytes(tile);
  return { blockColumns, tileBytes, blocks: Math.ceil(columns / blockColumns) };
}

/** Bytes for the unfinished sums of a product. */
export function partsBytes(
  engine: FastEngine,
  arithmetic: Arithmetic,
  rows: number,
  columns: number,
): number {
  const { blocks, tileBytes } = blocksOf(engine, engine.tiles[arithmetic], rows, columns);
  return blocks * tileBytes;
}

/** y[i, j] = round(Σ_k a[i, k] · x[k, j] + bias[i]), k ascending; `meanwhile` runs while the other threads begin. */
export function multiply(
  engine: FastEngine,
  arena: Arena,
  arithmetic: Arithmetic,
  a: Rows,
  x: Operand,
  y: Result,
  { parts, meanwhile }: { readonly parts?: PartialSums; readonly meanwhile?: () => void } = {},
): void {
  const tile = engine.tiles[arithmetic];
  const columns = x.lines.length;
  const { blockColumns, tileBytes, blocks } = blocksOf(engine, tile, a.count, columns);
  const blockDepth = Math.min(a.depth, Math.ceil(a.depth / Math.ceil(a.depth / MOST_DEPTH)));
  const packedBytes = blockDepth * blockColumns * accumulatorBytes(tile);
  const scratchBytes = roundUp(packedBytes + (parts ? 0 : tileBytes), 4096);
  const job: Job = {
    kind: arithmetic,
    blocks,
    a: a.at,
    x: x.at,
    source: SOURCES.indexOf(x.source),
    base: table(engine, arena, x.lines, blockColumns),
    steps: table(engine, arena, x.steps),
    out: table(engine, arena, y.columns),
    y: y.at,
    yWide: Number(y.wide),
    rowBytes: y.rowBytes,
    bias: y.bias ?? arena.put(new Float64Array(a.count)),
    biasRow: y.biasPer === 'column' ? 0 : 8,
    biasColumn: y.biasPer === 'column' ? 8 : 0,
    rows: a.count,
    columns,
    depth: a.depth,
    blockColumns,
    blockDepth,
    begins: Number(parts?.begins ?? true),
    ends: Number(parts?.ends ?? true),
    sums: parts?.sums ?? 0,
    sumsBytes: tileBytes,
    scratch: arena.take(scratchBytes * engine.threads),
    scratchBytes,
  };
  runJob(engine, job, meanwhile);
}

/** Few images times rows of float32 weights that lie one after another at `w`: y[n, o], with one bias per column. */
export function dots(
  engine: FastEngine,
  arena: Arena,
  arithmetic: 'float64' | 'float32',
  x: Rows,
  w: { readonly at: number; readonly count: number },
  y: Omit<Result, 'columns' | 'biasPer'>,
  meanwhile?: () => void,
): void {
  const blockColumns = roundUp(Math.ceil(w.count / engine.threads), 8);
  runJob(
    engine,
    {
      kind: `dots_${arithmetic}`,
      blocks: Math.ceil(w.count / blockColumns),
      a: x.at,
      x: w.at,
      y: y.at,
      yWide: Number(y.wide),
      rowBytes: y.rowBytes,
      bias: y.bias,
      rows: x.count,
      columns: w.count,
      depth: x.depth,
      blockColumns,
      scratch: arena.take(64 * engine.threads),
      scratchBytes: 64,
    },
    meanwhile,
  );
}

/** Offsets of a dense grid of points, the last axis fastest: Σ index[axis] · strides[axis]. */
export function grid(extents: Shape, strides: readonly number[]): Int32Array {
  let offsets = new Int32Array(1);
  for (const [axis, extent] of extents.entries()) {
    const next = new Int32Array(offsets.length * extent);
    for (let i = 0; i < next.length; i++) {
      next[i] = offsets[Math.floor(i / extent)] + (i % extent) * strides[axis];
    }
    offsets = next;
  }
  return offsets;
}

export interface Frame {
  /** A map's extents. */
  readonly H: number;
  readonly W: number;
  /** The frame's extents, and where in it the map lies; what does not fit is left out. */
  readonly height: number;
  readonly width: number;
  readonly top: number;
  readonly left: number;
  /** What the frame is filled with. */
  readonly value: number;
}

/** Copies maps into the engine's memory, each in its frame. */
export function putFramed(engine: FastEngine, arena: Arena, X: Storage, frame: Frame): number {
  const { H, W, height, width, top, left, value } = frame;
  const bytes = X.BYTES_PER_ELEMENT;
  const maps = X.length / (H * W);
  if (height === H && width === W && top === 0 && left === 0) return arena.put(X);
  const at = arena.take(maps * height * width * bytes);
  const mark = arena.mark();
  const raw = arena.put(X);
  fill(engine, at, maps * height * width * bytes, value, bytes);
  engine.kernels.frame(
    raw,
    at + (top * width + left) * bytes,
    maps,
    Math.min(H, height - top),
    Math.min(W, width - left) * bytes,
    W * bytes,
    width * bytes,
    H * W * bytes,
    height * width * bytes,
  );
  arena.release(mark);
  return at;
}

function fill({ memory }: FastEngine, at: number, size: number, value: number, bytes: number): void {
  const buffer = memory.buffer as ArrayBuffer;
  const view =
    bytes === 8 ? new Float64Array(buffer, at, size / bytes) : new Float32Array(buffer, at, size / bytes);
  view.fill(value);
}
