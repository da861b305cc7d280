/**
 * One graph, three runs, as in the forward pass: tapped and not optimised, whose values are judged one by
 * one; tapped and optimised, of which those are judged that have other bits; untouched and optimised, whose
 * outputs must have the bits of a run that was judged, or else stay within what expected rounding errors do
 * to the oracle's own chain.
 */
import { dense, type Tensor } from '../../../reference/tensor.ts';
import { U32 } from '../../bounds/arithmetic.ts';
import type { Bounds } from '../../bounds/bounds.ts';
import { relativeDifference } from '../../judge/judge.ts';
import type { Device } from '../../runtime/failures.ts';
import type { Placement } from '../../runtime/placement.ts';
import type { SessionValue } from '../../runtime/values.ts';
import { sameBits } from '../run.ts';
import type { RunReport } from '../runs.ts';
import type { LayerReport } from '../walk.ts';
import { type Graph, type Ran, runOnce } from './graphs.ts';
import type { Named } from './walk.ts';

/** Judges a run's values; values for which `known` is true were judged before. */
export type Judge = (
  device: Named,
  known?: (names: readonly string[]) => boolean,
  observe?: (name: string, bounds: Bounds) => void,
) => LayerReport[];

export interface ThreeWays {
  readonly graph: Graph;
  readonly device: Device;
  readonly feeds: ReadonlyMap<string, SessionValue>;
  readonly judge: Judge;
  /** The first run, where it was made already. */
  readonly plain?: Ran;
  readonly oracle: Named;
  /**
   * The outputs of a chain with rounding errors of random signs; `errors` are what each value is expected to
   * be off by.
   */
  readonly disturbed: (draw: number, errors: ReadonlyMap<string, Float64Array>) => Named;
}

export interface Judged3 {
  readonly rows: readonly LayerReport[];
  readonly runs: readonly RunReport[];
  readonly values: ReadonlyMap<string, Tensor>;
  /** Of the untouched graph. */
  readonly placement: Placement;
  readonly errors: ReadonlyMap<string, Float64Array>;
}

export async function threeWays(settings: ThreeWays): Promise<Judged3> {
  const { graph, device, feeds, judge } = settings;
  const plain = settings.plain ?? (await runOnce(graph, device, feeds, { tapped: true, optimise: false }));
  const value =
    ({ values }: Ran): Named =>
    (name) =>
      values.get(name) ?? fed(feeds, name);
  const errors = new Map<string, Float64Array>();
  const rows = judge(value(plain), undefined, (name, bounds) =>
    errors.set(name, bounds.expectation ?? bounds.bound),
  );
  const optimised = await runOnce(graph, device, feeds, { tapped: true, optimise: true });
  const again = judge(value(optimised), (names) =>
    names.every((name) => same(value(plain)(name), value(optimised)(name))),
  );
  const untouched = await runOnce(graph, device, feeds, { tapped: false, optimise: true });
  const runs = [
    reportOf(rows, graph, false),
    reportOf(again, graph, true),
    untouchedReport(settings, untouched, [plain, optimised], errors),
  ];
  return { rows, runs, values: plain.values, placement: untouched.placement, errors };
}

/** Two values that are both missing are the same. */
const same = (a: Tensor | undefined, b: Tensor | undefined): boolean => a === b || sameBits(a, b);

function fed(feeds: ReadonlyMap<string, SessionValue>, name: string): Tensor | undefined {
  const value = feeds.get(name);
  return value && 'stride' in value ? value : undefined;
}

function reportOf(rows: readonly LayerReport[], graph: Graph, optimised: boolean): RunReport {
  const failed = rows.find(({ verdict }) => verdict === 'fail');
  const level = optimised ? 'all' : 'disabled';
  const head = { graph: 'tapped', model: graph.kind, optimised, level, unstable: [] } as const;
  return failed
    ? { ...head, verdict: 'fail', reason: failed.reason, first: failed.layer }
    : { ...head, verdict: 'pass', reason: '', first: null };
}

/** Disturbed chains from which an allowance is taken. */
const CHAINS = 3;

function untouchedReport(
  { graph, oracle, disturbed }: ThreeWays,
  { values }: Ran,
  judged: readonly Ran[],
  errors: ReadonlyMap<string, Float64Array>,
): RunReport {
  const head = {
    graph: 'untouched',
    model: graph.kind,
    optimised: true,
    level: 'all',
    unstable: [],
    first: null,
    reason: '',
  } as const;
  const others = [...values].filter(
    ([name, y]) => !judged.some((run) => sameBits(y, run.values.get(name))) && oracle(name),
  );
  if (others.length === 0) return { ...head, verdict: 'pass' };
  const draws = Array.from({ length: CHAINS }, (_, draw) => disturbed(draw, errors));
  for (const [name, y] of others) {
    const own = oracle(name) as Tensor;
    // both sides are rounded once when they are stored
    const found = relativeDifference(y, own);
    const allowed =
      draws.map((draw) => difference(draw(name), own)).reduce((a, b) => Math.max(a, b), 0) + 2 * U32;
    if (found <= allowed) continue;
    const reason = `off by ${found.toExponential(1)}, right rounding carries at most ${allowed.toExponential(1)}`;
    return { ...head, verdict: 'fail', reason, first: name };
  }
  return { ...head, verdict: 'pass' };
}

const difference = (a: Tensor | undefined, b: Tensor): number =>
  a && dense(a).length > 0 ? relativeDifference(a, b) : 0;
