/**
 * Initial weights: independent normals with mean 0, and constant biases. One seed gives the same bits on
 * every machine.
 *
 * kaiming  variance 2 / fan_in, biases 0 (He, Zhang, Ren, Sun 2015, equation 10): for nets with ReLU.
 * paper    section 5: standard deviation 0.01; biases 1 in conv2, conv4, conv5 and the hidden fully connected layers.
 * as-run   configuration 145 of the released source (layers/layers-145.cfg): as paper, but 0.03 in conv3 to conv5.
 * caffe    models/bvlc_alexnet and bvlc_reference_caffenet (train_val.prototxt): 0.01, hidden fully connected layers
 *          0.005; where the paper has biases of 1 they are 1 in caffenet and 0.1 in every other net.
 *          Nets whose classifier is called ip1 follow examples/cifar10/cifar10_full_train_test.prototxt: conv1 1e-4,
 *          the others 0.01, biases 0.
 *
 * Rules go by the layers' names, in any network (so cifar-alexnet has biases of 1 in its conv2, conv4 and conv5 too);
 * a fully connected layer is hidden if it is not the last one.
 */
import type { Network } from '../networks/layers.ts';
import { type Weights, weightShapes } from '../oracle.ts';
import { fillNormals, streamOf } from '../random.ts';
import { sizeOf, type Tensor, zeros } from '../tensor.ts';

export const methods = ['kaiming', 'paper', 'as-run', 'caffe'] as const;
export type Method = (typeof methods)[number];

/** How one layer begins. */
export interface Start {
  /** Standard deviation of its weights. */
  readonly deviation: number;
  readonly bias: number;
}

/** How a layer of the network begins; `fanIn` is the number of inputs to one of its neurons. */
export function startOf(network: Network, layer: string, fanIn: number, method: Method): Start {
  const linear = network.layers.filter(({ kind }) => kind === 'linear').map(({ name }) => name);
  const hidden = linear.slice(0, -1).includes(layer);
  const biased = hidden || ['conv2', 'conv4', 'conv5'].includes(layer);
  switch (method) {
    case 'kaiming':
      return { deviation: Math.sqrt(2 / fanIn), bias: 0 };
    case 'paper':
      return { deviation: 0.01, bias: biased ? 1 : 0 };
    case 'as-run':
      return { deviation: /^conv[345]$/.test(layer) ? 0.03 : 0.01, bias: biased ? 1 : 0 };
    case 'caffe':
      if (linear.includes('ip1')) return { deviation: layer === 'conv1' ? 1e-4 : 0.01, bias: 0 };
      return { deviation: hidden ? 0.005 : 0.01, bias: !biased ? 0 : network.name === 'caffenet' ? 1 : 0.1 };
  }
}

/**
 * `<layer>.weight` and `<layer>.bias` of every layer, float32. Weight i of a tensor depends on the seed, the tensor's
 * name and i alone. Throws for an unknown method and for a seed that is not an integer from 0 to 2⁵³ − 1.
 */
export function initialise(network: Network, seed: number, method: Method): Weights {
  if (!methods.includes(method)) {
    throw new Error(`unknown initialisation '${method}' (there are: ${methods.join(', ')})`);
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
