/**
 * The gradients of a network's loss, by going back through the list of layers, and one step of training (section 5).
 *
 * A softmax at the end belongs to the loss (loss.ts). A value that several layers read gets the sum of their
 * gradients.
 */

import { atLayer, lookup, must, mustBeNetwork, mustBeObject, mustBeTensor, mustBeWeights } from '../named.ts';
import type { Layer, Network } from '../networks/layers.ts';
import type { How } from '../ops/operation.ts';
import { checkInput, inputsOf, type Operations, operandsOf, plain, type Weights } from '../oracle.ts';
import { cast, dense, type Precision, type Tensor, tensor, zeros } from '../tensor.ts';
import * as loss from './loss.ts';
import { type Hyper, updateAll } from './optimiser.ts';

/** For each dropout layer, by name: 1 keep, 0 drop, for every value of its input. */
export type Masks = ReadonlyMap<string, Uint8Array>;

export interface Batch {
  /** (N,C,H,W). */
  readonly input: Tensor;
  /** The class of each image, from 0. */
  readonly labels: ArrayLike<number>;
  /** Masks for all dropout layers, or 'none': neither mask nor scaling, in either convention. */
  readonly dropout: Masks | 'none';
}

export interface GradientOptions {
  /** What values and gradients are stored in: float32, what an engine stores (default), or float64, the yardstick. */
  readonly precision?: Precision;
  /** Who gets the gradient of max-pooling where values tie. */
  readonly ties?: How['ties'];
  readonly clip?: loss.Clip;
  /** Who computes the layers: the plain loops (default), or functions of the same bits. */
  readonly operations?: Operations;
  /** Whether the gradient of the input is wanted (default true). */
  readonly dinput?: boolean;
  /** Called with each layer's output and its gradient, from the last layer to the first. */
  readonly trace?: (layer: Layer, y: Tensor, dy: Tensor) => void;
}

export interface Gradients {
  /** The mean over the batch, float64. */
  readonly loss: number;
  /** (N,K): what the loss reads. */
  readonly logits: Tensor;
  /** By the weights' names, in the order of the layers. */
  readonly gradients: ReadonlyMap<string, Tensor>;
  readonly dinput: Tensor | null;
}

/** The layers up to the logits: a softmax at the end is part of the loss. */
export function trunk(network: Network): Network {
  const last = network.layers.length - 1;
  const hasSoftmax = network.layers[last].kind === 'softmax';
  return hasSoftmax ? { ...network, layers: network.layers.slice(0, last) } : network;
}

/** The loss of a batch and its gradients by all weights and by the input. Errors name the layer. */
export function backward(
  network: Network,
  weights: Weights,
  batch: Batch,
  options: GradientOptions = {},
): Gradients {
  mustBeNetwork('network', network);
  mustBeWeights('weights', weights);
  mustBeObject('batch', batch);
  mustBeObject('options', options);
  const { input, labels, dropout } = batch;
  mustBeTensor('batch: input', input);
  must(Array.isArray(labels) || ArrayBuffer.isView(labels), 'batch: labels', 'a list of classes', labels);
  must(dropout === 'none' || dropout instanceof Map, 'batch: dropout', "'none' or masks by layer", dropout);
  const { precision = 'float32', dinput = true, trace } = options;
  checkInput(network, input);
  const net = trunk(network);
  const values = new Map([['input', cast(input, precision)]]);
  const records = net.layers.map((layer, index) => {
    const xs = inputsOf(net, index).map((name) => lookup(values, name));
    const wanted = { dx: dinput || inputsOf(net, index)[0] !== 'input' };
    const record = atLayer(layer.name, () => recordLayer(layer, xs, weights, dropout, options, wanted));
    values.set(layer.name, record.y);
    return record;
  });
  const logits = records[records.length - 1].y;
  values.clear();

  const { loss: mean, p } = loss.forward(logits, labels, options.clip);
  const dvalues = new Map([
    [net.layers[net.layers.length - 1].name, loss.backward(logits, labels, p, precision)],
  ]);
  const gradients: [string, Tensor][] = [];
  for (let index = net.layers.length - 1; index >= 0; index--) {
    const layer = net.layers[index];
    const dy = dvalues.get(layer.name);
    if (!dy) throw new RangeError(`${layer.name}: no layer reads its output, so it has no gradient`);
    const { y, backward } = records[index];
    trace?.(layer, y, dy);
    const found = atLayer(layer.name, () => backward(dy));
    const names = inputsOf(net, index);
    const [dw, db] = found.slice(names.length);
    if (db) gradients.unshift([`${layer.name}.bias`, db]);
    if (dw) gradients.unshift([`${layer.name}.weight`, dw]);
    for (const [i, name] of names.entries()) {
      const dx = found[i];
      const known = dvalues.get(name);
      if (dx) dvalues.set(name, known ? sum(known, dx, precision) : dx);
    }
    dvalues.delete(layer.name);
    records.pop(); // what its backward held can go
  }
  return { loss: mean, logits, gradients: new Map(gradients), dinput: dvalues.get('input') ?? null };
}

function sum(a: Tensor, b: Tensor, precision: Precision): Tensor {
  const A = dense(a);
  const B = dense(b);
  const total = zeros(a.shape, precision);
  for (let i = 0; i < A.length; i++) total.data[i] = A[i] + B[i];
  return total;
}

/** One training step: the loss before it, and the next weights and momenta. */
export function step(
  network: Network,
  weights: Weights,
  momenta: Weights,
  batch: Batch,
  hyper: Hyper,
  options: GradientOptions = {},
): Gradients & { weights: Map<string, Tensor>; momenta: Map<string, Tensor> } {
  mustBeWeights('momenta', momenta);
  mustBeObject('hyper', hyper);
  const found = backward(network, weights, batch, { dinput: false, ...options });
  return { ...found, ...updateAll(weights, momenta, found.gradients, hyper) };
}

/**
 * A layer's output in training; and for a given dy its gradients: of each input (null: not wanted), weight and bias.
 */
interface LayerRecord {
  readonly y: Tensor;
  readonly backward: (dy: Tensor) => readonly (Tensor | null)[];
}

/** Runs one layer in training on its inputs `xs`. */
export function recordLayer(
  layer: Layer,
  xs: readonly Tensor[],
  weights: Weights,
  dropout: Masks | 'none',
  options: GradientOptions = {},
  wanted: { readonly dx: boolean } = { dx: true },
): LayerRecord {
  const { precision = 'float32', ties, operations = plain } = options;
  const operation = operations[layer.kind];
  if (layer.kind === 'dropout' && dropout === 'none') {
    return { y: cast(xs[0], precision), backward: (dy) => [dy] };
  }
  const mask = layer.kind === 'dropout' && dropout !== 'none' ? [maskOf(dropout, layer.name)] : [];
  const operands = [...operandsOf(layer, xs, weights), ...mask];
  const y = operation.forward(operands, layer.attributes, precision);
  const how = { precision, ties, ...wanted };
  return { y, backward: (dy) => operation.backward(dy, operands, y, layer.attributes, how) };
}

function maskOf(masks: Masks, name: string): Tensor {
  const mask = masks.get(name);
  if (mask) return tensor(new Float32Array(mask), [mask.length]);
  const names = [...masks.keys()].join(', ') || 'none';
  throw new RangeError(`there is no mask for this dropout layer (masks: ${names})`);
}
