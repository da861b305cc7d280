/** Steps of training on a device, each judged from the state that the device itself came to. */
import type { Network } from '../../../reference/networks/layers.ts';
import { inputsOf, type Weights, weightShapes } from '../../../reference/oracle.ts';
import { cast, map, type Tensor } from '../../../reference/tensor.ts';
import type { Batch, GradientOptions } from '../../../reference/training/gradient.ts';
import {
  coefficientsOf,
  defaultFactor,
  type Hyper,
  updateAll,
  zeroMomenta,
} from '../../../reference/training/optimiser.ts';
import type { Value } from '../../array/value.ts';
import type { BoundsContext } from '../../bounds/bounds.ts';
import {
  factorOfLoss,
  type ParameterGradient,
  parameterBounds,
  velocityBounds,
} from '../../bounds/update.ts';
import { Died } from '../../runtime/apart.ts';
import type { Device } from '../../runtime/failures.ts';
import { dumpOf, type Elsewhere, examineDump } from '../dump/part.ts';
import { type Examined, examine, judgeAll, nothingFound, type Reported } from '../engine.ts';
import type { JudgeOptions } from '../options.ts';
import { type Computation, type Subject, tensorOf, type Values } from '../subject.ts';
import type { LayerRow, RunReport } from '../verification.ts';
import { type Chain, disturbedChain, oracleChain } from './chain.ts';
import { forwardAndBack } from './gradients.ts';
import { aboutGraph, feedsOf, runsOf, type TrainingGraph } from './graphs.ts';

interface StepSettings extends JudgeOptions {
  readonly device: Device;
  readonly dump?: Elsewhere;
  readonly network: Network;
  readonly weights: Weights;
  readonly batch: Batch;
  readonly hyper: Hyper;
  readonly steps: number;
  readonly graph: TrainingGraph;
  readonly context: BoundsContext;
  readonly options: GradientOptions;
  /** The oracle's chain of the first step. */
  readonly chain: Chain;
  /** What the values of the gradients graph are expected to be off by. */
  readonly expected: ReadonlyMap<string, Float64Array>;
}

interface Stepped extends Reported {
  /** step1/conv1.weight, step1/conv1.weight.velocity … */
  readonly device: ReadonlyMap<string, Tensor>;
  readonly oracle: ReadonlyMap<string, Tensor>;
}

interface State {
  readonly weights: Weights;
  readonly momenta: Weights;
}

type Named = (name: string) => Tensor | undefined;

/** The first step in every way that the device can run it, the others in the first of them. */
export async function verifySteps(settings: StepSettings): Promise<Stepped> {
  const { network, batch, hyper, graph, options, steps, dump } = settings;
  await using provider = dump ? dumpOf(stateAlone(dump)) : await runsOf(graph, settings.device, settings);
  const saved = { device: new Map<string, Tensor>(), oracle: new Map<string, Tensor>() };
  const rows: LayerRow[] = [];
  const start: State = { weights: settings.weights, momenta: zeroMomenta(settings.weights) };
  let device = start;
  let oracle = widened(start, options);
  let first: Examined | undefined;
  const runs: RunReport[] = [];
  for (let k = 1; k <= steps; k++) {
    const chain = k === 1 ? settings.chain : oracleChain(network, oracle.weights, batch, options);
    const next = updateAll(oracle.weights, oracle.momenta, chain.gradients, hyper);
    const subject = stepOf(settings, device, oracleNames(chain, next, hyper));
    let values: ReadonlyMap<string, Value>;
    if (!first) {
      first = dump
        ? await examineDump(subject, stateAlone(dump), (name) => subject.given(name) !== undefined)
        : await examine(subject, provider, settings);
      rows.push(...first.rows.map(inStep(k)));
      runs.push(...first.runs);
      values = first.values;
    } else {
      const { ran } = first;
      const run = await provider.run(subject.feeds, provider.ways[0]).catch((error: Error) => error);
      if (run instanceof Error) {
        if (!(run instanceof Died)) throw run;
        const lost = nothingFound(subject, run.message).rows.map((row) => ({ ...row, devices: [] }));
        rows.push(...lost.map(inStep(k)));
        const head = { ...first.runs[0], unstable: [], verdict: 'fail', first: null } as const;
        runs.push({ ...head, reason: `${run.message} in step ${k}` });
        break; // there is no state to go on from
      }
      const later = judgeAll(subject, run).rows.map((row) => ({ ...row, devices: ran(row.layer) }));
      rows.push(...later.map(inStep(k)));
      values = run.values;
    }
    device = stateOf(network, values, device);
    oracle = next;
    save(saved.device, k, device, values.has('loss') ? tensorOf(values.get('loss')) : undefined);
    save(saved.oracle, k, oracle, chain.values.get('loss'));
  }
  return { ...(first as Examined), ...saved, rows, runs };
}

/** What a step ends with: gradients have the loss's factor in a step's graph, in somebody's dump they have none. */
const stateAlone = ({ values, device }: Elsewhere): Elsewhere => ({
  values: new Map([...values].filter(([name]) => name.endsWith('.next'))),
  device,
});

/** 'conv1.weight.next' is called step1/conv1.weight. */
const inStep =
  (k: number) =>
  (row: LayerRow): LayerRow => ({ ...row, layer: `step${k}/${row.layer.replace(/\.next$/, '')}` });

const widened = ({ weights, momenta }: State, { precision = 'float32' }: GradientOptions): State => {
  const all = (of: Weights): Weights => new Map([...of].map(([name, t]) => [name, cast(t, precision)]));
  return { weights: all(weights), momenta: all(momenta) };
};

/** A parameter that the model does not write stays as it was: its row says so. */
function stateOf(network: Network, values: ReadonlyMap<string, Value>, before: State): State {
  const names = [...weightShapes(network).keys()];
  const after = (suffix: string, old: Weights): Weights =>
    new Map(
      names.map((name) => {
        const value = values.get(`${name}${suffix}`);
        return [name, value ? tensorOf(value) : (old.get(name) as Tensor)];
      }),
    );
  return { weights: after('.next', before.weights), momenta: after('.velocity.next', before.momenta) };
}

function save(into: Map<string, Tensor>, k: number, { weights, momenta }: State, loss?: Tensor): void {
  if (loss) into.set(`step${k}/loss`, loss);
  for (const [name, w] of weights) into.set(`step${k}/${name}`, w);
  for (const [name, v] of momenta) into.set(`step${k}/${name}.velocity`, v);
}

/** The oracle's values under the step graph's names; gradients have the loss's factor there. */
function oracleNames({ values }: Chain, { weights, momenta }: State, { rule, learningRate }: Hyper): Named {
  const factor = factorOfLoss(rule, learningRate);
  return (name) => {
    if (name.endsWith('.velocity.next')) return momenta.get(name.slice(0, -'.velocity.next'.length));
    if (name.endsWith('.next')) return weights.get(name.slice(0, -'.next'.length));
    const value = values.get(name);
    if (!value || !/^d/.test(name) || !values.has(name.slice(1).replace(/\..*$/, ''))) return value;
    return map(value, (v) => v * factor);
  };
}

/** Every value of the forward and backward pass, then every velocity and parameter from the device's own. */
function stepOf(settings: StepSettings, state: State, oracle: Named): Subject {
  const { network, batch, hyper, graph, context, expected, options } = settings;
  const { ties } = options;
  const { weights, momenta } = state;
  const { rule, learningRate } = hyper;
  const pass = {
    ...batch,
    network,
    weights,
    ties,
    wanted: graph.wanted,
    factor: factorOfLoss(rule, learningRate),
    context,
  };
  return {
    ...aboutGraph(graph, network, feedsOf(graph, batch, weights, { momenta, learningRate })),
    operands: context.operands,
    computations: () => [
      ...forwardAndBack(pass),
      ...[...weightShapes(network).keys()].map((name) =>
        updateOf(settings, name, { w: weights.get(name)!, v: momenta.get(name)! }),
      ),
    ],
    chain: oracle,
    disturbed(draw) {
      const other = disturbedChain(network, weights, batch, expected, draw, ties);
      return oracleNames(other, updateAll(weights, momenta, other.gradients, hyper), hyper);
    },
  };
}

/** One parameter's velocity and its next value. */
function updateOf(
  { network, hyper, context }: StepSettings,
  name: string,
  state: { w: Tensor; v: Tensor },
): Computation {
  const { rule } = hyper;
  const own = coefficientsOf(hyper, name);
  const { rate } = defaultFactor(rule, name);
  const velocity = `${name}.velocity.next`;
  const reads = gradientNames(network, name);
  return {
    reads: [...reads, velocity],
    makes: [
      { name: velocity, kind: 'velocity' },
      { name: `${name}.next`, kind: 'parameter' },
    ],
    judge(values) {
      const v = tensorOf(values(velocity));
      return [
        velocityBounds(rule, own, rate, state, gradientIn(values, reads), context),
        parameterBounds(rule, own, { w: state.w, v }, context),
      ];
    },
  };
}

/** The gradient that an update reads, or its operands: fully connected layers sum them in the update itself. */
function gradientNames(network: Network, name: string): readonly string[] {
  const layer = name.replace(/\.[^.]*$/, '');
  const at = network.layers.findIndex((one) => one.name === layer);
  if (network.layers[at].kind === 'linear' && name.endsWith('.weight'))
    return [`d${layer}`, inputsOf(network, at)[0]];
  return [`d${name}`];
}

function gradientIn(values: Values, names: readonly string[]): ParameterGradient {
  const [first, x] = names.map((name) => tensorOf(values(name)));
  return x ? { dy: first, x } : { value: first };
}
