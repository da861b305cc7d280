/**
 * Any ONNX file, whatever network it is: every node of the main graph recomputed in float64 from the device's
 * own inputs to it, and against the oracle's own evaluation of the whole graph. Rows are nodes, called as
 * their first output.
 */
import { tap } from '../../export/index.ts';
import { streamOf, uniform, words } from '../../reference/random.ts';
import { type Precision, type Shape, sizeOf, type Tensor } from '../../reference/tensor.ts';
import { isFloat } from '../array/dtype.ts';
import type { Value } from '../array/value.ts';
import { classes, type Requirement } from '../bounds/arithmetic.ts';
import { type Bounds, inFloat16 } from '../bounds/bounds.ts';
import { nodeBounds } from '../bounds/onnx.ts';
import { fromRuntime, toRuntime } from '../conform/engines.ts';
import { InputError } from '../errors.ts';
import { layerDetails } from '../judge/details.ts';
import { compare, relativeDifference } from '../judge/judge.ts';
import { evaluate, evaluateNode } from '../onnx/evaluate.ts';
import type { Model, Node, ValueInfo } from '../onnx/model.ts';
import { asTensor } from '../onnx/value.ts';
import type { Device } from '../runtime/failures.ts';
import { assertPlacement, describePlacement, layerDevices, type Placement } from '../runtime/placement.ts';
import { openSession } from '../runtime/session.ts';
import { sameNumbers, tappedReport, untouchedReport, type Values } from './graphruns.ts';
import { takenApart } from './graphwhy.ts';
import { type LayerRow, overall, type Verification } from './verify.ts';
import type { LayerReport } from './walk.ts';

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
  /** How many times each run is made; the later ones are only compared with the first. */
  readonly repeat?: number;
}

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
  const fed = fedNodes(model, feeds);
  const nodes = fed.filter(({ outputs }) => isFloat(chain.get(outputs[0])?.dtype ?? 'bool'));
  const names = nodes.map(({ outputs }) => outputs[0]);
  const plain = await run(settings, tap(settings.bytes, names), false);
  // what was not tapped (integers) is the oracle's own
  const onDevice = new Map([...model.graph.initializers, ...chain, ...plain.values]);
  const required = settings.require ?? (usesHalves(model) ? 'float16' : 'float32');
  const expected = new Map<string, Float64Array>();
  const see: Observe = (name, { expectation, bound }) => void expected.set(name, expectation ?? bound);
  const reports = nodes.map((node) => compareNode(node, settings, onDevice, chain, required, see));
  const titles = nodes.map(({ name }) => name);
  if (settings.strictDevice) assertPlacement(plain.placement, device, titles);
  const ran = layerDevices(plain.placement, titles);
  const layers = reports.map((report, i): LayerRow => ({ ...report, devices: ran.get(titles[i]) ?? [] }));
  const optimised = await run(settings, tap(settings.bytes, names), true);
  const changed = compareChanged(nodes, settings, onDevice, optimised, chain, required);
  const untouched = await run(settings, settings.bytes, true);
  const tapped = [optimised.values, plain.values];
  const runs = [
    tappedReport(layers, false, plain.unstable),
    tappedReport(changed, true, optimised.unstable),
    untouchedReport({ ...untouched, tapped, model, nodes: fed, chain, expected }),
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
    margin: null,
    ...takenApart(settings, nodes, layers, onDevice, required),
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

interface Run {
  readonly values: Values;
  readonly placement: Placement;
  /** Values that were not the same, bit for bit, in every repetition. */
  readonly unstable: readonly string[];
}

async function run(
  { feeds, device, repeat = 1 }: GraphSettings,
  bytes: Uint8Array,
  optimise: boolean,
): Promise<Run> {
  await using session = await openSession(bytes, device, { optimise, profile: true });
  const given = new Map([...feeds].map(([name, value]) => [name, toRuntime(name, value)]));
  const once = async (): Promise<Map<string, Value>> =>
    new Map([...(await session.run(given))].map(([name, value]) => [name, fromRuntime(value)]));
  const values = await once();
  const unstable = new Set<string>();
  for (let i = 1; i < repeat; i++) {
    for (const [name, again] of await once()) {
      if (!sameNumbers(values.get(name) as Value, again)) unstable.add(name);
    }
  }
  return { values, placement: await session.placement(), unstable: [...unstable] };
}

type Observe = (name: string, bounds: Bounds) => void;

function compareNode(
  node: Node,
  { model, device }: GraphSettings,
  onDevice: Values,
  chain: Values,
  required: Requirement,
  observe?: Observe,
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
  const known = nodeBounds({ model, node, values: onDevice, exact, device, operands: classes[required] });
  if (!known) {
    const reason = `no bound is known for ${node.op}: not judged`;
    return { ...head, verdict: 'untested', reason, accumulated };
  }
  const bounds = half ? inFloat16(known, asTensor(exact)) : known;
  observe?.(name, bounds);
  const introduced = compare(asTensor(y), asTensor(exact), bounds, classes[required]);
  const { verdict, reason } = introduced;
  const details = layerDetails(asTensor(y), asTensor(exact), bounds, half);
  return { ...head, verdict, reason, introduced, accumulated, details };
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
