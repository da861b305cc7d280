/**
 * verify --graph gradients|training: every gradient, and every parameter and velocity of each step, against
 * the oracle.
 */
import type { Network } from '../../../reference/networks/layers.ts';
import type { Ties } from '../../../reference/ops/maxpool.ts';
import type { Weights } from '../../../reference/oracle.ts';
import { cast, dense, type Tensor } from '../../../reference/tensor.ts';
import { type Batch, type GradientOptions, trunk } from '../../../reference/training/gradient.ts';
import type { Hyper } from '../../../reference/training/optimiser.ts';
import { classes } from '../../bounds/arithmetic.ts';
import type { BoundsContext } from '../../bounds/bounds.ts';
import { operationsFor } from '../../fast/index.ts';
import { holdDevice } from '../../runtime/session.ts';
import { executorOf } from '../../runtime/towers.ts';
import { type Elsewhere, examineDump } from '../dump/part.ts';
import { type Examined, examine, type Reported, verificationOf } from '../engine.ts';
import type { JudgeSettings, VerifyOptions } from '../options.ts';
import { mustBeFinite, type Subject, tensorOf } from '../subject.ts';
import { exchanged } from '../towers.ts';
import type { Verification } from '../verification.ts';
import { type Chain, disturbedChain, oracleChain } from './chain.ts';
import { forwardAndBack } from './gradients.ts';
import {
  aboutGraph,
  feedsOf,
  gradientsGraph,
  runsOf,
  stepGraph,
  type TrainingGraph,
  type Where,
} from './graphs.ts';
import { verifySteps } from './steps.ts';

interface TrainingSettings extends Where, JudgeSettings, Pick<VerifyOptions, 'plain'> {
  readonly graph: 'gradients' | 'training';
  readonly network: Network;
  readonly weights: Weights;
  /** Masks, where there are any, for every dropout layer. */
  readonly batch: Batch;
  readonly hyper: Hyper;
  readonly steps: number;
  /** Values that were computed elsewhere; default: a session's. */
  readonly dump?: Elsewhere;
  /** A file that should be this graph; default: the one that is exported. */
  readonly file?: Uint8Array;
}

/**
 * Of equal maxima in a pooling window every one gets the gradient here; another engine may give it to the first
 * alone. What was computed elsewhere is judged by the one rule, and where it fails by the other. Throws InputError
 * for numbers that are none and for a file of another graph, EnvironmentError for the device.
 */
export async function verifyTraining(settings: TrainingSettings): Promise<Verification> {
  const every = await verifyWith('every', settings);
  if (!settings.dump || every.verdict !== 'fail') return every;
  const first = await verifyWith('first', settings);
  return failures(first) < failures(every) ? first : every;
}

const failures = ({ layers }: Verification): number =>
  layers.filter(({ verdict }) => verdict === 'fail').length;

async function verifyWith(ties: Ties, settings: TrainingSettings): Promise<Verification> {
  const { graph: kind, network, batch, hyper, precision = 'float32', plain, file, dump } = settings;
  const { places } = settings;
  const device = dump?.device ?? (places ? executorOf(places) : settings.device);
  mustBeFinite('the input', batch.input);
  for (const [name, t] of settings.weights) mustBeFinite(name, t);
  const required = settings.require ?? 'float32';
  const weights = new Map([...settings.weights].map(([name, t]) => [name, cast(t, 'float32')]));
  const context: BoundsContext = { device, operands: classes[required], half: false, runningSum: false };
  const options: GradientOptions = { precision, ties, operations: operationsFor({ plain }) };
  const chain = oracleChain(network, weights, batch, options);
  await using _held = dump || places ? null : await holdDevice(settings.device);
  const graph = gradientsGraph(network, batch, settings, kind === 'gradients' ? file : undefined);
  const gradients = await examineGradients({ ...settings, weights, ties }, graph, context, chain);
  const parts: Reported[] = [gradients];
  const saved = {
    device: results(new Map([...gradients.values].map(([name, v]) => [name, tensorOf(v)])), network),
    oracle: results(chain.values, network),
  };
  if (kind === 'training') {
    const step = stepGraph(network, batch, hyper, settings, file);
    const { expected } = gradients;
    const about = { ...settings, weights, graph: step, context, options, chain, expected };
    const { device: onDevice, oracle, ...stepped } = await verifySteps(about);
    parts.push(stepped);
    for (const [name, t] of onDevice) saved.device.set(name, t);
    for (const [name, t] of oracle) saved.oracle.set(name, t);
  }
  const about = { network: network.name, input: batch.input.shape, device, required };
  const found = verificationOf(parts, { ...about, values: saved });
  return graph.towers ? { ...found, towers: exchanged(network, graph.towers) } : found;
}

async function examineGradients(
  settings: TrainingSettings & { readonly ties: Ties },
  graph: TrainingGraph,
  context: BoundsContext,
  chain: Chain,
): Promise<Examined> {
  const { network, weights, batch, device, dump, ties } = settings;
  const pass = { ...batch, network, weights, ties, wanted: graph.wanted, factor: 1, context };
  const subject: Subject = {
    ...aboutGraph(graph, network, feedsOf(graph, batch, weights)),
    operands: context.operands,
    computations: () => forwardAndBack(pass),
    chain: (name) => chain.values.get(name),
    disturbed(draw, errors) {
      const { values } = disturbedChain(network, weights, batch, errors, draw, ties);
      return (name) => values.get(name);
    },
  };
  if (dump) return examineDump(subject, dump, (name) => subject.given(name) !== undefined);
  await using provider = await runsOf(graph, device, settings);
  return await examine(subject, provider, settings);
}

/** The loss and the gradients of parameters and input, without what lies between. */
function results(values: ReadonlyMap<string, Tensor>, network: Network): Map<string, Tensor> {
  const layers = trunk(network).layers.flatMap(({ name }) => [name, `d${name}`]);
  const between = new Set(layers);
  return new Map([...values].filter(([name, t]) => !between.has(name) && dense(t).length > 0));
}
