/** Loss and errors on the validation images, centre view, by the graph that `alexnet export` writes. */
import { joined } from '../../export/index.ts';
import type { Network } from '../../reference/networks/layers.ts';
import * as softmax from '../../reference/ops/softmax.ts';
import type { Weights } from '../../reference/oracle.ts';
import { dense } from '../../reference/tensor.ts';
import type { Split } from '../data/dataset.ts';
import { openPool } from '../data/pool.ts';
import { InputError } from '../errors.ts';
import { eachBatch } from '../evaluate/batches.ts';
import { modelOf } from '../model.ts';
import { type Device, openSession } from '../runtime/session.ts';
import { asTensor } from '../runtime/values.ts';
import type { EpochRecord } from './checkpoint.ts';

/** Below float32's smallest normal number a probability counts as that. */
const SMALLEST = 2 ** -126;

/** Rejects with InputError naming a picture that cannot be used. NaN probabilities count as wrong. */
export async function validate(
  network: Network,
  weights: Weights,
  split: Split,
  device: Device,
  threads?: number,
): Promise<NonNullable<EpochRecord['validation']>> {
  const lrn = device === 'webgpu' ? 'decomposed' : 'native';
  const model = modelOf(network, weights, { source: 'training', lrn });
  await using session = await openSession(joined(model.chunks()), device);
  await using pool = openPool({ form: 'input', preprocess: network.preprocess }, { threads });
  const ends = network.layers.at(-1)?.kind === 'softmax';
  const [input, output] = [session.inputs[0].name, session.outputs[0].name];
  const size = network.input[1] <= 64 ? 128 : 16;
  let [loss, wrong1, wrong5] = [0, 0, 0];
  for await (const batch of eachBatch(split, network, pool, { size, views: 1, count: split.count })) {
    if (batch.failures.length > 0) throw new InputError(batch.failures[0].error);
    const y = asTensor((await session.run(new Map([[input, batch.x!]]))).get(output)!, output);
    const p = dense(ends ? y : softmax.forward([y]));
    const K = y.shape[1];
    for (const [n, label] of batch.labels.entries()) {
      const own = p[n * K + label];
      let rank = 0;
      for (let k = 0; k < K; k++) if (p[n * K + k] > own) rank++;
      const isNumber = own >= 0;
      loss -= Math.log(Math.max(own, SMALLEST));
      if (!isNumber || rank >= 1) wrong1++;
      if (!isNumber || rank >= 5) wrong5++;
    }
  }
  return { loss: loss / split.count, error1: wrong1 / split.count, error5: wrong5 / split.count };
}
