/** The graphs that are verified: which values they have, and how they are fed and run. */
import { buildGradients, buildStep, joined, tap } from '../../../export/index.ts';
import { decodeModel, type ModelProto } from '../../../export/proto.ts';
import type { Network } from '../../../reference/networks/layers.ts';
import { type Weights, weightShapes } from '../../../reference/oracle.ts';
import { type Tensor, tensor } from '../../../reference/tensor.ts';
import { type Batch, trunk } from '../../../reference/training/gradient.ts';
import { defaultFactor, type Hyper } from '../../../reference/training/optimiser.ts';
import { InputError } from '../../errors.ts';
import type { Device } from '../../runtime/failures.ts';
import type { Placement } from '../../runtime/placement.ts';
import { openSession, type Session, targetOf } from '../../runtime/session.ts';
import { isTensor, type SessionValue } from '../../runtime/values.ts';

export interface Graph {
  readonly kind: 'gradients' | 'training';
  readonly bytes: Uint8Array;
  /** Values that are judged, as this program's own graph has them. */
  readonly wanted: ReadonlySet<string>;
  /** Those of them that the file has. */
  readonly taps: readonly string[];
  readonly outputs: readonly string[];
  readonly inputs: ReadonlySet<string>;
}

/** The gradients graph as it is exported, or the bytes of a file that should be one. */
export function gradientsGraph(network: Network, batch: Batch, device: Device, file?: Uint8Array): Graph {
  const dropout = batch.dropout !== 'none';
  const own = buildGradients(network, { batch: batch.input.shape[0], dropout, target: targetOf(device) });
  return graphOf('gradients', network, own.model, file ?? joined(own.chunks()));
}

/** The step's graph, likewise. */
export function stepGraph(
  network: Network,
  batch: Batch,
  hyper: Hyper,
  device: Device,
  file?: Uint8Array,
): Graph {
  const { rule, momentum, weightDecay } = hyper;
  const names = [...weightShapes(network).keys()];
  const own = buildStep(network, {
    batch: batch.input.shape[0],
    dropout: batch.dropout !== 'none',
    target: targetOf(device),
    rule: rule === 'as-run' ? 'paper' : rule,
    momentum,
    weightDecay,
    factors: new Map(names.map((name) => [name, defaultFactor(rule, name)])),
  });
  return graphOf('training', network, own.model, file ?? joined(own.chunks()));
}

function graphOf(kind: Graph['kind'], network: Network, own: ModelProto, bytes: Uint8Array): Graph {
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
  const ours = new Set(own.graph!.node.flatMap((node) => node.output));
  const wanted = valuesOf(network).filter((name) => ours.has(name));
  return {
    kind,
    bytes,
    wanted: new Set(wanted),
    taps: wanted.filter((name) => made.has(name)),
    outputs: graph.output.map(({ name }) => name),
    inputs: new Set(graph.input.map(({ name }) => name)),
  };
}

/** Every value that may be judged; the state after a step too. */
function valuesOf(network: Network): string[] {
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
  graph: Graph,
  { input, labels, dropout }: Batch,
  weights: Weights,
  state?: { readonly momenta: Weights; readonly learningRate: number },
): Map<string, SessionValue> {
  const feeds = new Map<string, SessionValue>([['input', input], ...weights]);
  feeds.set('labels', { dtype: 'int32', shape: [labels.length], data: Int32Array.from(labels) });
  if (state) {
    feeds.set('learningRate', tensor(Float32Array.of(state.learningRate), []));
    for (const [name, v] of state.momenta) feeds.set(`${name}.velocity`, v);
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

function unfed(name: string, { kind }: Graph): string {
  if (name.endsWith('.mask')) return `the model takes dropout masks (${name}): give them with --dropout`;
  return `the model's input '${name}' is none that a ${kind} graph of this network has`;
}

export interface Ran {
  readonly values: ReadonlyMap<string, Tensor>;
  readonly placement: Placement;
}

/** Opens a graph with its judged values tapped, or as it is, for one or several runs. */
export const openGraph = (
  graph: Graph,
  device: Device,
  tapped: boolean,
  optimise: boolean,
): Promise<Session> =>
  openSession(tapped ? tap(graph.bytes, graph.taps) : graph.bytes, device, { optimise, profile: true });

/** Values by name; the untouched graph has only its outputs. */
export async function runGraph(
  session: Session,
  graph: Graph,
  feeds: ReadonlyMap<string, SessionValue>,
  tapped: boolean,
): Promise<Map<string, Tensor>> {
  const names = tapped ? graph.taps : graph.outputs.filter((name) => graph.wanted.has(name));
  const values = new Map<string, Tensor>();
  for (const [name, value] of await session.run(feeds, names)) {
    if (!isTensor(value)) throw new InputError(`the model's value '${name}' is ${value.dtype}, not float32`);
    values.set(name, value);
  }
  return values;
}

/** Runs a graph once in a session of its own. */
export async function runOnce(
  graph: Graph,
  device: Device,
  feeds: ReadonlyMap<string, SessionValue>,
  { tapped, optimise }: { readonly tapped: boolean; readonly optimise: boolean },
): Promise<Ran> {
  await using session = await openGraph(graph, device, tapped, optimise);
  const values = await runGraph(session, graph, feeds, tapped);
  return { values, placement: await session.placement() };
}
