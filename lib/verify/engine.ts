/**
 * The engine: one subject, one provider of values, judged in every way that the provider can run.
 *
 * Of the first way every value is judged. Of another that shows all values, those are judged that have other bits,
 * up to the first that is wrong. The outputs of the untouched graph must have the bits of a run that was found right,
 * or stay within what expected rounding errors do to the oracle's own chain. Fusion bugs show only in optimised
 * graphs, and tapping hides some of them.
 */
import { isFloat } from '../array/dtype.ts';
import type { Value } from '../array/value.ts';
import { U16, U32 } from '../bounds/arithmetic.ts';
import { InputError } from '../errors.ts';
import { OVERFLOWS, relativeDifference } from '../judge/judge.ts';
import type { Margin } from '../judge/margin.ts';
import { type Why, why } from '../judge/why.ts';
import { Died } from '../runtime/apart.ts';
import { assertPlacement, describePlacement, layerDevices, type Placement } from '../runtime/placement.ts';
import type { Evidence } from './bundle.ts';
import type { Provider, Run, Way } from './provider.ts';
import { type Judgement, judgements, sameBits } from './rows.ts';
import { type Subject, tensorOf, type Values } from './subject.ts';
import {
  type LayerReport,
  type LayerRow,
  overall,
  type RunReport,
  type Verification,
} from './verification.ts';

export interface Examined {
  readonly rows: readonly LayerRow[];
  readonly runs: readonly RunReport[];
  /** In words: which values ran where. */
  readonly placement: string;
  /** The devices that computed a value. */
  readonly ran: (name: string) => readonly string[];
  /** The first way's. */
  readonly values: ReadonlyMap<string, Value>;
  /** By value, the error that rounding is expected to make. */
  readonly expected: ReadonlyMap<string, Float64Array>;
  readonly margin: Margin | null;
  readonly why: Why | null;
  readonly evidence: Evidence | null;
}

/** Runs and judges. Throws as the provider does, and EnvironmentError where `strictDevice` is not met. */
export async function examine(
  subject: Subject,
  provider: Provider,
  { strictDevice = false }: { readonly strictDevice?: boolean } = {},
): Promise<Examined> {
  const runs: RunReport[] = [];
  /** Runs that were found right. */
  const right: Run[] = [];
  let plain: Run | undefined;
  let found: Found | undefined;
  let placement: Placement | null = null;
  for (const way of provider.ways) {
    const run = await provider.run(subject.feeds, way).catch((error) => finding(error, plain));
    if (run instanceof Error) {
      runs.push({ ...headOf(subject, way), unstable: [], verdict: 'fail', reason: run.message, first: null });
      continue;
    }
    if (!placement || way.graph === subject.placed.by) placement = run.placement;
    if (way.graph === 'untouched') {
      found ??= nothingFound(subject, runs[0].reason);
      runs.push(reportOfUntouched(subject, way, run, right, found));
      continue;
    }
    if (!plain) found = judgeAll(subject, run);
    const wrong = plain ? firstWrong(subject, plain, run) : found?.failure?.row;
    plain ??= run;
    if (!wrong) right.push(run);
    runs.push(reportOf(subject, way, run, wrong));
  }
  found ??= nothingFound(subject, runs[0].reason);
  const isNumber = ({ layer }: LayerReport) => isFloat(plain?.values.get(layer)?.dtype ?? 'float32');
  return {
    ...placedRows(subject, provider, found.rows.filter(isNumber), found.rows, placement, strictDevice),
    runs,
    values: plain?.values ?? new Map(),
    expected: found.expected,
    margin: (plain && subject.margin?.(found.deviations)) ?? null,
    ...takenApart(subject, provider, plain, found.failure),
  };
}

/** That onnxruntime died is a finding, and that it refuses to optimise what it runs; every other error is thrown. */
function finding(error: Error, plain: Run | undefined): Error {
  if (error instanceof Died || (plain && error instanceof InputError)) return error;
  throw error;
}

/** The rows where every run that shows all values died. */
export function nothingFound(subject: Subject, reason: string): Found {
  const rows = subject.computations().flatMap(({ makes }) =>
    makes.map(({ name, kind }): LayerReport => {
      const shape = subject.chain(name)?.shape ?? [];
      return { layer: name, kind, shape, verdict: 'untested', reason, introduced: null, accumulated: null };
    }),
  );
  return { rows, expected: new Map(), deviations: new Map() };
}

/** What was examined, one subject after the other, as the result of `verify`. */
export function verificationOf(
  parts: readonly Reported[],
  about: Pick<Verification, 'network' | 'input' | 'device' | 'required' | 'values'>,
): Verification {
  const layers = parts.flatMap(({ rows }) => rows);
  const runs = parts.flatMap((part) => part.runs);
  const failed = parts.find(({ evidence }) => evidence !== null);
  return {
    ...about,
    placement: parts.map(({ placement }) => placement).join('; the step: '),
    layers,
    runs,
    verdict: overall(layers, runs),
    first:
      runs.find(({ first }) => first !== null)?.first ??
      layers.find(({ verdict }) => verdict === 'fail')?.layer ??
      null,
    why: failed?.why ?? null,
    margin: parts[0].margin,
    evidence: failed?.evidence ?? null,
  };
}

/** What of an examination is reported. */
export type Reported = Pick<Examined, 'rows' | 'runs' | 'placement' | 'margin' | 'why' | 'evidence'>;

interface Found {
  readonly rows: LayerReport[];
  readonly expected: Map<string, Float64Array>;
  /** By value, one standard deviation of what rounding adds up to, where the subject asks for it. */
  readonly deviations: Map<string, Float64Array>;
  readonly failure?: Judgement;
}

/** All values of one run. Bounds are let go at once but for the first failure's: those of a large net do not fit. */
export function judgeAll(subject: Subject, run: Run): Found {
  const expected = new Map<string, Float64Array>();
  const deviations = new Map<string, Float64Array>();
  const rows: LayerReport[] = [];
  let failure: Judgement | undefined;
  for (const computation of subject.computations()) {
    for (const judgement of judgements(computation, subject, valuesOf(subject, run))) {
      const { row, judged } = judgement;
      rows.push(row);
      if (row.verdict === 'fail') failure ??= judgement;
      if (!judged) continue;
      const { bound, expectation, deviation } = judged.bounds;
      expected.set(row.layer, expectation ?? bound);
      if (subject.margin) deviations.set(row.layer, deviation ?? bound);
    }
  }
  return { rows, expected, deviations, failure };
}

const valuesOf =
  ({ given }: Subject, { values }: Run): Values =>
  (name) =>
    values.get(name) ?? given(name);

type Wrong = Pick<LayerReport, 'layer' | 'reason'>;

/** The first value of an optimised graph that is wrong and has other bits than in the run that was judged. */
function firstWrong(subject: Subject, plain: Run, run: Run): Wrong | undefined {
  const before = valuesOf(subject, plain);
  const values = valuesOf(subject, run);
  const same = (name: string): boolean => sameBits(before(name), values(name));
  for (const computation of subject.computations()) {
    const { reads, makes, fault } = computation;
    if (fault !== undefined || [...reads, ...makes.map(({ name }) => name)].every(same)) continue;
    for (const { row } of judgements({ ...computation, unlike: undefined }, subject, values))
      if (row.verdict === 'fail') return row;
  }
  return undefined;
}

/** Oracle chains with random signs on every value's expected error: how far right rounding may carry the outputs. */
const CHAINS = 3;

/** The outputs of the untouched graph that do not have the bits of a run in which nothing was wrong. */
const outputsToJudge = ({ values }: Run, right: readonly Run[]) =>
  [...values].filter(
    ([name, y]) => isFloat(y.dtype) && !right.some((run) => sameBits(run.values.get(name), y)),
  );

/** One of these outputs that is not near the oracle's. */
function strayOutput(
  subject: Subject,
  outputs: readonly (readonly [string, Value])[],
  expected: ReadonlyMap<string, Float64Array>,
): Wrong | undefined {
  if (outputs.length === 0) return undefined;
  const stray = strayFrom(subject, expected);
  for (const [layer, y] of outputs) {
    const reason = stray(layer, y);
    if (reason !== null) return { layer, reason };
  }
  return undefined;
}

/** Whether a value is farther from the oracle's own than right rounding carries it, and how far; else null. */
export function strayFrom(subject: Subject, expected: ReadonlyMap<string, Float64Array>) {
  const draws = Array.from({ length: CHAINS }, (_, draw) => subject.disturbed(draw, expected));
  return (name: string, y: Value): string | null => {
    const own = subject.chain(name)!;
    const distances = draws.map((draw) => relativeDifference(draw(name)!, own));
    // both sides are rounded once when they are stored
    const allowed = Math.max(...distances) + 2 * (y.dtype === 'float16' ? U16 : U32);
    const difference = relativeDifference(tensorOf(y), own);
    if (difference <= allowed) return null;
    const limit = allowed.toExponential(1);
    return `off by ${difference.toExponential(1)} of the output, right rounding carries at most ${limit}`;
  };
}

/** Values of which the oracle's chain says nothing: drawn, unbounded, overflown, or computed from such values. */
function unknownValues(subject: Subject, rows: readonly LayerReport[]): ReadonlySet<string> {
  const unbound = new Set(rows.filter(isUnbound).map(({ layer }) => layer));
  const unknown = new Set<string>();
  for (const { reads, makes } of subject.computations()) {
    const hangs = reads.some((name) => unknown.has(name));
    for (const { name } of makes)
      if (hangs || unbound.has(name) || subject.isDrawn?.(name)) unknown.add(name);
  }
  return unknown;
}

const isUnbound = ({ verdict, introduced, reason }: LayerReport): boolean =>
  verdict === 'untested' && (introduced === null || reason.startsWith(OVERFLOWS));

/** A run with a wrong value fails; one that is not repeatable is suspicious: its values are judged all the same. */
function reportOf(
  subject: Subject,
  way: Way,
  { unstable }: Run,
  wrong?: Wrong,
  skipped: readonly string[] = [],
): RunReport {
  const head = { ...headOf(subject, way), unstable };
  if (wrong) return { ...head, verdict: 'fail', reason: wrong.reason, first: wrong.layer };
  if (skipped.length > 0) {
    const reason = `${skipped.join(' ')}: not compared, computed from values that are random, overflow or have no bound`;
    return { ...head, verdict: 'untested', reason, first: null };
  }
  if (unstable.length === 0) return { ...head, verdict: 'pass', reason: '', first: null };
  const reason = `not repeatable: ${unstable.join(' ')} differed`;
  return { ...head, verdict: 'suspicious', reason, first: null };
}

const headOf = ({ model }: Subject, { graph, level }: Way) => ({
  graph,
  ...(model && { model }),
  optimised: level !== 'disabled' && level !== 'unknown',
  level,
});

/** The untouched graph's, of which the outputs alone are there. */
function reportOfUntouched(
  subject: Subject,
  way: Way,
  run: Run,
  right: readonly Run[],
  { rows, expected }: Found,
): RunReport {
  const unknown = unknownValues(subject, rows);
  const open = outputsToJudge(run, right);
  const known = open.filter(([name]) => !unknown.has(name));
  const skipped = open.map(([name]) => name).filter((name) => unknown.has(name));
  return reportOf(subject, way, run, strayOutput(subject, known, expected), skipped);
}

/** Where every row's node ran; integers (shapes, indices) may be anybody's. */
function placedRows(
  { placed: { nodes, title = (name) => name } }: Subject,
  { device }: Provider,
  floats: readonly LayerReport[],
  rows: readonly LayerReport[],
  placement: Placement | null,
  strict: boolean,
): Pick<Examined, 'rows' | 'placement' | 'ran'> {
  const titlesOf = (of: readonly LayerReport[]) => [...new Set(of.map(({ layer }) => title(layer)))];
  const titles = titlesOf(floats);
  const named = placement?.nodes.map((node) => ({ ...node, name: nodes?.get(node.name) ?? node.name }));
  const where = { nodes: named ?? [] };
  if (strict) assertPlacement(where, device, titles);
  const devices = layerDevices(where, titlesOf(rows));
  const ran = (name: string): readonly string[] => devices.get(title(name)) ?? [];
  return {
    rows: rows.map((row) => ({ ...row, devices: ran(row.layer) })),
    placement: placement ? describePlacement(where, device, titles) : '',
    ran,
  };
}

/** The first value that failed taken apart, if there were numbers to compare. */
function takenApart(
  subject: Subject,
  { device, ways }: Provider,
  run: Run | undefined,
  failure: Judgement | undefined,
): Pick<Examined, 'why' | 'evidence'> {
  if (!run || !failure?.judged) return { why: null, evidence: null };
  const { row, judged, by } = failure;
  const { layer: name, kind } = row;
  const values = valuesOf(subject, run);
  const y = tensorOf(values(name));
  const suspect = { y, exact: judged.exact, bound: judged.bounds.bound };
  const worst = row.introduced?.worst;
  const { model, called } = subject.file;
  const engine = ways[0].graph === 'elsewhere' ? null : 'onnxruntime-node';
  const inputs = [...by.reads, ...subject.feeds.keys()].flatMap((read) => {
    const value = values(read);
    return value ? [[called(read), value] as const] : [];
  });
  return {
    why: worst ? why({ name, kind }, by.layer?.(values) ?? null, suspect, worst) : null,
    evidence: {
      ...{ layer: name, device, engine, model: model(), inputs: new Map(inputs), output: called(name) },
      ...suspect,
    },
  };
}
