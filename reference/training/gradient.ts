/**
 * The gradients of a network's loss, by going back through the list of layers, and one step of training.
 *
 * Each layer's forward is recorded together with what its backward reads, so that both stand side by side
 * below. A softmax at the end belongs to the loss (loss.ts). A value that several layers read gets the sum of
 * their gradients.
 */
import type { Layer, Network } from '../networks/layers.ts';
import * as ops from '../ops/index.ts';
import { atLayer, checkInput, inputsOf, lookup, type Operations, type Weights } from '../oracle.ts';
import { allocate, cast, dense, type Precision, type Tensor, tensor } from '../tensor.ts';
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
  readonly ties?: ops.maxpool.Ties;
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
  { input, labels, dropout }: Batch,
  options: GradientOptions = {},
): Gradients {
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
    [net.layers[net.layers.length - 1].name, loss.backward(logits, labels, p, precision).dz],
  ]);
  const gradients: [string, Tensor][] = [];
  for (let index = net.layers.length - 1; index >= 0; index--) {
    const layer = net.layers[index];
    const dy = dvalues.get(layer.name);
    if (!dy) throw new Error(`${layer.name}: no layer reads its output, so it has no gradient`);
    const { y, backward } = records[index];
    trace?.(layer, y, dy);
    const { dxs, dw, db } = atLayer(layer.name, () => backward(dy));
    if (db) gradients.unshift([`${layer.name}.bias`, db]);
    if (dw) gradients.unshift([`${layer.name}.weight`, dw]);
    for (const [i, name] of inputsOf(net, index).entries()) {
      const [dx, known] = [dxs[i], dvalues.get(name)];
      if (dx) dvalues.set(name, known ? sum(known, dx, precision) : dx);
    }
    dvalues.delete(layer.name);
    records.pop(); // what its backward held can go
  }
  return { loss: mean, logits, gradients: new Map(gradients), dinput: dvalues.get('input') ?? null };
}

function sum(a: Tensor, b: Tensor, precision: Precision): Tensor {
  const [A, B] = [dense(a), dense(b)];
  const S = allocate(A.length, precision);
  for (let i = 0; i < S.length; i++) S[i] = A[i] + B[i];
  return tensor(S, a.shape);
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
  const found = backward(network, weights, batch, { dinput: false, ...options });
  return { ...found, ...updateAll(weights, momenta, found.gradients, hyper) };
}

/** A layer's output in training, and its gradients for a given dy. */
export interface LayerRecord {
  readonly y: Tensor;
  readonly backward: (dy: Tensor) => {
    /** Of each input; null where it was not wanted. */
    readonly dxs: readonly (Tensor | null)[];
    readonly dw?: Tensor;
    readonly db?: Tensor;
  };
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
  const { precision = 'float32', ties = 'first', operations: by = ops } = options;
  const [x] = xs;
  const only = ({ dx }: { dx: Tensor }) => ({ dxs: [dx] });
  const weighted = ({ dx, dw, db }: ops.linear.Gradients) => ({ dxs: [dx], dw, db });
  const weight = () => lookup(weights, `${layer.name}.weight`);
  const bias = weights.get(`${layer.name}.bias`) ?? null;
  switch (layer.kind) {
    case 'conv2d': {
      const [w, a] = [weight(), layer.attributes];
      const { y } = by.conv2d.forward(x, w, bias, a, precision);
      return { y, backward: (dy) => weighted(by.conv2d.backward(dy, x, w, a, precision, wanted)) };
    }
    case 'linear': {
      const w = weight();
      const { y } = by.linear.forward(x, w, bias, precision);
      return { y, backward: (dy) => weighted(by.linear.backward(dy, x, w, precision, wanted)) };
    }
    case 'lrn': {
      const forward = by.lrn.forward(x, layer.attributes, precision);
      const run = (dy: Tensor) => by.lrn.backward(dy, x, forward.s, layer.attributes, precision);
      return { y: forward.y, backward: (dy) => only(run(dy)) };
    }
    case 'mapnorm': {
      const { y, s } = by.mapnorm.forward(x, layer.attributes, precision);
      return { y, backward: (dy) => only(by.mapnorm.backward(dy, x, s, layer.attributes, precision)) };
    }
    case 'maxpool': {
      const a = layer.attributes;
      const forward = by.maxpool.forward(x, a, precision);
      const run = (dy: Tensor) => by.maxpool.backward(dy, x, forward.winner, a, ties, precision);
      return { y: forward.y, backward: (dy) => only(run(dy)) };
    }
    case 'avgpool': {
      const { y } = by.avgpool.forward(x, layer.attributes, precision);
      return { y, backward: (dy) => only(by.avgpool.backward(dy, x.shape, layer.attributes, precision)) };
    }
    case 'adaptiveavgpool': {
      const { y } = by.adaptiveavgpool.forward(x, layer.attributes, precision);
      const run = (dy: Tensor) => by.adaptiveavgpool.backward(dy, x.shape, layer.attributes, precision);
      return { y, backward: (dy) => only(run(dy)) };
    }
    case 'dropout': {
      if (dropout === 'none') return { y: cast(x, precision), backward: (dy) => ({ dxs: [dy] }) };
      const [mask, a] = [maskOf(dropout, layer.name), layer.attributes];
      const { y } = by.dropout.forward(x, a, mask, precision);
      return { y, backward: (dy) => only(by.dropout.backward(dy, a, mask, precision)) };
    }
    case 'flatten': {
      const { y } = by.flatten.forward(x, layer.attributes, precision);
      return { y, backward: (dy) => only(by.flatten.backward(dy, x.shape, layer.attributes, precision)) };
    }
    case 'split': {
      const { y } = by.split.forward(x, layer.attributes, precision);
      return { y, backward: (dy) => only(by.split.backward(dy, x.shape, layer.attributes, precision)) };
    }
    case 'concat': {
      const { y } = by.concat.forward(xs, precision);
      const shapes = xs.map((one) => one.shape);
      return { y, backward: (dy) => by.concat.backward(dy, shapes, precision) };
    }
    case 'relu':
    case 'tanh':
    case 'sigmoid':
    case 'softmax': {
      const operation = { relu: by.relu, tanh: by.tanh, sigmoid: by.sigmoid, softmax: by.softmax }[
        layer.kind
      ];
      const { y } = operation.forward(x, precision);
      return { y, backward: (dy) => only(operation.backward(dy, y, precision)) };
    }
  }
}

function maskOf(masks: Masks, name: string): Uint8Array {
  const mask = masks.get(name);
  if (mask) return mask;
  throw new Error(
    `there is no mask for this dropout layer (masks: ${[...masks.keys()].join(', ') || 'none'})`,
  );
}
