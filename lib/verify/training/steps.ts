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
import type { Context } from '../../bounds/bounds.ts';
import { type Gradient, lossFactor, parameterBounds, velocityBounds } from '../../bounds/update.ts';
import { holdDevice } from '../../runtime/hold.ts';
import type { Placement } from '../../runtime/placement.ts';
import type { RunReport } from '../runs.ts';
import type { LayerReport } from '../walk.ts';
import { type Chain, disturbedChain, oracleChain } from './chain.ts';
import { feedsOf, type Graph, openGraph, runGraph } from './graphs.ts';
import { type Judge, threeWays } from './threeways.ts';
import { type Named, report, trainingWalk } from './walk.ts';

export interface StepSettings {
  readonly network: Network;
  readonly weights: Weights;
  readonly batch: Batch;
  readonly hyper: Hyper;
  readonly steps: number;
  readonly graph: Graph;
  readonly context: Context;
  readonly options: GradientOptions;
  /** The oracle's chain of the first step. */
  readonly chain: Chain;
  /** What the values of the gradients graph are expected to be off by. */
  readonly errors: ReadonlyMap<string, Float64Array>;
}

export interface Stepped {
  readonly rows: readonly LayerReport[];
  readonly runs: readonly RunReport[];
  readonly placement: Placement;
  /** step1/conv1.weight, step1/conv1.weight.velocity … */
  readonly device: ReadonlyMap<string, Tensor>;
  readonly oracle: ReadonlyMap<string, Tensor>;
}

interface State {
  readonly weights: Weights;
  readonly momenta: Weights;
}

export async function verifySteps(settings: StepSettings): Promise<Stepped> {
  const { network, batch, hyper, graph, context } = settings;
  const { learningRate } = hyper;
  await using _held = await holdDevice(context.device);
  await using session = await openGraph(graph, context.device, true, false);
  const found = { rows: [] as LayerReport[], device: new Map(), oracle: new Map() };
  let [runs, placement]: [readonly RunReport[], Placement] = [[], { nodes: [] }];
  const start: State = { weights: settings.weights, momenta: zeroMomenta(settings.weights) };
  let [device, oracle]: [State, State] = [start, widened(start, settings.options)];
  for (let k = 1; k <= settings.steps; k++) {
    const chain = k === 1 ? settings.chain : oracleChain(network, oracle.weights, batch, settings.options);
    const next = updateAll(oracle.weights, oracle.momenta, chain.gradients, hyper);
    const feeds = feedsOf(graph, batch, device.weights, { ...device, learningRate });
    const values = await runGraph(session, graph, feeds, true);
    const expected = oracleNames(chain, next, hyper);
    const judge = judgeStep(settings, device, expected);
    if (k === 1) {
      const plain = { values, placement };
      const disturbed = (draw: number): Named => {
        const other = disturbedChain(network, device.weights, batch, settings.errors, draw);
        return oracleNames(other, updateAll(device.weights, device.momenta, other.gradients, hyper), hyper);
      };
      const three = await threeWays({
        ...settings,
        ...context,
        feeds,
        judge,
        plain,
        oracle: expected,
        disturbed,
      });
      found.rows.push(...three.rows.map(inStep(k)));
      [runs, placement] = [three.runs, three.placement];
    } else found.rows.push(...judge((name) => values.get(name) ?? given(batch, name)).map(inStep(k)));
    device = stateOf(network, values, device);
    oracle = next;
    save(found.device, k, device, values.get('loss'));
    save(found.oracle, k, oracle, chain.values.get('loss'));
  }
  return { ...found, runs, placement };
}

const given = ({ input }: Batch, name: string): Tensor | undefined => (name === 'input' ? input : undefined);

/** 'conv1.weight.next' is called step1/conv1.weight. */
const inStep =
  (k: number) =>
  (row: LayerReport): LayerReport => ({ ...row, layer: `step${k}/${row.layer.replace(/\.next$/, '')}` });

const widened = ({ weights, momenta }: State, { precision = 'float32' }: GradientOptions): State => {
  const all = (of: Weights): Weights => new Map([...of].map(([name, t]) => [name, cast(t, precision)]));
  return { weights: all(weights), momenta: all(momenta) };
};

/** A parameter that the model does not write stays as it was: its row says so. */
function stateOf(network: Network, values: ReadonlyMap<string, Tensor>, before: State): State {
  const names = [...weightShapes(network).keys()];
  const after = (suffix: string, old: Weights): Weights =>
    new Map(names.map((name) => [name, values.get(`${name}${suffix}`) ?? (old.get(name) as Tensor)]));
  return { weights: after('.next', before.weights), momenta: after('.velocity.next', before.momenta) };
}

function save(into: Map<string, Tensor>, k: number, { weights, momenta }: State, loss?: Tensor): void {
  if (loss) into.set(`step${k}/loss`, loss);
  for (const [name, w] of weights) into.set(`step${k}/${name}`, w);
  for (const [name, v] of momenta) into.set(`step${k}/${name}.velocity`, v);
}

/** The oracle's values under the step graph's names; gradients have the loss's factor there. */
function oracleNames({ values }: Chain, { weights, momenta }: State, { rule, learningRate }: Hyper): Named {
  const factor = lossFactor(rule, learningRate);
  return (name) => {
    if (name.endsWith('.velocity.next')) return momenta.get(name.slice(0, -'.velocity.next'.length));
    if (name.endsWith('.next')) return weights.get(name.slice(0, -'.next'.length));
    const value = values.get(name);
    if (!value || !/^d/.test(name) || !values.has(name.slice(1).replace(/\..*$/, ''))) return value;
    return map(value, (v) => v * factor);
  };
}

/** Every value of the forward and backward pass, then every velocity and parameter from the device's own. */
function judgeStep(settings: StepSettings, { weights, momenta }: State, oracle: Named): Judge {
  const { network, batch, hyper, graph, context } = settings;
  const { rule, learningRate } = hyper;
  const walk = {
    network,
    weights,
    labels: batch.labels,
    dropout: batch.dropout,
    oracle,
    wanted: graph.wanted,
    factor: lossFactor(rule, learningRate),
    context,
  };
  return (device, known, observe) => [
    ...trainingWalk({ ...walk, device, known, observe }),
    ...[...weightShapes(network).keys()].flatMap((name) =>
      updateRows(settings, name, { w: weights.get(name)!, v: momenta.get(name)! }, { device, known, oracle }),
    ),
  ];
}

function updateRows(
  { network, hyper, context }: StepSettings,
  name: string,
  { w, v }: { w: Tensor; v: Tensor },
  { device, known, oracle }: { device: Named; known?: (names: readonly string[]) => boolean; oracle: Named },
): LayerReport[] {
  const { rule } = hyper;
  const [own, { rate }] = [coefficientsOf(hyper, name), defaultFactor(rule, name)];
  const [from, gradient] = gradientOf(network, name, device);
  const [velocity, next] = [`${name}.velocity.next`, `${name}.next`];
  if (known?.([...from, velocity, next])) return [];
  const [nextV, nextW] = [device(velocity), device(next)];
  if (!nextV || !nextW || !gradient) {
    const reason = 'the model has no such value, or not its gradient';
    const head = { kind: 'update', shape: w.shape, verdict: 'fail', reason, introduced: null } as const;
    return [velocity, next].map((layer) => ({ ...head, layer, accumulated: null }));
  }
  const ofVelocity = velocityBounds(rule, own, rate, { w, v }, gradient, context);
  const ofWeight = parameterBounds(rule, own, { w, v: nextV }, context);
  return [
    report({ name: velocity, kind: 'velocity' }, nextV, ofVelocity, oracle(velocity), context),
    report({ name: next, kind: 'parameter' }, nextW, ofWeight, oracle(next), context),
  ];
}

/** The gradient that the graph's update reads, and the names of its operands. */
function gradientOf(network: Network, name: string, device: Named): [string[], Gradient | null] {
  const layer = name.replace(/\.[^.]*$/, '');
  const at = network.layers.findIndex((one) => one.name === layer);
  if (network.layers[at].kind === 'linear' && name.endsWith('.weight')) {
    const names = [`d${layer}`, inputsOf(network, at)[0]];
    const [dy, x] = names.map(device);
    return [names, dy && x ? { dy, x } : null];
  }
  const value = device(`d${name}`);
  return [[`d${name}`], value ? { value } : null];
}
