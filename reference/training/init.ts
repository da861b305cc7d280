/**
 * Initial weights: independent normals with mean 0, and constant biases. One seed gives the same bits on
 * every machine.
 *
 * kaiming  variance 2 / fan_in, biases 0 (He, Zhang, Ren, Sun 2015, equation 10): for nets with ReLU.
 * others   what the network says (networks/starts.ts), otherwise standard deviation 0.01 and biases 0.
 */

import { mustBeNetwork } from '../named.ts';
import type { Network } from '../networks/layers.ts';
import type { Start } from '../networks/starts.ts';
import { type Weights, weightShapes } from '../oracle.ts';
import { fillNormals, streamOf } from '../random.ts';
import { sizeOf, type Tensor, zeros } from '../tensor.ts';

export const methods = ['kaiming', 'paper', 'as-run', 'caffe'] as const;
export type Method = (typeof methods)[number];

/** How a layer of the network begins; `fanIn` is the number of inputs to one of its neurons. */
export function startOf(network: Network, layer: string, fanIn: number, method: Method): Start {
  mustBeNetwork('network', network);
  if (method === 'kaiming') return { deviation: Math.sqrt(2 / fanIn), bias: 0 };
  return { deviation: 0.01, bias: 0, ...network.starts?.[method][layer] };
}

/**
 * `<layer>.weight` and `<layer>.bias` of every layer, float32. Weight i of a tensor depends on the seed, the tensor's
 * name and i alone. Throws for an unknown method and for a seed that is not an integer from 0 to 2⁵³ − 1.
 */
export function initialise(network: Network, seed: number, method: Method): Weights {
  if (!methods.includes(method)) {
    throw new RangeError(`unknown initialisation '${method}' (there are: ${methods.join(', ')})`);
  }
  const weights = new Map<string, Tensor>();
  for (const [name, shape] of weightShapes(network)) {
    if (name.endsWith('.bias')) continue;
    const layer = name.slice(0, -'.weight'.length);
    const { deviation, bias } = startOf(network, layer, sizeOf(shape.slice(1)), method);
    const weight = zeros(shape);
    fillNormals(weight.data, seed, streamOf(name), deviation);
    weights.set(name, weight);
    weights.set(`${layer}.bias`, constant([shape[0]], bias));
  }
  return weights;
}

function constant(shape: readonly number[], value: number): Tensor {
  const result = zeros(shape);
  result.data.fill(value);
  return result;
}
