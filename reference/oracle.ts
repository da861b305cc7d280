/**
 * The oracle: runs a network layer by layer.
 *
 * Weights are named `<layer>.weight` and `<layer>.bias`; values are named like the layers, and 'input'.
 */
import {
  atLayer,
  lookup,
  must,
  mustBeLayer,
  mustBeMap,
  mustBeNetwork,
  mustBeObject,
  mustBeTensor,
  mustBeWeights,
} from './named.ts';
import type { Kind, Layer, Network } from './networks/layers.ts';
import * as ops from './ops/index.ts';
import type { Operation } from './ops/operation.ts';
import { cast, type Precision, precisionOf, type Shape, sizeOf, type Tensor } from './tensor.ts';

export type Weights = ReadonlyMap<string, Tensor>;
export type Shapes = ReadonlyMap<string, Shape>;

/** Who computes, by the kind of a layer: the plain loops of ops/, or functions that have the same bits. */
export type Operations = Readonly<Record<Kind, Operation>>;

/** The plain loops. */
export const plain: Operations = ops;

/** The layers that a layer reads: those it names, otherwise the one before it. */
export function inputsOf(network: Network, index: number): readonly string[] {
  return network.layers[index].inputs ?? [index === 0 ? 'input' : network.layers[index - 1].name];
}

/** Shapes of a layer's weight and bias, where its first input has the shape x; [] for a layer without. */
const parameterShapes = (layer: Layer, x: Shape): readonly Shape[] =>
  plain[layer.kind].parameters?.(x, layer) ?? [];

/** Shape of one layer's output from those of its inputs. */
export const layerShape = (layer: Layer, inputs: readonly Shape[]): Shape =>
  plain[layer.kind].shape([...inputs, ...parameterShapes(layer, inputs[0])], layer.attributes);

/** Shape of 'input' and of every layer's output for a batch of N images. Errors name the layer. */
export function shapes(network: Network, batch = 1): Shapes {
  mustBeNetwork('network', network);
  const known = new Map<string, Shape>([['input', [batch, ...network.input]]]);
  for (const [index, layer] of network.layers.entries()) {
    const shape = atLayer(layer.name, () => {
      if (!Object.hasOwn(plain, layer.kind)) throw new RangeError(`there is no operation '${layer.kind}'`);
      const inputs = inputsOf(network, index).map((name) => lookup(known, name));
      return layerShape(layer, inputs);
    });
    known.set(layer.name, shape);
  }
  return known;
}

/** Shape of every weight and bias, in the order of the layers. */
export function weightShapes(network: Network): Shapes {
  const known = shapes(network);
  const result = new Map<string, Shape>();
  for (const [index, layer] of network.layers.entries()) {
    const [weight, bias] = parameterShapes(layer, lookup(known, inputsOf(network, index)[0]));
    if (!weight) continue;
    result.set(`${layer.name}.weight`, weight);
    result.set(`${layer.name}.bias`, bias);
  }
  return result;
}

/** Number of weights and biases. */
export const parameterCount = (network: Network): number =>
  [...weightShapes(network).values()].reduce((sum, shape) => sum + sizeOf(shape), 0);

/** Multiply-accumulates of one layer for one image; 0 but for convolutions and fully connected layers. */
export function layerMacs(network: Network, index: number): number {
  const known = shapes(network);
  const layer = network.layers[index];
  must(
    Number.isInteger(index) && layer !== undefined,
    'index',
    `an integer from 0 to ${network.layers.length - 1}`,
    index,
  );
  const x = lookup(known, inputsOf(network, index)[0]);
  return plain[layer.kind].macs?.([x, ...parameterShapes(layer, x)], layer.attributes) ?? 0;
}

export function macs(network: Network): number {
  mustBeNetwork('network', network);
  return network.layers.reduce((sum, _, index) => sum + layerMacs(network, index), 0);
}

/** What a layer's operation computes with: its inputs, and its weight and bias where it has them. */
export function operandsOf(layer: Layer, inputs: readonly Tensor[], weights: Weights): readonly Tensor[] {
  if (!plain[layer.kind].parameters) return inputs;
  const bias = weights.get(`${layer.name}.bias`);
  return [...inputs, lookup(weights, `${layer.name}.weight`), ...(bias ? [bias] : [])];
}

/** Runs one layer at test time. `precision` is what y is stored in; float64 leaves it unrounded. */
export function runLayer(
  layer: Layer,
  inputs: readonly Tensor[],
  weights: Weights,
  precision?: Precision,
  by: Operations = plain,
): Tensor {
  mustBeLayer('layer', layer);
  must(Array.isArray(inputs) && inputs.length > 0, 'inputs', 'a list of tensors', inputs);
  for (const [i, input] of inputs.entries()) mustBeTensor(`input ${i}`, input);
  mustBeMap('weights', weights);
  const operands = operandsOf(layer, inputs, weights);
  return by[layer.kind].forward(operands, layer.attributes, precision ?? precisionOf(inputs[0]));
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
      if (shape.join() !== wanted.join()) throw new RangeError(`${name} must be [${wanted}] (= [${shape}])`);
    });
  }
}

/** Throws unless the input is (N,C,H,W) as the network wants it. */
export function checkInput(network: Network, input: Tensor): void {
  const [, ...wanted] = input.shape;
  if (wanted.join() !== network.input.join()) {
    throw new RangeError(`${network.name}: the input must be [N,${network.input}] (= [${input.shape}])`);
  }
}

/**
 * Output of the last layer for an input (N,C,H,W). Throws RangeError, naming the layer, for shapes that do not fit,
 * TypeError for an argument that is something else.
 */
export function forward(
  network: Network,
  weights: Weights,
  input: Tensor,
  options: ForwardOptions = {},
): Tensor {
  mustBeObject('options', options);
  const { precision = 'float32', trace, operations = plain } = options;
  mustBeNetwork('network', network);
  mustBeTensor('input', input);
  mustBeWeights('weights', weights);
  checkInput(network, input);
  checkWeights(network, weights);
  const lastUse = lastReaders(network);
  const values = new Map<string, Tensor>([['input', cast(input, precision)]]);
  let output = input;
  for (const [index, layer] of network.layers.entries()) {
    const names = inputsOf(network, index);
    output = atLayer(layer.name, () => {
      const inputs = names.map((name) => lookup(values, name));
      return runLayer(layer, inputs, weights, precision, operations);
    });
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
