/** The fast twin of ops/maxpool.ts for float32 values: the same signature, the same bits. */
import * as plain from '../../reference/ops/maxpool.ts';
import type { Forward } from '../../reference/ops/operation.ts';
import { allocate, dense, precisionOf, sizeOf, tensor } from '../../reference/tensor.ts';
import { currentEngine, isWide, openArena, run, viewOf } from './engine.ts';
import { putFramed } from './product.ts';

export { type Attributes, backward, shape, type Ties, ties, winners } from '../../reference/ops/maxpool.ts';

/** y as ops/maxpool.ts defines it. */
export const forward: Forward<plain.Attributes> = ([x], attributes, precision = precisionOf(x)) => {
  const yShape = plain.shape([x.shape], attributes);
  const { kernel, stride, pad } = attributes;
  const [N, C, H, W] = x.shape;
  const [, , P, Q] = yShape;
  const engine = currentEngine();
  const X = dense(x);
  // a window that holds no pixel has a value of its own
  const hollow = (P - 1) * stride[0] - pad[0] >= H || (Q - 1) * stride[1] - pad[1] >= W;
  if (!engine || isWide(X) || hollow || N * C === 0) return plain.forward([x], attributes, precision);
  const height = (P - 1) * stride[0] + kernel[0];
  const width = (Q - 1) * stride[1] + kernel[1];
  const arena = openArena(engine);
  const at = putFramed(engine, arena, X, {
    H,
    W,
    top: pad[0],
    left: pad[1],
    height,
    width,
    value: -Infinity,
  });
  // the last lanes of a row are read, though not kept, up to three strides beyond it
  arena.take(4 * (3 * stride[1] + kernel[1]));
  const size = sizeOf(yShape);
  const y = arena.take(4 * size);
  const blockColumns = Math.ceil((N * C) / engine.threads / 4);
  const scratchBytes = 4 * (height * Math.ceil(Q / 4) * 4 + P * Q + 16);
  run(engine, {
    kind: 'maxpool',
    blocks: Math.ceil((N * C) / blockColumns),
    x: at,
    y,
    rows: P,
    depth: Q,
    columns: N * C,
    blockColumns,
    kernelRows: kernel[0],
    kernelColumns: kernel[1],
    strideRows: stride[0],
    strideColumns: stride[1],
    height,
    width,
    scratch: arena.take(scratchBytes * engine.threads),
    scratchBytes,
  });
  const Y = allocate(size, precision);
  Y.set(viewOf(engine, 'float32', y, size));
  return tensor(Y, yShape);
};
