/** The fast twin of ops/lrn.ts for β = ¾ (every AlexNet's): the same signature, the same bits. */
import * as plain from '../../reference/ops/lrn.ts';
import type { Forward } from '../../reference/ops/operation.ts';
import { allocate, dense, precisionOf, tensor } from '../../reference/tensor.ts';
import { currentEngine, isWide, openArena, run, viewOf } from './engine.ts';

export { type Attributes, backward, shape, windowOf } from '../../reference/ops/lrn.ts';

/** y as ops/lrn.ts defines it. */
export const forward: Forward<plain.Attributes> = ([x], attributes, precision = precisionOf(x)) => {
  const yShape = plain.shape([x.shape], attributes);
  const engine = currentEngine();
  const [N, C, H, W] = x.shape;
  if (!engine || attributes.beta !== 0.75 || N * C === 0 || H * W < 2) {
    return plain.forward([x], attributes, precision);
  }
  const X = dense(x);
  const { alpha, size, k, divide } = attributes;
  const arena = openArena(engine);
  const at = arena.put(X);
  const first = new Int32Array(N * C);
  const counts = new Int32Array(N * C);
  for (let map = 0; map < N * C; map++) {
    const c = map % C;
    const [low, high] = plain.windowOf(c, C, attributes);
    first[map] = (map - c + low) * H * W * X.BYTES_PER_ELEMENT;
    counts[map] = high - low + 1;
  }
  const wide = precision === 'float64';
  const y = arena.take(X.length * (wide ? 8 : 4));
  const blockColumns = Math.ceil((N * C) / engine.threads / 4);
  run(engine, {
    kind: isWide(X) ? 'lrn_float64' : 'lrn_float32',
    blocks: Math.ceil((N * C) / blockColumns),
    x: at,
    base: arena.put(first),
    steps: arena.put(counts),
    bias: arena.put(Float64Array.of(k, divide ? alpha / size : alpha)),
    y,
    yWide: Number(wide),
    rows: H * W,
    columns: N * C,
    blockColumns,
  });
  const Y = allocate(X.length, precision);
  Y.set(viewOf(engine, precision, y, X.length));
  return tensor(Y, yShape);
};
