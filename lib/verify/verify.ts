/** verify: runs a network on a device with every value tapped, and compares each layer with the oracle. */
import { decodeModel } from '../../export/proto.ts';
import type { Layer } from '../../reference/networks/layers.ts';
import { forward, inputsOf } from '../../reference/oracle.ts';
import { dense, type Precision, type Shape, type Tensor } from '../../reference/tensor.ts';
import { classes, type Requirement } from '../bounds/arithmetic.ts';
import type { Bounds, Context } from '../bounds/bounds.ts';
import { InputError } from '../errors.ts';
import { operationsFor } from '../fast/index.ts';
import type { Verdict } from '../judge/judge.ts';
import { type Margin, marginOf } from '../judge/margin.ts';
import { type Why, why } from '../judge/why.ts';
import type { Device } from '../runtime/failures.ts';
import { holdDevice } from '../runtime/hold.ts';
import { assertPlacement, describePlacement, layerDevices, type Placement } from '../runtime/placement.ts';
import type { Evidence } from './bundle.ts';
import { type Level, type Run, type RunSettings, runTapped, runUntouched } from './run.ts';
import { optimisedReport, plainReport, type RunReport, untouchedReport } from './runs.ts';
import type { Subject } from './subject.ts';
import { type LayerReport, walk } from './walk.ts';

export interface VerifySettings extends RunSettings {
  /**
   * Arithmetic that every convolution and fully connected layer must have; default float32, float16 for a
   * float16 file.
   */
  readonly require?: Requirement;
  /** Storage of the oracle's own chain; default float32. */
  readonly precision?: Precision;
  /**
   * Levels of graph optimisation that the tapped graph is run at, besides none; default: all that onnxruntime
   * has at once.
   */
  readonly levels?: readonly Level[];
  /** Throw EnvironmentError where a layer ran elsewhere. */
  readonly strictDevice?: boolean;
  /** The oracle's own chain by the plain loops, not their fast twins. */
  readonly plain?: boolean;
}

export interface LayerRow extends LayerReport {
  /** Devices that ran this layer's nodes: CPU, CUDA, WebGPU. */
  readonly devices: readonly string[];
}

export interface Verification {
  readonly network: string;
  readonly input: Shape;
  readonly device: Device;
  /** `norm1 norm2 on CPU, 22 of 24 on WebGPU`. */
  readonly placement: string;
  readonly required: Requirement;
  readonly layers: readonly LayerRow[];
  /** The same model three ways, because tapping hides what fusion breaks. */
  readonly runs: readonly RunReport[];
  readonly verdict: Verdict;
  /** First layer that failed. */
  readonly first: string | null;
  /** That layer taken apart; null where nothing failed, or a fault was seen before any number. */
  readonly why: Why | null;
  /** What rounding can do to the answer; null where there are no classes. */
  readonly margin: Margin | null;
  /** What --graph adds: see lib/verify/training. */
  readonly training?: Training;
  /** The device's and the oracle's values by layer, with the input as 'input'. */
  readonly values: {
    readonly device: ReadonlyMap<string, Tensor>;
    readonly oracle: ReadonlyMap<string, Tensor>;
  };
  /** The first failing layer as the device met it, for a bug report; null as `why` is. */
  readonly evidence: Evidence | null;
}

export interface Training {
  readonly graph: 'gradients' | 'training';
  readonly labels: readonly number[];
  /** 'none', or where the masks are from. */
  readonly dropout: string;
  readonly steps?: number;
  readonly rule?: string;
  readonly learningRate?: number;
  readonly momentum?: number;
  readonly weightDecay?: number;
}

/** Throws InputError for an input that is no number, EnvironmentError for a device that does not work. */
export async function verifySubject(settings: VerifySettings): Promise<Verification> {
  const { subject, input, device } = settings;
  const { network, weights, match } = subject;
  mustBeFinite('the input', input);
  for (const [name, t] of weights) mustBeFinite(name, t);
  const required = settings.require ?? (subject.half ? 'float16' : 'float32');
  const context = contextOf(settings, required);
  const chain = oracleChain(settings);
  await using _held = await holdDevice(device);
  const plain = await runTapped(settings, false);
  const seen = new Map<string, { exact: Tensor; bounds: Bounds }>();
  const reports = walk({
    network,
    weights,
    device: (name) => plain.values.get(name),
    oracle: (name) => chain.get(name)!,
    faults: match.faults,
    context,
    observe: (layer, exact, bounds) => seen.set(layer.name, { exact, bounds }),
  }).map((report) => withWeights(report, subject.unlike));
  const optimised: RunReport[] = [];
  for (const level of settings.levels ?? ['all']) {
    const run = await runTapped(settings, level);
    optimised.push(optimisedReport(settings, plain, run, level, context));
  }
  const untouched = await runUntouched(settings);
  const names = network.layers.map((layer) => layer.name);
  const placement = inLayers(untouched.placement, match.nodes);
  if (settings.strictDevice) assertPlacement(placement, device, names);
  const ran = layerDevices(placement, names);
  const expected = new Map([...seen].map(([name, { bounds }]) => [name, bounds.expectation ?? bounds.bound]));
  const runs: RunReport[] = [
    plainReport(reports, plain),
    ...optimised,
    untouchedReport(settings, untouched, chain, expected),
  ];
  const layers = reports.map((report) => ({ ...report, devices: ran.get(report.layer) ?? [] }));
  const first = runs.find((run) => run.first !== null)?.first ?? null;
  return {
    network: network.name,
    input: input.shape,
    device,
    placement: describePlacement(placement, device, names),
    required,
    layers,
    runs,
    verdict: overall(layers, runs),
    first,
    why: whyFailed(settings, layers, plain, seen),
    margin: marginOf(network, weights, chain, sigmas(seen)),
    values: { device: plain.values, oracle: chain },
    evidence: evidenceOf(settings, layers, plain, seen),
  };
}

/** A layer that computes well fails all the same where its weights are not the given ones. */
function withWeights(report: LayerReport, unlike: Subject['unlike']): LayerReport {
  const reason = unlike.get(report.layer);
  if (reason === undefined || report.verdict === 'fail') return report;
  const { layer, kind, shape, accumulated } = report;
  return { layer, kind, shape, verdict: 'fail', reason, introduced: null, accumulated };
}

/** The placement with nodes called as the layers that they compute. */
const inLayers = ({ nodes }: Placement, layers: ReadonlyMap<string, string>): Placement => ({
  nodes: nodes.map((node) => ({ ...node, name: layers.get(node.name) ?? node.name })),
});

function contextOf({ subject, device }: VerifySettings, required: Requirement): (layer: Layer) => Context {
  return (layer) => ({
    device,
    operands: classes[required],
    half: subject.half,
    // WebGPU has no LRN kernel and leaves it to the CPU's
    runningSum: device !== 'cuda' && subject.match.nativeLrn.has(layer.name),
  });
}

/** The oracle's own values by layer, the input among them. */
function oracleChain({ subject, input, precision = 'float32', plain }: VerifySettings): Map<string, Tensor> {
  const chain = new Map<string, Tensor>([['input', input]]);
  const trace = (layer: Layer, y: Tensor): void => void chain.set(layer.name, y);
  forward(subject.network, subject.weights, input, {
    precision,
    trace,
    operations: operationsFor({ plain }),
  });
  return chain;
}

/** Tier 2's errors without their safety factor λ; a bound where there is no expectation. */
function sigmas(seen: ReadonlyMap<string, { bounds: Bounds }>): Map<string, Float64Array> {
  return new Map([...seen].map(([name, { bounds }]) => [name, bounds.deviation ?? bounds.bound]));
}

function evidenceOf(
  { subject, device }: VerifySettings,
  layers: readonly LayerReport[],
  { values }: Run,
  seen: ReadonlyMap<string, { exact: Tensor; bounds: Bounds }>,
): Evidence | null {
  const at = layers.findIndex(({ verdict }) => verdict === 'fail');
  const found = at < 0 ? undefined : seen.get(layers[at].layer);
  if (!found) return null;
  const { match, network } = subject;
  const { layer } = layers[at];
  const inputs = inputsOf(network, at).map(
    (name) => [match.values.get(name) as string, values.get(name) as Tensor] as const,
  );
  const y = values.get(layer) as Tensor;
  const about = { layer, device, model: decodeModel(subject.model), inputs: new Map(inputs) };
  return {
    ...about,
    output: match.values.get(layer) as string,
    y,
    exact: found.exact,
    bound: found.bounds.bound,
  };
}

/** The first failing layer taken apart, if there were numbers to compare. */
function whyFailed(
  { subject }: VerifySettings,
  layers: readonly LayerReport[],
  { values }: Run,
  seen: ReadonlyMap<string, { exact: Tensor; bounds: Bounds }>,
): Why | null {
  const at = layers.findIndex(({ verdict }) => verdict === 'fail');
  const { network, weights } = subject;
  const layer = network.layers[at];
  const worst = layers[at]?.introduced?.worst;
  const found = layer && seen.get(layer.name);
  if (!worst || !found) return null;
  const inputs = inputsOf(network, at).map((name) => values.get(name) as Tensor);
  const y = values.get(layer.name) as Tensor;
  const suspect = { y, exact: found.exact, bound: found.bounds.bound };
  return why(layer, inputs, suspect, weights, worst);
}

/** fail if any layer does; else untested if the output is, as then nothing was shown; else suspicious if any is. */
export function overall(layers: readonly LayerReport[], runs: readonly RunReport[] = []): Verdict {
  if ([...layers, ...runs].some(({ verdict }) => verdict === 'fail')) return 'fail';
  if (layers.at(-1)?.verdict === 'untested') return 'untested';
  return layers.some(({ verdict }) => verdict === 'suspicious') ? 'suspicious' : 'pass';
}

export function mustBeFinite(name: string, t: Tensor): void {
  const values = dense(t);
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i]))
      throw new InputError(`${name} holds ${values[i]} at position ${i}: nothing can be verified`);
  }
}
