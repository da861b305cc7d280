/**
 * Fits a network to weights: widths and the number of classes follow the weights' shapes, so that a narrow
 * or a fine-tuned net needs no definition of its own. Kernels, groups, strides and the order of layers are
 * the network's and stay.
 */
import { atLayer, mustBeMap, mustBeNetwork } from '../named.ts';
import { inputsOf, layerShape, type Shapes } from '../oracle.ts';
import type { Shape } from '../tensor.ts';
import type { Layer, Network } from './layers.ts';

/**
 * The network with the channels that `shapes` (of `<layer>.weight` and `<layer>.bias`) say; the network
 * itself if they are its own. Throws, naming the layer and the expected shape, where a shape cannot belong
 * to the network, and naming the tensor where one is missing or not the network's.
 */
export function fitNetwork(network: Network, shapes: Shapes): Network {
  mustBeNetwork('network', network);
  mustBeMap('shapes', shapes);
  const known = new Map<string, Shape>([['input', [1, ...network.input]]]);
  const wanted = new Set<string>();
  const layers = network.layers.map((layer, index) => {
    const inputs = inputsOf(network, index).map((name) => known.get(name) as Shape);
    let fitted = layer;
    if (layer.kind === 'conv2d' || layer.kind === 'linear') {
      for (const name of ['weight', 'bias']) wanted.add(`${layer.name}.${name}`);
      fitted = fitLayer(network, layer, inputs[0], shapes);
    }
    known.set(layer.name, outputShape(network, fitted, inputs));
    return fitted;
  });
  const extra = [...shapes.keys()].filter((name) => !wanted.has(name));
  if (extra.length > 0) throw new RangeError(`${network.name} has no ${list(extra)}`);
  return layers.every((layer, index) => layer === network.layers[index]) ? network : { ...network, layers };
}

const list = (names: readonly string[]): string =>
  names.length > 4 ? `${names.slice(0, 4).join(', ')} and ${names.length - 4} more` : names.join(', ');

const outputShape = (network: Network, layer: Layer, inputs: readonly Shape[]): Shape =>
  atLayer(`the weights do not fit ${network.name}: ${layer.name}`, () => layerShape(layer, inputs));

type Weighted = Layer & { kind: 'conv2d' | 'linear' };

/** The layer with the K of its weight; itself where K is its own already. `x` is the shape of its input. */
function fitLayer(network: Network, layer: Weighted, x: Shape, shapes: Shapes): Layer {
  const weight = shapes.get(`${layer.name}.weight`);
  const bias = shapes.get(`${layer.name}.bias`);
  if (!weight || !bias) {
    throw new RangeError(`${layer.name}.${weight ? 'bias' : 'weight'} is missing (${network.name} needs it)`);
  }
  const groups = layer.kind === 'conv2d' ? layer.attributes.groups : 1;
  const [K, ...rest] = weight;
  const expected = layer.kind === 'conv2d' ? [x[1] / groups, ...layer.kernel] : [x[1]];
  const refuse = (name: string, actual: Shape, wish: string) => {
    throw new RangeError(
      `${layer.name}.${name} [${actual}] cannot belong to ${network.name}: expected [${wish}]`,
    );
  };
  if (rest.join() !== expected.join() || !(K > 0) || K % groups !== 0) {
    const many = groups > 1 ? `K divisible by ${groups}` : 'K';
    refuse('weight', weight, `${many},${expected}`);
  }
  if (bias.length !== 1 || bias[0] !== K) refuse('bias', bias, `${K}`);
  return K === layer.channels ? layer : { ...layer, channels: K };
}
