/**
 * A network with one picture in it: every value of every layer, forward, and the gradient of each, backward. The
 * modules that compute are the oracle's own, so the bits are those of Node.
 */

import type { Network } from '../../reference/networks/layers.ts';
import { forward, inputsOf, type Operations, operandsOf, type Weights } from '../../reference/oracle.ts';
import { dense, precisionOf, type Tensor, zeros } from '../../reference/tensor.ts';
import { trunk } from '../../reference/training/gradient.ts';
import * as loss from '../../reference/training/loss.ts';
import { operations } from '../fast/index.ts';

export interface Running {
  readonly network: Network;
  readonly weights: Weights;
  /** 'input' and each layer's output, batch of one. */
  readonly values: ReadonlyMap<string, Tensor>;
}

/** The forward pass, every value kept, stored as `input` (1,C,H,W) is. */
export function run(network: Network, weights: Weights, input: Tensor, by: Operations = operations): Running {
  const values = new Map([['input', input]]);
  const trace = ({ name }: { readonly name: string }, y: Tensor) => void values.set(name, y);
  forward(network, weights, input, { operations: by, trace, precision: precisionOf(input) });
  return { network, weights, values };
}

/** Probabilities of the classes, float64: the last layer's softmax, or one that is put behind logits. */
export function probabilities(running: Running): Float64Array {
  return loss.forward(logitsOf(running), [0]).p;
}

const logitsOf = ({ network, values }: Running): Tensor => values.get(trunk(network).layers.at(-1)!.name)!;

/**
 * By layer, and for 'input': how the loss of class `k`, −log p[k], changes with each value. Dropout is as at test
 * time. A softmax at the end belongs to the loss, so it has no gradient of its own.
 */
export function gradients(running: Running, k: number, by: Operations = operations): Map<string, Tensor> {
  const z = logitsOf(running);
  return backward(running, loss.backward(z, [k], loss.forward(z, [k]).p, 'float32'), by);
}

/** The same of the score of class `k`, the logit z[k]; stored as the values are. */
export function scoreGradients(running: Running, k: number): Map<string, Tensor> {
  const z = logitsOf(running);
  const dz = zeros(z.shape, precisionOf(z));
  dz.data[k] = 1;
  return backward(running, dz);
}

/** From the gradient of the logits back to the input. */
function backward(running: Running, dz: Tensor, by: Operations = operations): Map<string, Tensor> {
  const { network, weights, values } = running;
  const net = trunk(network);
  const found = new Map([[net.layers.at(-1)!.name, dz]]);
  for (let index = net.layers.length - 1; index >= 0; index--) {
    const layer = net.layers[index];
    const names = inputsOf(net, index);
    const operands = operandsOf(
      layer,
      names.map((name) => values.get(name)!),
      weights,
    );
    const dy = found.get(layer.name)!;
    const how = { precision: precisionOf(dz), dw: false } as const;
    const dxs = by[layer.kind].backward(dy, operands, values.get(layer.name)!, layer.attributes, how);
    for (const [i, name] of names.entries()) {
      const known = found.get(name);
      found.set(name, known ? sum(known, dxs[i]!) : dxs[i]!);
    }
  }
  return found;
}

/** Gradients of a value that several layers read. */
function sum(a: Tensor, b: Tensor): Tensor {
  const total = zeros(a.shape, precisionOf(a));
  const A = dense(a);
  const B = dense(b);
  for (let i = 0; i < A.length; i++) total.data[i] = A[i] + B[i];
  return total;
}
