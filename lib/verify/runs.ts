/**
 * One model, three runs: tapped and not optimised, tapped and optimised, untouched and optimised. Fusion bugs
 * show only in the last two, and tapping hides some of them from the second.
 */
import type { Layer } from '../../reference/networks/layers.ts';
import { inputsOf, runLayer } from '../../reference/oracle.ts';
import { streamOf, words } from '../../reference/random.ts';
import { dense, type Tensor } from '../../reference/tensor.ts';
import type { Context } from '../bounds/bounds.ts';
import { operations } from '../fast/index.ts';
import { relativeDifference, type Verdict } from '../judge/judge.ts';
import { judgeLayer } from '../judge/layer.ts';
import { type Level, type Run, type RunSettings, sameBits } from './run.ts';
import type { LayerReport } from './walk.ts';

export interface RunReport {
  readonly graph: 'tapped' | 'untouched';
  /** Of verify --graph: which of its models. */
  readonly model?: 'gradients' | 'training';
  readonly optimised: boolean;
  /** onnxruntime's level of graph optimisation. */
  readonly level: Level | 'disabled';
  readonly verdict: Verdict;
  /** One line: why not `pass`; empty if it is. */
  readonly reason: string;
  /** First layer that failed in this run. */
  readonly first: string | null;
  /** Layers that were not the same bit for bit in every repetition. */
  readonly unstable: readonly string[];
}

/** The run whose layers were compared one by one. */
export function plainReport(layers: readonly LayerReport[], { unstable }: Run): RunReport {
  const failed = layers.find(({ verdict }) => verdict === 'fail');
  const head = { graph: 'tapped', optimised: false, level: 'disabled', unstable } as const;
  if (failed) return { ...head, verdict: 'fail', reason: failed.reason, first: failed.layer };
  return { ...head, ...stability(unstable) };
}

/** A computation that is not repeatable is suspicious: its values are judged one by one all the same. */
export const stability = (unstable: readonly string[]): Pick<RunReport, 'verdict' | 'reason' | 'first'> =>
  unstable.length === 0
    ? { verdict: 'pass', reason: '', first: null }
    : { verdict: 'suspicious', reason: `not repeatable: ${unstable.join(' ')} differed`, first: null };

/** The optimised graph's layers: those that it computes to the same bits need no second comparison. */
export function optimisedReport(
  { subject }: RunSettings,
  plain: Run,
  optimised: Run,
  level: Level,
  context: (layer: Layer) => Context,
): RunReport {
  const { network, weights, match } = subject;
  const head = { graph: 'tapped', optimised: true, level, unstable: optimised.unstable } as const;
  for (const [at, layer] of network.layers.entries()) {
    const names = inputsOf(network, at);
    const same = [...names, layer.name].every((n) => sameBits(plain.values.get(n), optimised.values.get(n)));
    const y = optimised.values.get(layer.name);
    const inputs = names.map((name) => optimised.values.get(name));
    if (same || match.faults.has(layer.name) || !y || !inputs.every((x) => x !== undefined)) continue;
    const { verdict, reason } = judgeLayer(layer, inputs, y, weights, context(layer));
    if (verdict === 'fail') return { ...head, verdict, reason, first: layer.name };
  }
  return { ...head, ...stability(optimised.unstable) };
}

/** Oracle chains with random signs on every layer's expected error: how far right rounding may carry the outputs. */
export const CHAINS = 3;

/**
 * The outputs of the untouched graph against the oracle's chain. Their difference must stay within what tier
 * 2's expected errors, put on every layer's values with random signs, do to the outputs (the largest of three draws).
 */
export function untouchedReport(
  settings: RunSettings,
  { values, unstable }: Run,
  chain: ReadonlyMap<string, Tensor>,
  expected: ReadonlyMap<string, Float64Array>,
): RunReport {
  const head = { graph: 'untouched', optimised: true, level: 'all', unstable } as const;
  const allowed = allowance(settings, chain, expected);
  for (const [layer, y] of values) {
    const own = chain.get(layer);
    if (layer === 'input' || !own) continue;
    const difference = relativeDifference(y, own);
    if (difference <= (allowed.get(layer) ?? 0)) continue;
    const limit = (allowed.get(layer) ?? 0).toExponential(1);
    const reason = `off by ${difference.toExponential(1)} of the output, right rounding carries at most ${limit}`;
    return { ...head, verdict: 'fail', reason, first: layer };
  }
  return { ...head, ...stability(unstable) };
}

/** By layer: the largest relative difference that expected rounding errors make in three chains. */
function allowance(
  { subject }: RunSettings,
  chain: ReadonlyMap<string, Tensor>,
  expected: ReadonlyMap<string, Float64Array>,
): Map<string, number> {
  const { network, weights } = subject;
  const allowed = new Map<string, number>();
  for (let draw = 0; draw < CHAINS; draw++) {
    const values = new Map<string, Tensor>([['input', chain.get('input') as Tensor]]);
    for (const [at, layer] of network.layers.entries()) {
      const inputs = inputsOf(network, at).map((name) => values.get(name) as Tensor);
      const y = runLayer(layer, inputs, weights, 'float32', operations);
      disturb(y, expected.get(layer.name), draw, layer.name);
      values.set(layer.name, y);
      const difference = relativeDifference(y, chain.get(layer.name) as Tensor);
      allowed.set(layer.name, Math.max(difference, allowed.get(layer.name) ?? 0));
    }
  }
  return allowed;
}

/** Adds an expected error to every value, its sign drawn from `draw` and the layer's name. */
export function disturb(y: Tensor, error: Float64Array | undefined, draw: number, layer: string): void {
  if (!error) return;
  const values = dense(y);
  const signs = words(draw, streamOf(`rounding of ${layer}`), values.length);
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(error[i])) values[i] += signs[i] & 1 ? error[i] : -error[i];
  }
}
