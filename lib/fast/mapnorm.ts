/** The fast twin of ops/mapnorm.ts for β = ¾: the same signature, the same bits. */
import * as plain from '../../reference/ops/mapnorm.ts';
import type { Forward } from '../../reference/ops/operation.ts';
import { allocate, dense, precisionOf, tensor } from '../../reference/tensor.ts';
import { currentEngine, openArena, run, viewOf } from './engine.ts';
import { putFramed } from './product.ts';

export * from '../../reference/ops/mapnorm.ts';

/** y as ops/mapnorm.ts defines it. */
export const forward: Forward<plain.Attributes> = ([x], attributes, precision = precisionOf(x)) => {
  const yShape = plain.shape([x.shape], attributes);
  const engine = currentEngine();
  const [N, C, H, W] = x.shape;
  const { alpha, beta, size, k, divide } = attributes;
  if (!engine || beta !== 0.75 || N * C * H === 0 || W < 2) return plain.forward([x], attributes, precision);
  const X = dense(x);
  const before = Math.floor(size / 2);
  const frame = { H, W, top: before, left: before, height: H + size - 1, width: W + size - 1, value: 0 };
  const arena = openArena(engine);
  const at = putFramed(engine, arena, X, frame);
  const y = arena.take(X.length * (precision === 'float64' ? 8 : 4));
  const blockColumns = Math.ceil((N * C) / engine.threads / 4);
  run(engine, {
    kind: `mapnorm_${precisionOf(x)}`,
    blocks: Math.ceil((N * C) / blockColumns),
    x: at,
    bias: arena.put(Float64Array.of(k, divide ? alpha / (size * size) : alpha)),
    y,
    yWide: Number(precision === 'float64'),
    rows: H,
    depth: W,
    columns: N * C,
    blockColumns,
    kernelRows: size,
    height: frame.height,
    width: frame.width,
  });
  const Y = allocate(X.length, precision);
  Y.set(viewOf(engine, precision, y, X.length));
  return tensor(Y, yShape);
};
