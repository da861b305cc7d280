/** The graphs that are verified: which values they have, and how they are fed and run. */
import {
  type BuildStepOptions,
  buildGradients,
  buildStep,
  joined,
  type ModelFile,
} from '../../../export/index.ts';
import { decodeModel } from '../../../export/proto.ts';
import type { Network } from '../../../reference/networks/layers.ts';
import { type Weights, weightShapes } from '../../../reference/oracle.ts';
import { type Batch, trunk } from '../../../reference/training/gradient.ts';
import { defaultFactor, type Hyper } from '../../../reference/training/optimiser.ts';
import { floatValue, fromTensor, type Value } from '../../array/value.ts';
import { InputError } from '../../errors.ts';
import type { Place } from '../../runtime/devices.ts';
import type { Device } from '../../runtime/failures.ts';
import { type Host, targetOf } from '../../runtime/session.ts';
import type { TowersHost } from '../../runtime/towers.ts';
import { hostTrainingTowers } from '../../runtime/training-towers.ts';
import type { JudgeSettings } from '../options.ts';
import type { Provider } from '../provider.ts';
import { sessionsOf } from '../sessions.ts';
import type { Subject } from '../subject.ts';

export interface TrainingGraph {
  readonly kind: 'gradients' | 'training';
  readonly bytes: Uint8Array;
  /** It is a file's. */
  readonly foreign: boolean;
  /** Values that are judged, as this program's own graph has them. */
  readonly wanted: ReadonlySet<string>;
  /** Those of them that the file has. */
  readonly taps: readonly string[];
  readonly outputs: readonly string[];
  readonly inputs: ReadonlySet<string>;
  /** Where two towers run it. */
  readonly towers?: TowersHost;
}

/** Where it runs: a device, or those of two towers. */
export interface Where {
  readonly device: Device;
  readonly places?: readonly Place[];
  /** Where the towers' sessions are opened; default: in a process for each. */
  readonly hosts?: readonly Host[];
}

/** The gradients graph as it is exported, or the bytes of a file that should be one. */
export function gradientsGraph(
  network: Network,
  batch: Batch,
  { device, places, hosts }: Where,
  file?: Uint8Array,
): TrainingGraph {
  const form = { batch: batch.input.shape[0], dropout: batch.dropout !== 'none' };
  const own = buildGradients(network, { ...form, target: targetOf(device) });
  const towers = places && hostTrainingTowers(network, places, 'gradients', form, hosts);
  return { ...graphOf('gradients', network, own, file), towers };
}

/** The step's graph, likewise. */
export function stepGraph(
  network: Network,
  batch: Batch,
  hyper: Hyper,
  { device, places, hosts }: Where,
  file?: Uint8Array,
): TrainingGraph {
  const { rule, momentum, weightDecay } = hyper;
  const names = [...weightShapes(network).keys()];
  const form: BuildStepOptions = {
    batch: batch.input.shape[0],
    dropout: batch.dropout !== 'none',
    rule: rule === 'as-run' ? 'paper' : rule,
    momentum,
    weightDecay,
    factors: new Map(names.map((name) => [name, defaultFactor(rule, name)])),
  };
  const own = buildStep(network, { ...form, target: targetOf(device) });
  const towers = places && hostTrainingTowers(network, places, 'training', form, hosts);
  return { ...graphOf('training', network, own, file), towers };
}

function graphOf(
  kind: TrainingGraph['kind'],
  network: Network,
  own: ModelFile,
  file: Uint8Array | undefined,
): TrainingGraph {
  const bytes = file ?? joined(own.chunks());
  const { graph } = decodeModel(bytes);
  if (!graph) throw new InputError('the model has no graph');
  const step = graph.input.some(({ name }) => name === 'learningRate');
  if (step !== (kind === 'training'))
    throw new InputError(`the model is no ${kind} graph: try --graph ${step ? 'training' : 'gradients'}`);
  if (graph.node.some(({ opType }) => opType === 'Loop'))
    throw new InputError(
      'the model is a Loop over steps: export it without --loop, the values in it cannot be read',
    );
  const made = new Set(graph.node.flatMap((node) => node.output));
  const ours = new Set(own.model.graph!.node.flatMap((node) => node.output));
  const wanted = valuesOf(network).filter((name) => ours.has(name));
  return {
    kind,
    bytes,
    foreign: file !== undefined,
    wanted: new Set(wanted),
    taps: wanted.filter((name) => made.has(name)),
    outputs: graph.output.map(({ name }) => name),
    inputs: new Set(graph.input.map(({ name }) => name)),
  };
}

/** Every value that may be judged; the state after a step too. */
export function valuesOf(network: Network): string[] {
  const layers = trunk(network).layers.map(({ name }) => name);
  const parameters = [...weightShapes(network).keys()];
  return [
    ...layers,
    'loss',
    ...[...layers, ...parameters, 'input'].map((name) => `d${name}`),
    ...parameters.flatMap((name) => [`${name}.next`, `${name}.velocity.next`]),
  ];
}

/** What one run of a graph is fed. Throws InputError where the model wants anything else. */
export function feedsOf(
  graph: TrainingGraph,
  { input, labels, dropout }: Batch,
  weights: Weights,
  state?: { readonly momenta: Weights; readonly learningRate: number },
): Map<string, Value> {
  const feeds = new Map<string, Value>([['input', fromTensor(input)]]);
  for (const [name, w] of weights) feeds.set(name, fromTensor(w));
  feeds.set('labels', { dtype: 'int32', shape: [labels.length], data: Int32Array.from(labels) });
  if (state) {
    feeds.set('learningRate', floatValue(Float32Array.of(state.learningRate), []));
    for (const [name, v] of state.momenta) feeds.set(`${name}.velocity`, fromTensor(v));
  }
  const masks = dropout === 'none' ? [] : dropout;
  for (const [name, data] of masks) {
    feeds.set(`${name}.mask`, {
      dtype: 'uint8',
      shape: [input.shape[0], data.length / input.shape[0]],
      data,
    });
  }
  for (const name of graph.inputs) if (!feeds.has(name)) throw new InputError(unfed(name, graph));
  for (const name of feeds.keys()) if (!graph.inputs.has(name)) feeds.delete(name);
  return feeds;
}

function unfed(name: string, { kind }: TrainingGraph): string {
  if (name.endsWith('.mask')) return `the model takes dropout masks (${name}): give them with --dropout`;
  return `the model's input '${name}' is none that a ${kind} graph of this network has`;
}

/** Where the values of such a graph come from. */
export const runsOf = (graph: TrainingGraph, device: Device, options: JudgeSettings): Promise<Provider> => {
  const { bytes, foreign, taps, outputs, towers } = graph;
  const names = new Map(taps.map((name) => [name, name]));
  return sessionsOf({ device, bytes, foreign, towers, names, outputs, accept }, options);
};

function accept(value: Value, name: string): Value {
  if (value.dtype === 'float32' || value.dtype === 'float64') return value;
  throw new InputError(`the model's value '${name}' is ${value.dtype}, not float32`);
}

/** For histograms: those of larger values take longer than the comparison. */
const DETAILED = 1 << 22;

/** What all subjects of such a graph have in common. */
export const aboutGraph = (
  { kind, bytes }: TrainingGraph,
  network: Network,
  feeds: ReadonlyMap<string, Value>,
): Pick<Subject, 'name' | 'model' | 'feeds' | 'given' | 'placed' | 'file' | 'detailed'> => ({
  name: network.name,
  model: kind,
  feeds,
  given: (name) => feeds.get(name),
  placed: { by: 'untouched' },
  file: { model: () => decodeModel(bytes), called: (name) => name },
  detailed: DETAILED,
});
