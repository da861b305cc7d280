/** What a network's last hidden layer makes of pictures: the code by which they are compared, fc7 in figure 4. */
import type { Network } from '../../reference/networks/layers.ts';
import { forward, inputsOf } from '../../reference/oracle.ts';
import { dense, type Storage, sizeOf, type Tensor, tensor } from '../../reference/tensor.ts';
import { InputError } from '../errors.ts';
import { operations } from '../fast/index.ts';
import type { Seer } from './subject.ts';

/** The network up to what its last fully connected layer reads, dropout aside: fc7, after its ReLU. */
export function hiddenOf(network: Network): Network {
  const { layers } = network;
  const last = layers.findLastIndex(({ kind }) => kind === 'linear');
  const [read] = last < 0 ? ['input'] : inputsOf(network, last);
  let at = layers.findIndex(({ name }) => name === read);
  while (layers[at]?.kind === 'dropout')
    at = layers.findIndex(({ name }) => name === inputsOf(network, at)[0]);
  if (at < 0) throw new InputError(`${network.name} has no hidden layer by which pictures could be compared`);
  return { ...network, layers: layers.slice(0, at + 1) };
}

/** Of inputs (1,C,H,W) each. */
export function codes(hidden: Network, { weights }: Seer, inputs: readonly Tensor[]): Storage[] {
  const size = sizeOf(hidden.input);
  const batch = new Float32Array(inputs.length * size);
  for (const [n, input] of inputs.entries()) batch.set(dense(input), n * size);
  const y = dense(forward(hidden, weights, tensor(batch, [inputs.length, ...hidden.input]), { operations }));
  const length = y.length / inputs.length;
  return inputs.map((_, n) => y.slice(n * length, (n + 1) * length));
}

/** Euclidean. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return Math.sqrt(sum);
}
