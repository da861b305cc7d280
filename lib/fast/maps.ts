/**
 * The fast twins that work map by map: both normalisations for β = ¾ (every AlexNet's), max-pooling for float32
 * values. The same signatures, the same bits; anything else goes to the plain loops.
 */
import * as plainLrn from '../../reference/ops/lrn.ts';
import * as plainMapnorm from '../../reference/ops/mapnorm.ts';
import * as plainMaxpool from '../../reference/ops/maxpool.ts';
import type { Forward } from '../../reference/ops/operation.ts';
import {
  allocate,
  cast,
  dense,
  type Precision,
  precisionOf,
  type Shape,
  sizeOf,
  type Tensor,
  tensor,
} from '../../reference/tensor.ts';
import {
  type Arena,
  currentEngine,
  type FastEngine,
  isFloat64,
  type Job,
  openArena,
  runJob,
  viewOf,
} from './engine.ts';
import { putFramed } from './product.ts';

const normaliseAcross: Forward<plainLrn.Attributes> = ([x], attributes, precision = precisionOf(x)) => {
  const yShape = plainLrn.shape([x.shape], attributes);
  const engine = currentEngine();
  const [N, C, H, W] = x.shape;
  const { alpha, beta, size, k, divide } = attributes;
  if (!engine || beta !== 0.75 || N * C === 0 || H * W < 2)
    return plainLrn.forward([x], attributes, precision);
  const X = dense(x);
  const arena = openArena(engine);
  const windows = Array.from({ length: N * C }, (_, map) => plainLrn.windowOf(map % C, C, attributes));
  const first = windows.map(([low], map) => (map - (map % C) + low) * H * W * X.BYTES_PER_ELEMENT);
  const counts = windows.map(([low, high]) => high - low + 1);
  return eachMap(engine, arena, yShape, precision, {
    kind: `lrn_${precisionOf(x)}`,
    x: arena.put(X),
    base: arena.put(Int32Array.from(first)),
    steps: arena.put(Int32Array.from(counts)),
    bias: arena.put(Float64Array.of(k, divide ? alpha / size : alpha)),
    rows: H * W,
  });
};

const normaliseWithin: Forward<plainMapnorm.Attributes> = ([x], attributes, precision = precisionOf(x)) => {
  const yShape = plainMapnorm.shape([x.shape], attributes);
  const engine = currentEngine();
  const [N, C, H, W] = x.shape;
  const { alpha, beta, size, k, divide } = attributes;
  if (!engine || beta !== 0.75 || N * C * H === 0 || W < 2) {
    return plainMapnorm.forward([x], attributes, precision);
  }
  const before = Math.floor(size / 2);
  const height = H + size - 1;
  const width = W + size - 1;
  const arena = openArena(engine);
  return eachMap(engine, arena, yShape, precision, {
    kind: `mapnorm_${precisionOf(x)}`,
    x: putFramed(engine, arena, dense(x), { H, W, top: before, left: before, height, width, value: 0 }),
    bias: arena.put(Float64Array.of(k, divide ? alpha / (size * size) : alpha)),
    rows: H,
    depth: W,
    kernelRows: size,
    height,
    width,
  });
};

const pool: Forward<plainMaxpool.Attributes> = ([x], attributes, precision = precisionOf(x)) => {
  const yShape = plainMaxpool.shape([x.shape], attributes);
  const { kernel, stride, pad } = attributes;
  const [N, C, H, W] = x.shape;
  const [, , P, Q] = yShape;
  const engine = currentEngine();
  const X = dense(x);
  // a window that holds no pixel has a value of its own
  const hollow = (P - 1) * stride[0] - pad[0] >= H || (Q - 1) * stride[1] - pad[1] >= W;
  if (!engine || isFloat64(X) || hollow || N * C === 0)
    return plainMaxpool.forward([x], attributes, precision);
  const height = (P - 1) * stride[0] + kernel[0];
  const width = (Q - 1) * stride[1] + kernel[1];
  const arena = openArena(engine);
  const frame = { H, W, top: pad[0], left: pad[1], height, width, value: -Infinity };
  const at = putFramed(engine, arena, X, frame);
  // the last lanes of a row are read, though not kept, up to three strides beyond it
  arena.take(4 * (3 * stride[1] + kernel[1]));
  const scratchBytes = 4 * (height * Math.ceil(Q / 4) * 4 + P * Q + 16);
  const y = eachMap(engine, arena, yShape, 'float32', {
    kind: 'maxpool',
    x: at,
    rows: P,
    depth: Q,
    kernelRows: kernel[0],
    kernelColumns: kernel[1],
    strideRows: stride[0],
    strideColumns: stride[1],
    height,
    width,
    scratch: arena.take(scratchBytes * engine.threads),
    scratchBytes,
  });
  return cast(y, precision);
};

/** y of a job whose blocks are maps, four a thread. */
function eachMap(
  engine: FastEngine,
  arena: Arena,
  yShape: Shape,
  precision: Precision,
  job: Omit<Job, 'blocks'>,
): Tensor {
  const maps = yShape[0] * yShape[1];
  const blockColumns = Math.ceil(maps / engine.threads / 4);
  const Y = allocate(sizeOf(yShape), precision);
  const y = arena.take(Y.byteLength);
  const blocks = Math.ceil(maps / blockColumns);
  runJob(engine, { ...job, blocks, blockColumns, columns: maps, y, yWide: Number(isFloat64(Y)) });
  Y.set(viewOf(engine, precision, y, Y.length));
  return tensor(Y, yShape);
}

export const lrn = { ...plainLrn, forward: normaliseAcross };
export const mapnorm = { ...plainMapnorm, forward: normaliseWithin };
export const maxpool = { ...plainMaxpool, forward: pool };
