/** Loss and errors on the validation images, centre view, by the graph that `alexnet export` writes. */
import type { Network } from '../../reference/networks/layers.ts';
import type { Weights } from '../../reference/oracle.ts';
import { onDevice } from '../classify/engine.ts';
import type { Split } from '../data/dataset.ts';
import { openPool } from '../data/pool.ts';
import { InputError } from '../errors.ts';
import { eachBatch } from '../evaluate/batches.ts';
import { counter } from '../evaluate/tally.ts';
import { classCount } from '../labels/labels.ts';
import type { Device } from '../runtime/session.ts';
import { firstNotFinite } from '../weights/load.ts';
import type { EpochRecord } from './checkpoint.ts';

/**
 * null where the network gives a probability that is no number. Rejects with InputError naming a picture that cannot
 * be used.
 */
export async function validate(
  network: Network,
  weights: Weights,
  split: Split,
  device: Device,
  threads?: number,
): Promise<EpochRecord['validation']> {
  await using pool = openPool({ form: 'input', preprocess: network.preprocess }, { threads });
  const engine = await onDevice({ network, weights, source: 'training' }, device);
  try {
    const size = network.input[1] <= 64 ? 128 : 16;
    const K = classCount(network);
    const { add, tally } = counter(K, 5);
    for await (const batch of eachBatch(split, network, pool, { size, views: 1 })) {
      if (batch.failures.length > 0) throw new InputError(batch.failures[0].error);
      const p = await engine.probabilities(batch.x!);
      if (firstNotFinite(p) >= 0) return null;
      for (const [n, label] of batch.labels.entries()) add(p.subarray(n * K, (n + 1) * K), label);
    }
    const { count, loss, top1, topK } = tally;
    return { loss: loss / count, error1: (count - top1) / count, error5: (count - topK) / count };
  } finally {
    await engine.close();
  }
}
