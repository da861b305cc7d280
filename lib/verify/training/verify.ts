/**
 * verify --graph gradients|training: every gradient, and every parameter and velocity of each step, against
 * the oracle.
 */
import type { Network } from '../../../reference/networks/layers.ts';
import type { Weights } from '../../../reference/oracle.ts';
import { cast, dense, type Precision, type Tensor } from '../../../reference/tensor.ts';
import { type Batch, type GradientOptions, trunk } from '../../../reference/training/gradient.ts';
import type { Hyper } from '../../../reference/training/optimiser.ts';
import { classes, type Requirement } from '../../bounds/arithmetic.ts';
import type { Context } from '../../bounds/bounds.ts';
import { operationsFor } from '../../fast/index.ts';
import type { Device } from '../../runtime/failures.ts';
import { holdDevice } from '../../runtime/hold.ts';
import { assertPlacement, describePlacement, layerDevices, type Placement } from '../../runtime/placement.ts';
import { type LayerRow, mustBeFinite, overall, type Verification } from '../verify.ts';
import type { LayerReport } from '../walk.ts';
import { disturbedChain, oracleChain } from './chain.ts';
import { feedsOf, gradientsGraph, stepGraph } from './graphs.ts';
import { type StepSettings, verifySteps } from './steps.ts';
import { type Judged3, threeWays } from './threeways.ts';
import { trainingWalk } from './walk.ts';

export interface TrainingSettings {
  readonly graph: 'gradients' | 'training';
  readonly network: Network;
  readonly weights: Weights;
  /** Masks, where there are any, for every dropout layer. */
  readonly batch: Batch;
  readonly hyper: Hyper;
  readonly steps: number;
  readonly device: Device;
  readonly require?: Requirement;
  readonly precision?: Precision;
  readonly strictDevice?: boolean;
  readonly plain?: boolean;
  /** A file that should be this graph; default: the one that is exported. */
  readonly file?: Uint8Array;
}

/** Throws InputError for numbers that are none and for a file of another graph, EnvironmentError for the device. */
export async function verifyTraining(settings: TrainingSettings): Promise<Verification> {
  const { graph: kind, network, batch, device, precision = 'float32', plain, file } = settings;
  mustBeFinite('the input', batch.input);
  for (const [name, t] of settings.weights) mustBeFinite(name, t);
  const required = settings.require ?? 'float32';
  const weights = new Map([...settings.weights].map(([name, t]) => [name, cast(t, 'float32')]));
  const context: Context = {
    device,
    operands: classes[required],
    half: false,
    runningSum: false,
  };
  const options: GradientOptions = { precision, operations: operationsFor({ plain }) };
  const chain = oracleChain(network, weights, batch, options);
  await using _held = await holdDevice(device);
  const graph = gradientsGraph(network, batch, device, kind === 'gradients' ? file : undefined);
  const walk = {
    network,
    weights,
    labels: batch.labels,
    dropout: batch.dropout,
    wanted: graph.wanted,
    factor: 1,
  };
  const oracle = (name: string): Tensor | undefined => chain.values.get(name);
  const gradients = await threeWays({
    graph,
    device,
    feeds: feedsOf(graph, batch, weights),
    judge: (values, known, observe) =>
      trainingWalk({ ...walk, device: values, oracle, context, known, observe }),
    oracle,
    disturbed: (draw, errors) => {
      const { values } = disturbedChain(network, weights, batch, errors, draw);
      return (name) => values.get(name);
    },
  });
  const placed = placedRows(gradients.rows, gradients.placement, settings);
  const base = {
    network: network.name,
    input: batch.input.shape,
    device,
    required,
    why: null,
    margin: null,
    evidence: null,
  };
  const saved = { device: results(gradients.values, network), oracle: results(chain.values, network) };
  if (kind === 'gradients') return finished(base, [placed], gradients.runs, saved);
  const step = stepGraph(network, batch, settings.hyper, device, file);
  const about: StepSettings = {
    ...settings,
    weights,
    graph: step,
    context,
    options,
    chain,
    errors: gradients.errors,
  };
  const stepped = await verifySteps(about);
  const steps = placedRows(stepped.rows, stepped.placement, settings);
  return finished(base, [placed, steps], [...gradients.runs, ...stepped.runs], {
    device: new Map([...saved.device, ...stepped.device]),
    oracle: new Map([...saved.oracle, ...stepped.oracle]),
  });
}

interface Placed {
  readonly rows: readonly LayerRow[];
  readonly words: string;
}

/** The node that makes a value is called as the value; step1/conv1.weight is conv1.weight.next there. */
function placedRows(
  rows: readonly LayerReport[],
  placement: Placement,
  { device, strictDevice }: TrainingSettings,
): Placed {
  const titles = rows.map(({ layer, kind }) => {
    const value = layer.replace(/^step\d+\//, '');
    return kind === 'velocity' || kind === 'parameter' || kind === 'update' ? `${value}.next` : value;
  });
  const once = [...new Set(titles)];
  if (strictDevice) assertPlacement(placement, device, once);
  const ran = layerDevices(placement, once);
  return {
    rows: rows.map((row, i) => ({ ...row, devices: ran.get(titles[i]) ?? [] })),
    words: describePlacement(placement, device, once),
  };
}

type Base = Pick<Verification, 'network' | 'input' | 'device' | 'required' | 'why' | 'margin' | 'evidence'>;

function finished(
  base: Base,
  placed: readonly Placed[],
  runs: Judged3['runs'],
  values: Verification['values'],
): Verification {
  const layers = placed.flatMap(({ rows }) => rows);
  return {
    ...base,
    placement: placed.map(({ words }) => words).join('; the step: '),
    layers,
    runs,
    verdict: overall(layers, runs),
    first: runs.find(({ first }) => first !== null)?.first ?? layers.find(isFailed)?.layer ?? null,
    values,
  };
}

const isFailed = ({ verdict }: LayerRow): boolean => verdict === 'fail';

/** The loss and the gradients of parameters and input, without what lies between. */
function results(values: ReadonlyMap<string, Tensor>, network: Network): Map<string, Tensor> {
  const layers = trunk(network).layers.flatMap(({ name }) => [name, `d${name}`]);
  const between = new Set(layers);
  return new Map([...values].filter(([name, t]) => !between.has(name) && dense(t).length > 0));
}
