/** The oracle with its fast twins. */
import { configure, operationsFor, unavailable, workers } from '../../lib/fast/node.ts';
import { forward } from '../../reference/oracle.ts';
import { dense, tensor } from '../../reference/tensor.ts';
import { weightsOf } from '../subject.ts';
import type { Open } from './engine.ts';

export const open: Open = async (network, { threads, accumulate, wide = false }) => {
  configure({ threads: workers(threads), wide });
  if (unavailable()) throw new Error(unavailable());
  const operations = operationsFor({ accumulate });
  const weights = weightsOf(network);
  return {
    prepare(input, batch) {
      const x = tensor(input, [batch, ...network.input]);
      return () => dense(forward(network, weights, x, { operations }));
    },
  };
};
