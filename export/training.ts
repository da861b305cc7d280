/**
 * Training as plain ONNX: forward, loss, hand-derived gradients and the update of one step. Opset 18, IR 8,
 * no training operators, so that every device computes it; weights are inputs and not in the file.
 *
 * Inputs
 *   input (N,C,H,W), or with augmentation what augment.ts lists; labels (N) int32;
 *   <layer>.mask (N,…) uint8 for each dropout; every parameter;
 *   of a step also learningRate (scalar) and <parameter>.velocity.
 * Outputs
 *   loss, wrong1, wrong5 (scalars);
 *   of gradients d<parameter>, and dinput;
 *   of a step <parameter>.next and <parameter>.velocity.next.
 */
import { mustBeNetwork, mustBeObject } from '../reference/named.ts';
import type { Network } from '../reference/networks/layers.ts';
import { inputsOf, shapes, weightShapes } from '../reference/oracle.ts';
import type { Shape } from '../reference/tensor.ts';
import { trunk } from '../reference/training/gradient.ts';
import { type Augment, emitAugment } from './augment.ts';
import { emitGradients } from './backward.ts';
import { emitTrainingLayer } from './emitters.ts';
import { GraphBuilder, type LrnForm, type TrainingTarget } from './graph.ts';
import { loopOf, type Steps } from './loop.ts';
import { emitLoss } from './loss.ts';
import { modelAround } from './model.ts';
import {
  type Descent,
  emitLossFactor,
  emitUpdate,
  factorsOf,
  type GradientSource,
  type UpdateRule,
} from './update.ts';
import { type ModelFile, modelFile } from './write.ts';

interface TrainingGraphOptions {
  /** Images in a batch: fixed, as the mean over it is part of the graph. */
  readonly batch: number;
  /** Masks for the dropout layers as inputs (default), or neither mask nor scaling. */
  readonly dropout?: boolean;
  /** cpu (default), gpu or webgpu: which form convolutions, LRN and their gradients have. The same mathematics. */
  readonly target?: TrainingTarget;
  /** Default: band on webgpu, else decomposed. The gradient needs values that the native operator keeps to itself. */
  readonly lrn?: Exclude<LrnForm, 'native'>;
  /**
   * Of a part of a network (a tower's segment): the gradient of its last layer is an input, d<layer>, in the place
   * of labels, and the layer an output in that of the loss.
   */
  readonly part?: boolean;
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface BuildGradientsOptions extends TrainingGraphOptions {
  /** The gradient of the input too (default true). */
  readonly dinput?: boolean;
}

export interface BuildStepOptions extends TrainingGraphOptions {
  /** The gradient of the input too (default false). */
  readonly dinput?: boolean;
  /** Whose form of momentum (default paper), see update.ts. */
  readonly rule?: UpdateRule;
  /** µ, default 0.9. */
  readonly momentum?: number;
  /** λ, default 0.0005. */
  readonly weightDecay?: number;
  /** Factors of single parameters on ε and λ, by name; rate 0 freezes one. */
  readonly factors?: Descent['factors'];
  /**
   * Random crops, mirrors and lighting in the graph, from uint8 images in the place of `input`: see
   * augment.ts.
   */
  readonly augment?: Augment;
  /**
   * As many steps a call, in a Loop, or as many as the inputs have ('dynamic'); see loop.ts. Default: one, no
   * Loop.
   */
  readonly steps?: Steps;
}

/**
 * A model of the loss and all its gradients, for a fixed batch. Throws RangeError, naming the layer.
 */
export function buildGradients(network: Network, options: BuildGradientsOptions): ModelFile {
  mustBeNetwork('network', network);
  mustBeObject('options', options);
  const { dinput = true } = options;
  const g = builderOf(network, options);
  const parameters = weightShapes(network);
  const logits = emitForward(g, network, parameters, options);
  const results = emitEnd(g, logits, options);
  atNetwork(network, () => emitGradients(g, trunk(network), (name) => parameters.has(name), dinput));
  const gradients = [...parameters.keys()].map((name) => `d${name}`);
  for (const name of [...results, ...gradients, ...(dinput ? ['dinput'] : [])]) g.output(name);
  for (const [name, shape] of parameters) g.expect(`d${name}`, shape);
  return modelFile(trainingModel(g, network, 'gradients', options));
}

/**
 * A model of one step (or of `steps`): loss, and every parameter and velocity after it. Frozen parameters
 * have neither. Throws RangeError, naming the layer or the option.
 */
export function buildStep(network: Network, options: BuildStepOptions): ModelFile {
  mustBeNetwork('network', network);
  mustBeObject('options', options);
  const descent = descentOf(network, options);
  const g = builderOf(network, options);
  const parameters = weightShapes(network);
  const logits = emitForward(g, network, parameters, options);
  const learned = [...parameters].filter(([name]) => factorsOf(descent, name).rate !== 0);
  for (const [name, shape] of learned) g.input(`${name}.velocity`, shape);
  const learningRate = g.input('learningRate', []);
  const results = emitEnd(g, logits, options, () => emitLossFactor(g, descent, learningRate));
  const products = productsOf(network);
  const names = new Set(learned.map(([name]) => name));
  const wants = (name: string) => names.has(name) && !products.has(name);
  const { dinput = false } = options;
  atNetwork(network, () => emitGradients(g, trunk(network), wants, dinput, (name) => names.has(name)));
  for (const name of names) {
    emitUpdate(g, descent, name, products.get(name) ?? { value: `d${name}` }, learningRate);
  }
  for (const name of [...results, ...(dinput ? ['dinput'] : [])]) g.output(name);
  for (const [name, shape] of learned) {
    for (const state of [`${name}.next`, `${name}.velocity.next`]) {
      g.expect(state, shape);
      g.output(state);
    }
  }
  const model = trainingModel(g, network, 'training', options);
  if (options.steps === undefined) return modelFile(model);
  const inputs = model.graph!.input.map(({ name }) => name);
  const repeated = inputs.filter((name) => !parameters.has(name.replace(/\.velocity$/, '')));
  return modelFile(loopOf(model, options.steps, new Set(repeated)));
}

/** The loss and its gradient, or of a part of a network its last layer with the gradient from outside: the outputs. */
function emitEnd(
  g: GraphBuilder,
  last: string,
  { part }: TrainingGraphOptions,
  factor: () => string | undefined = () => undefined,
): readonly string[] {
  if (part) {
    g.input(`d${last}`, g.dims(last));
    return [last];
  }
  if (g.dims(last).length !== 2)
    throw new RangeError(`${last}: the loss needs logits (N,K) (= [${g.dims(last)}])`);
  emitLoss(g, last, 'labels', `d${last}`, factor());
  return ['loss', 'wrong1', 'wrong5'];
}

/** Fully connected weights: their gradient dyᵀ·x goes straight into the velocity, in one Gemm. */
function productsOf(network: Network): ReadonlyMap<string, GradientSource> {
  return new Map(
    network.layers.flatMap((layer, index): [string, GradientSource][] =>
      layer.kind === 'linear'
        ? [[`${layer.name}.weight`, { dy: `d${layer.name}`, x: inputsOf(network, index)[0] }]]
        : [],
    ),
  );
}

function builderOf(
  network: Network,
  { batch, augment, target, lrn = target === 'webgpu' ? 'band' : 'decomposed', part }: BuildStepOptions,
): GraphBuilder {
  if (!Number.isSafeInteger(batch) || batch < 1)
    throw new RangeError(`batch must be a positive integer (= ${batch})`);
  const g = new GraphBuilder({ precision: 'float32', batch, lrn, target });
  const shape = [batch, ...network.input];
  if (augment) {
    emitAugment(g, augment, batch, network.preprocess);
    g.expect('input', shape);
  } else g.input('input', shape);
  if (!part) g.input('labels', [batch], 'int32');
  return g;
}

/** Inputs for the parameters, and all layers; returns the last, as a rule the logits. */
function emitForward(
  g: GraphBuilder,
  network: Network,
  parameters: ReadonlyMap<string, Shape>,
  { batch, dropout = true }: TrainingGraphOptions,
): string {
  for (const [name, shape] of parameters) g.input(name, shape);
  const { layers } = trunk(network);
  const expected = shapes(network, batch);
  for (const [index, layer] of layers.entries()) {
    atNetwork(network, () => emitTrainingLayer(g, layer, inputsOf(network, index), dropout));
    g.expect(layer.name, expected.get(layer.name)!);
  }
  return layers[layers.length - 1].name;
}

function descentOf(network: Network, options: BuildStepOptions): Descent {
  const { rule = 'paper', momentum = 0.9, weightDecay = 0.0005, factors = new Map() } = options;
  const parameters = weightShapes(network);
  for (const [name, { rate, decay }] of factors) {
    if (!parameters.has(name)) throw new RangeError(`${network.name}: no parameter '${name}'`);
    if (!(rate >= 0 && decay >= 0))
      throw new RangeError(`${name}: rate and decay must be at least 0 (= ${rate}, ${decay})`);
  }
  if (!['paper', 'caffe', 'pytorch'].includes(rule))
    throw new RangeError(`rule must be 'paper', 'caffe' or 'pytorch' (= ${rule})`);
  if (!(momentum >= 0 && momentum < 1))
    throw new RangeError(`momentum must be at least 0 and below 1 (= ${momentum})`);
  if (!(weightDecay >= 0)) throw new RangeError(`weightDecay must be at least 0 (= ${weightDecay})`);
  return { rule, momentum, weightDecay, factors };
}

function atNetwork(network: Network, run: () => void): void {
  try {
    run();
  } catch (error) {
    throw new RangeError(`${network.name}: ${(error as Error).message}`);
  }
}

function trainingModel(
  g: GraphBuilder,
  network: Network,
  graph: 'gradients' | 'training',
  { metadata }: TrainingGraphOptions,
) {
  const preprocess = JSON.stringify(network.preprocess);
  const doc = `${graph}: forward, loss and hand-derived backward.`;
  const explained = { network: network.name, graph, preprocess, ...metadata };
  return modelAround(g, network, `${network.name}_${graph}`, doc, 18, explained);
}
