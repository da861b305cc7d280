/**
 * Softmax cross-entropy, the mean over the batch, and who was wrong.
 *
 *   loss = 1/N Σₙ (log Σⱼ e^(z[n,j] − m) − (z[n,label] − m)),   m = maxⱼ z[n,j]     dz = (softmax − onehot)/N
 *
 * Operators: no OneHot, LogSoftmax or SoftmaxCrossEntropyLoss, which WebGPU does not have. A label outside 0
 * … K−1 names no class: its row's loss is that of a logit equal to the maximum, so callers check labels before
 * they feed them.
 */
import type { GraphBuilder } from './graph.ts';

/**
 * Adds `loss` (scalar), `wrong1` and `wrong5` (how many images' label is not first, not among the first five; NaN
 * logits are never greater, so look at the loss first) and `dz`, the gradient of the logits times `factor` (a scalar
 * value; absent: 1). Labels: int32 (N).
 */
export function emitLoss(g: GraphBuilder, logits: string, labels: string, dz: string, factor?: string): void {
  const [N, K] = g.dims(logits) as number[];
  const classes = g.integers('loss/classes', [1]);
  const batch = g.integers('loss/batch', [0]);
  const m = g.node('ReduceMax', [logits, classes], 'loss/m', { keepdims: 1 });
  const z = g.node('Sub', [logits, m], 'loss/z');
  const e = g.node('Exp', [z], 'loss/e');
  const sum = g.node('ReduceSum', [e, classes], 'loss/sum', { keepdims: 1 });
  const column = g.reshape(labels, [N, 1], 'loss/label', 'loss/column');
  const numbers = g.counters('loss/numbers', Array(K).keys(), [1, K]);
  const onehot = g.cast(g.node('Equal', [column, numbers], 'loss/is'), 'loss/onehot', 'float32');
  const masked = g.node('Mul', [z, onehot], 'loss/masked');
  const own = g.node('ReduceSum', [masked, classes], 'loss/own', { keepdims: 1 });
  const each = g.node('Sub', [g.node('Log', [sum], 'loss/log'), own], 'loss/each');
  g.node('ReduceMean', [each, g.integers('loss/all', [0, 1])], 'loss', { keepdims: 0 });
  const ahead = g.cast(g.node('Greater', [z, own], 'loss/ahead'), 'loss/greater', 'float32');
  const rank = g.node('ReduceSum', [ahead, classes], 'loss/rank', { keepdims: 0 });
  for (const top of [1, 5]) {
    const limit = g.scalar(`loss/limit${top}`, top - 0.5);
    const beyond = g.node('Greater', [rank, limit], `loss/beyond${top}`);
    const wrong = g.cast(beyond, `loss/wrong${top}`, 'float32');
    g.node('ReduceSum', [wrong, batch], `wrong${top}`, { keepdims: 0 });
  }
  const difference = g.node('Sub', [g.node('Div', [e, sum], 'loss/prob'), onehot], 'loss/difference');
  const share = g.scalar('loss/share', 1 / N);
  const scale = factor === undefined ? share : g.node('Mul', [factor, share], 'loss/scale');
  g.node('Mul', [difference, scale], dz);
}
