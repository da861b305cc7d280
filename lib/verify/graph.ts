/**
 * Any ONNX file, whatever network it is: every node of the main graph recomputed in float64 from the device's own inputs to
 * it, and against the oracle's own evaluation of the whole graph. Rows are nodes, called as their first output.
 */
import { tap } from '../../export/index.ts';
import { decodeModel } from '../../export/proto.ts';
import { streamOf, uniform, words } from '../../reference/random.ts';
import { type Precision, type Shape, sizeOf, type Tensor } from '../../reference/tensor.ts';
import { fromRuntime, toRuntime } from '../conform/engines.ts';
import { InputError } from '../errors.ts';
import { evaluate, evaluateNode } from '../onnx/evaluate.ts';
import { layerOf } from '../onnx/layer.ts';
import type { Model, Node, ValueInfo } from '../onnx/model.ts';
import { asTensor, isFloat, numbers, type Value } from '../onnx/value.ts';
import { layerDetails } from '../report/details.ts';
import type { Device } from '../runtime/failures.ts';
import { assertPlacement, describePlacement, layerDevices, type Placement } from '../runtime/placement.ts';
import { openSession } from '../runtime/session.ts';
import { classes, type Requirement } from './arithmetic.ts';
import { type Bounds, boundsOf, rounded } from './bounds.ts';
import type { Evidence } from './bundle.ts';
import { compare, relativeDifference } from './compare.ts';
import { nodeBounds } from './nodes.ts';
import type { RunReport } from './runs.ts';
import { type LayerRow, overall, type Verification } from './verify.ts';
import { type LayerReport, termsOf } from './walk.ts';

export interface GraphSettings {
  readonly bytes: Uint8Array;
  readonly model: Model;
  /** By input name. */
  readonly feeds: ReadonlyMap<string, Value>;
  readonly device: Device;
  readonly require?: Requirement;
  /** Storage of the oracle's own chain; default float32. */
  readonly precision?: Precision;
  readonly strictDevice?: boolean;
}

type Values = ReadonlyMap<string, Value>;

/** Throws InputError for operators that the oracle does not have and for feeds that do not fit. */
export async function verifyGraph(settings: GraphSettings): Promise<Verification> {
  const { model, feeds, device, precision = 'float32' } = settings;
  mustBeNumbers(model, feeds);
  const chain = new Map<string, Value>(feeds);
  evaluate(model, feeds, {
    precision,
    trace: (_, outputs) => {
      for (const [name, value] of outputs) chain.set(name, value);
    },
  });
  const nodes = fedNodes(model, feeds).filter(({ outputs }) =>
    isFloat(chain.get(outputs[0])?.dtype ?? 'bool'),
  );
  const names = nodes.map(({ outputs }) => outputs[0]);
  const plain = await run(settings, tap(settings.bytes, names), false);
  // what was not tapped (integers) is the oracle's own
  const onDevice = new Map([...model.graph.initializers, ...chain, ...plain.values]);
  const required = settings.require ?? (usesHalves(model) ? 'float16' : 'float32');
  const reports = nodes.map((node) => compareNode(node, settings, onDevice, chain, required));
  const titles = nodes.map(({ name }) => name);
  if (settings.strictDevice) assertPlacement(plain.placement, device, titles);
  const ran = layerDevices(plain.placement, titles);
  const layers = reports.map((report, i): LayerRow => ({ ...report, devices: ran.get(titles[i]) ?? [] }));
  const optimised = await run(settings, tap(settings.bytes, names), true);
  const runs = [
    runOf(layers, false),
    runOf(compareChanged(nodes, settings, onDevice, optimised, chain, required), true),
  ];
  return {
    network: model.graph.name || 'the graph',
    input: feeds.get(model.graph.inputs[0]?.name)?.shape ?? [],
    device,
    placement: describePlacement(plain.placement, device, titles),
    required,
    layers,
    runs,
    verdict: overall(layers, runs),
    first: runs.find(({ first }) => first !== null)?.first ?? null,
    why: null,
    margin: null,
    evidence: evidenceOf(settings, nodes, layers, onDevice, required),
    values: { device: floatsOf(onDevice, model), oracle: floatsOf(chain, model) },
  };
}

/** NaN is refused in what is fed and in initializers, infinity in what is fed: a graph may pad or mask with −∞. */
function mustBeNumbers({ graph }: Model, feeds: Values): void {
  const check = (name: string, value: Value, right: (v: number) => boolean): void => {
    if (!isFloat(value.dtype)) return;
    const { data } = asTensor(value);
    const at = data.findIndex((v: number) => !right(v));
    if (at >= 0) throw new InputError(`${name} holds ${data[at]} at position ${at}: nothing can be verified`);
  };
  for (const [name, value] of feeds) check(name, value, Number.isFinite);
  for (const [name, value] of graph.initializers) check(name, value, (v) => !Number.isNaN(v));
}

/** The nodes that depend on what is fed: the others make the file's constants. */
function fedNodes({ graph }: Model, feeds: Values): Node[] {
  const fed = new Set(feeds.keys());
  return graph.nodes.filter(({ inputs, outputs, attributes }) => {
    const depends =
      inputs.some((name) => fed.has(name)) || [...attributes.values()].some(({ kind }) => kind === 'graph');
    if (depends) for (const name of outputs) fed.add(name);
    return depends;
  });
}

async function run(
  { feeds, device }: GraphSettings,
  bytes: Uint8Array,
  optimise: boolean,
): Promise<{ values: Values; placement: Placement }> {
  await using session = await openSession(bytes, device, { optimise, profile: true });
  const given = new Map([...feeds].map(([name, value]) => [name, toRuntime(name, value)]));
  const results = await session.run(given);
  const values = new Map([...results].map(([name, value]) => [name, fromRuntime(value)]));
  return { values, placement: await session.placement() };
}

function compareNode(
  node: Node,
  { model, device }: GraphSettings,
  onDevice: Values,
  chain: Values,
  required: Requirement,
): LayerReport {
  const [name] = node.outputs;
  const expected = chain.get(name) as Value;
  const y = onDevice.get(name) as Value;
  const head = { layer: name, kind: node.op, shape: expected.shape, introduced: null };
  if (y.shape.join() !== expected.shape.join()) {
    const reason = `shape [${y.shape}] on the device, [${expected.shape}] in the oracle`;
    return { ...head, verdict: 'fail', reason, accumulated: null };
  }
  const accumulated = relativeDifference(asTensor(y), asTensor(expected));
  const exact = evaluateNode(model, node, onDevice, 'float64').get(name) as Value;
  const half = y.dtype === 'float16';
  const known = boundsFor({ model, node, values: onDevice, exact, device, operands: classes[required] });
  if (!known) {
    const reason = `no bound is known for ${node.op}: not judged`;
    return { ...head, verdict: 'untested', reason, accumulated };
  }
  const bounds = half ? rounded(known, asTensor(exact)) : known;
  const introduced = compare(asTensor(y), asTensor(exact), bounds, classes[required]);
  const { verdict, reason } = introduced;
  const details = layerDetails(asTensor(y), asTensor(exact), bounds, half);
  return { ...head, verdict, reason, introduced, accumulated, details };
}

function evidenceOf(
  { bytes, model, device }: GraphSettings,
  nodes: readonly Node[],
  layers: readonly LayerReport[],
  onDevice: Values,
  required: Requirement,
): Evidence | null {
  const at = layers.findIndex(({ verdict, introduced }) => verdict === 'fail' && introduced !== null);
  if (at < 0) return null;
  const node = nodes[at];
  const [output] = node.outputs;
  const exact = evaluateNode(model, node, onDevice, 'float64').get(output) as Value;
  const context = { model, node, values: onDevice, exact, device, operands: classes[required] };
  const { bound } = boundsFor(context) as Bounds;
  const read = node.inputs.filter((name) => {
    const value = onDevice.get(name);
    return value && isFloat(value.dtype) && !model.graph.initializers.has(name);
  });
  const inputs = new Map(read.map((name) => [name, asTensor(onDevice.get(name) as Value)]));
  const y = asTensor(onDevice.get(output) as Value);
  return {
    layer: output,
    device,
    model: decodeModel(bytes),
    inputs,
    output,
    y,
    exact: asTensor(exact),
    bound,
  };
}

/** A layer's own bounds where the node is one (they come with fast kernels), else those of its operator. */
function boundsFor(context: Parameters<typeof nodeBounds>[0]): Bounds | null {
  const { model, node, values, exact, device, operands } = context;
  const found = layerOf(
    model,
    node,
    node.inputs.map((name) => values.get(name)),
  );
  if (!found) return nodeBounds(context);
  const { layer, inputs, weights } = found;
  const about = { device, operands, half: false, runningSum: device !== 'cuda', terms: termsOf };
  return boundsOf(layer, inputs, asTensor(exact), weights, about);
}

/** The nodes that the optimised graph computes to other bits. */
function compareChanged(
  nodes: readonly Node[],
  settings: GraphSettings,
  plain: Values,
  { values }: { values: Values },
  chain: Values,
  required: Requirement,
): LayerReport[] {
  const optimised = new Map([...plain, ...values]);
  const same = (name: string): boolean => {
    const [a, b] = [plain.get(name), optimised.get(name)];
    return a === b || (a !== undefined && b !== undefined && sameNumbers(a, b));
  };
  const changed = nodes.filter(({ inputs, outputs }) => ![...inputs, outputs[0]].every(same));
  return changed.map((node) => compareNode(node, settings, optimised, chain, required));
}

function sameNumbers(a: Value, b: Value): boolean {
  if (a.dtype === 'string' || a.data.length !== b.data.length) return false;
  const [A, B] = [numbers(a), numbers(b)];
  for (let i = 0; i < A.length; i++) if (!Object.is(A[i], B[i])) return false;
  return true;
}

function runOf(layers: readonly LayerReport[], optimised: boolean): RunReport {
  const failed = layers.find(({ verdict }) => verdict === 'fail');
  const level = optimised ? 'all' : 'disabled';
  const head = { graph: 'tapped', optimised, level, unstable: [], first: failed?.layer ?? null } as const;
  return failed
    ? { ...head, verdict: 'fail', reason: failed.reason }
    : { ...head, verdict: 'pass', reason: '' };
}

const usesHalves = ({ graph }: Model): boolean =>
  [...graph.initializers.values()].some(({ dtype }) => dtype === 'float16');

function floatsOf(values: Values, { graph }: Model): Map<string, Tensor> {
  const floats = [...values].filter(([name, v]) => isFloat(v.dtype) && !graph.initializers.has(name));
  return new Map(floats.map(([name, v]) => [name, asTensor(v)]));
}

/** Numbers for an input that is not given: uniform in [−1, 1); open extents are 1. Throws where it is no float. */
export function noiseFor({ name, dtype, shape }: ValueInfo, seed: number): Value {
  if (!shape || (dtype !== 'float32' && dtype !== 'float64' && dtype !== 'float16')) {
    throw new InputError(
      `the model's input '${name}' is ${dtype ?? 'of no type'}: give it with --input ${name}=FILE.npy`,
    );
  }
  const extents: Shape = shape.map((extent) => (typeof extent === 'number' ? extent : 1));
  const drawn = words(seed, streamOf(name), sizeOf(extents));
  const half = (v: number): number => Math.round(v * 1024) / 1024; // exact in float16 too
  return { dtype, shape: extents, data: Float32Array.from(drawn, (word) => half(2 * uniform(word) - 1)) };
}
