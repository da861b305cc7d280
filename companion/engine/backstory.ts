/** How the gradient of one value came to be: the values that read it, each with its gradient and its weight. */

import { U32 } from '../../lib/bounds/arithmetic.ts';
import { lossBounds } from '../../lib/bounds/loss.ts';
import { gradients, type Running } from '../../lib/picture/running.ts';
import { inputsOf } from '../../reference/oracle.ts';
import { dense, type Tensor, zeros } from '../../reference/tensor.ts';
import { trunk } from '../../reference/training/gradient.ts';
import { type Judgement, judgeGradient, judgementAt, judgeSum } from './alone.ts';
import { isSum } from './products.ts';
import { type Readers, readersOf } from './readers.ts';
import { shares } from './reading.ts';

export interface Gradient extends Readers, Judgement {
  readonly layer: string;
  readonly index: number;
  /** As it is stored: float32. */
  readonly stored: number;
  /** Who reads the value; absent where the loss itself does. */
  readonly by?: string;
}

/** Gradients of the loss of class `k`, −log p[k], by every layer's values; by the probabilities too. */
export function allGradients(running: Running, k: number): ReadonlyMap<string, Tensor> {
  const found = gradients(running, k);
  const { name } = running.network.layers.at(-1)!;
  if (found.has(name)) return found;
  const dp = zeros(running.values.get(name)!.shape);
  dp.data[k] = -1 / dense(running.values.get(name)!)[k];
  return found.set(name, dp);
}

/** The story of the gradient of value `index` of a layer. `found` are all gradients of the loss of class `k`. */
export function gradientStory(
  running: Running,
  found: ReadonlyMap<string, Tensor>,
  name: string,
  index: number,
  k: number,
): Gradient {
  const { network, weights, values } = running;
  const about = { layer: name, index, stored: dense(found.get(name)!)[index] };
  if (name === trunk(network).layers.at(-1)!.name) return { ...about, ...ofLogit(running, found, index, k) };
  const reading = network.layers.findIndex((_, at) => inputsOf(network, at).includes(name));
  const layer = network.layers[reading];
  if (!layer) return { ...about, ...ofProbability(dense(values.get(name)!)[k], index === k) };
  const x = values.get(name)!;
  const y = values.get(layer.name)!;
  const dy = found.get(layer.name)!;
  const read = readersOf(layer, x, weights.get(`${layer.name}.weight`), y, dy, index);
  const judged = isSum(layer)
    ? judgeSum({
        x: Float32Array.from(read.readers, (reader) => reader.dy),
        w: Float32Array.from(read.readers, ({ factor }) => factor),
      })
    : judgeGradient(layer, x, y, dy, index);
  return { ...about, by: layer.name, ...read, ...judged };
}

/** −log p[k] reads one probability. */
function ofProbability(p: number, asked: boolean): Readers & Judgement {
  const exact = asked ? -1 / p : 0;
  const steps = asked
    ? [
        { what: 'p of the class that is asked about', value: p },
        { what: '−1 / p, which is how −log p changes', value: exact },
      ]
    : [];
  const rule = asked ? 'the loss is −log of it' : 'the loss does not read it';
  return { readers: [], steps, rule, exact, bound: Math.abs(exact) * U32 };
}

/** Softmax and logarithm together, as the oracle computes them: p, less 1 for the class that is asked about. */
function ofLogit(
  { network, values }: Running,
  found: ReadonlyMap<string, Tensor>,
  index: number,
  k: number,
): Readers & Judgement & Pick<Gradient, 'by'> {
  const net = trunk(network);
  const z = values.get(net.layers.at(-1)!.name)!;
  const parts = shares(dense(z), index);
  const p = parts.at(-1)!.value;
  const steps = [
    ...parts,
    { what: 'p, less 1 for the class that is asked about', value: p - Number(index === k) },
  ];
  const judged = judgementAt(lossBounds(z, [k], 1, 'cpu').dlogits, index);
  const softmax = network.layers[net.layers.length];
  const rule =
    'softmax and the logarithm together: p − 1 for the class that is asked about, p for the others';
  if (!softmax) return { readers: [], steps, rule, ...judged };
  // ∂p[k]/∂z[i] = p[k]·([i = k] − p[i]); the loss reads no other probability
  const dy = dense(found.get(softmax.name)!)[k];
  const factor = dense(values.get(softmax.name)!)[k] * (Number(index === k) - p);
  return {
    by: softmax.name,
    readers: [{ index: k, dy, factor, product: dy * factor }],
    steps,
    rule,
    ...judged,
  };
}
