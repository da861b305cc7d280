/** The fast twin of ops/relu.ts: the same signature, the same bits. */

import type { Forward } from '../../reference/ops/operation.ts';
import * as plain from '../../reference/ops/relu.ts';
import { allocate, dense, precisionOf, tensor } from '../../reference/tensor.ts';
import { eachChunk } from './chunks.ts';
import { currentEngine, viewOf } from './engine.ts';

export { backward, shape } from '../../reference/ops/relu.ts';

/** y as ops/relu.ts defines it, without a branch, as signs are unpredictable. */
export const forward: Forward = ([x], _, precision = precisionOf(x)) => {
  const engine = currentEngine();
  if (!engine) return plain.forward([x], undefined, precision);
  const X = dense(x);
  const Y = allocate(X.length, precision);
  const storage = precisionOf(x);
  const relu = engine.kernels[`relu_${storage}`];
  eachChunk(engine, X, (at, first, length) => {
    relu(at, at + length * X.BYTES_PER_ELEMENT);
    Y.set(viewOf(engine, storage, at, length), first);
  });
  return tensor(Y, x.shape);
};
