/**
 * The oracle: runs a network layer by layer.
 *
 * Weights are named `<layer>.weight` and `<layer>.bias`; values are named like the layers, and 'input'.
 */
import type { Layer, Network } from './networks/layers.ts';
import * as ops from './ops/index.ts';
import { cast, type Precision, precisionOf, type Shape, sizeOf, type Tensor } from './tensor.ts';

export type Weights = ReadonlyMap<string, Tensor>;
export type Shapes = ReadonlyMap<string, Shape>;

/** Who computes, by the name of the operation: the plain loops of ops/, or functions that have the same bits. */
export type Operations = {
  readonly [Name in keyof typeof ops]: Pick<(typeof ops)[Name], 'forward' | 'backward'>;
};

/** The layers that a layer reads: as it says, else the one before it. */
export function inputsOf(network: Network, index: number): readonly string[] {
  return network.layers[index].inputs ?? [index === 0 ? 'input' : network.layers[index - 1].name];
}

/** Shape of one layer's output from those of its inputs. */
export function layerShape(layer: Layer, inputs: readonly Shape[]): Shape {
  const [x] = inputs;
  switch (layer.kind) {
    case 'conv2d':
      return ops.conv2d.shape(x, weightShape(layer, x), layer.attributes);
    case 'linear':
      return ops.linear.shape(x, weightShape(layer, x));
    case 'concat':
      return ops.concat.shape(inputs);
    case 'lrn':
      return ops.lrn.shape(x, layer.attributes);
    case 'mapnorm':
      return ops.mapnorm.shape(x, layer.attributes);
    case 'maxpool':
      return ops.maxpool.shape(x, layer.attributes);
    case 'avgpool':
      return ops.avgpool.shape(x, layer.attributes);
    case 'adaptiveavgpool':
      return ops.adaptiveavgpool.shape(x, layer.attributes);
    case 'dropout':
      return ops.dropout.shape(x, layer.attributes);
    case 'split':
      return ops.split.shape(x, layer.attributes);
    case 'flatten':
      return ops.flatten.shape(x);
    case 'softmax':
      return ops.softmax.shape(x);
    case 'relu':
    case 'tanh':
    case 'sigmoid':
      return x;
  }
}

/** (K,C/G,R,S) of a convolution, (O,I) of a fully connected layer. */
export function weightShape(layer: Layer & { kind: 'conv2d' | 'linear' }, x: Shape): Shape {
  if (layer.kind === 'linear') return [layer.channels, x[1]];
  return [layer.channels, x[1] / layer.attributes.groups, ...layer.kernel];
}

/** Shape of 'input' and of every layer's output for a batch of N images. Errors name the layer. */
export function shapes(network: Network, batch = 1): Shapes {
  const known = new Map<string, Shape>([['input', [batch, ...network.input]]]);
  for (const [index, layer] of network.layers.entries()) {
    known.set(
      layer.name,
      atLayer(layer.name, () =>
        layerShape(
          layer,
          inputsOf(network, index).map((name) => lookup(known, name)),
        ),
      ),
    );
  }
  return known;
}

/** Shape of every weight and bias, in the order of the layers. */
export function weightShapes(network: Network): Shapes {
  const known = shapes(network);
  const result = new Map<string, Shape>();
  for (const [index, layer] of network.layers.entries()) {
    if (layer.kind !== 'conv2d' && layer.kind !== 'linear') continue;
    result.set(`${layer.name}.weight`, weightShape(layer, lookup(known, inputsOf(network, index)[0])));
    result.set(`${layer.name}.bias`, [layer.channels]);
  }
  return result;
}

/** Number of weights and biases. */
export const parameterCount = (network: Network): number =>
  [...weightShapes(network).values()].reduce((sum, shape) => sum + sizeOf(shape), 0);

/** Multiply-accumulates of one layer for one image; 0 but for convolutions and fully connected layers. */
export function layerMacs(network: Network, index: number): number {
  const layer = network.layers[index];
  const x = lookup(shapes(network), inputsOf(network, index)[0]);
  if (layer.kind === 'conv2d') return ops.conv2d.macs(x, weightShape(layer, x), layer.attributes);
  if (layer.kind === 'linear') return ops.linear.macs(x, weightShape(layer, x));
  return 0;
}

export const macs = (network: Network): number =>
  network.layers.reduce((sum, _, index) => sum + layerMacs(network, index), 0);

/** Runs one layer at test time. `precision` is what y is stored in; float64 leaves it unrounded. */
export function runLayer(
  layer: Layer,
  inputs: readonly Tensor[],
  weights: Weights,
  precision: Precision = precisionOf(inputs[0]),
  by: Operations = ops,
): Tensor {
  const [x] = inputs;
  const weight = () => lookup(weights, `${layer.name}.weight`);
  const bias = weights.get(`${layer.name}.bias`) ?? null;
  switch (layer.kind) {
    case 'conv2d':
      return by.conv2d.forward(x, weight(), bias, layer.attributes, precision).y;
    case 'linear':
      return by.linear.forward(x, weight(), bias, precision).y;
    case 'concat':
      return by.concat.forward(inputs, precision).y;
    case 'lrn':
      return by.lrn.forward(x, layer.attributes, precision).y;
    case 'mapnorm':
      return by.mapnorm.forward(x, layer.attributes, precision).y;
    case 'maxpool':
      return by.maxpool.forward(x, layer.attributes, precision).y;
    case 'avgpool':
      return by.avgpool.forward(x, layer.attributes, precision).y;
    case 'adaptiveavgpool':
      return by.adaptiveavgpool.forward(x, layer.attributes, precision).y;
    case 'dropout':
      return by.dropout.forward(x, layer.attributes, null, precision).y;
    case 'split':
      return by.split.forward(x, layer.attributes, precision).y;
    case 'flatten':
      return by.flatten.forward(x, layer.attributes, precision).y;
    case 'softmax':
      return by.softmax.forward(x, precision).y;
    case 'relu':
      return by.relu.forward(x, precision).y;
    case 'tanh':
      return by.tanh.forward(x, precision).y;
    case 'sigmoid':
      return by.sigmoid.forward(x, precision).y;
  }
}

export interface ForwardOptions {
  /** Storage between layers: float32, what an engine stores (default), or float64, the yardstick. */
  readonly precision?: Precision;
  /** Called with every layer's output as soon as it is there. */
  readonly trace?: (layer: Layer, y: Tensor) => void;
  /** Who computes the layers: the plain loops (default), or functions of the same bits. */
  readonly operations?: Operations;
}

/** Throws, naming the layer, unless every weight is there, and it and its bias (none is 0) have their shapes. */
function checkWeights(network: Network, weights: Weights): void {
  for (const [name, wanted] of weightShapes(network)) {
    if (name.endsWith('.bias') && !weights.has(name)) continue;
    atLayer(name.slice(0, name.lastIndexOf('.')), () => {
      const { shape } = lookup(weights, name);
      if (shape.join() !== wanted.join()) throw new Error(`${name} must be [${wanted}] (= [${shape}])`);
    });
  }
}

/** Throws unless the input is (N,C,H,W) as the network wants it. */
export function checkInput(network: Network, input: Tensor): void {
  const [, ...wanted] = input.shape;
  if (wanted.join() !== network.input.join()) {
    throw new Error(`${network.name}: the input must be [N,${network.input}] (= [${input.shape}])`);
  }
}

/** Output of the last layer for an input (N,C,H,W). Errors name the layer. */
export function forward(
  network: Network,
  weights: Weights,
  input: Tensor,
  options: ForwardOptions = {},
): Tensor {
  const { precision = 'float32', trace, operations = ops } = options;
  const [, ...wanted] = input.shape;
  if (wanted.join() !== network.input.join()) {
    throw new Error(`${network.name}: the input must be [N,${network.input}] (= [${input.shape}])`);
  }
  checkWeights(network, weights);
  const lastUse = lastReaders(network);
  const values = new Map<string, Tensor>([['input', cast(input, precision)]]);
  let output = input;
  for (const [index, layer] of network.layers.entries()) {
    const names = inputsOf(network, index);
    output = atLayer(layer.name, () =>
      runLayer(
        layer,
        names.map((name) => lookup(values, name)),
        weights,
        precision,
        operations,
      ),
    );
    values.set(layer.name, output);
    trace?.(layer, output);
    for (const name of names) if (lastUse.get(name) === index) values.delete(name);
  }
  return output;
}

/** Index of the last layer that reads each value, so that it can be let go. */
function lastReaders(network: Network): Map<string, number> {
  const last = new Map<string, number>();
  for (const index of network.layers.keys())
    for (const name of inputsOf(network, index)) last.set(name, index);
  return last;
}

/** The value of that name. Throws, naming those that are there. */
export function lookup<T>(values: ReadonlyMap<string, T>, name: string): T {
  const value = values.get(name);
  if (value === undefined)
    throw new Error(`there is no '${name}' (there are: ${[...values.keys()].join(', ')})`);
  return value;
}

/** Runs something for a layer; errors name it. */
export function atLayer<T>(name: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw new Error(`${name}: ${(error as Error).message}`);
  }
}
