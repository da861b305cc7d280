/**
 * Any ONNX file, whatever network it is: every node of the main graph recomputed in float64 from the device's own inputs to
 * it, and against the oracle's own evaluation of the whole graph.
 */
import { tap } from '../../export/index.ts';
import { streamOf, uniform, words } from '../../reference/random.ts';
import { type Precision, type Shape, sizeOf, tensor } from '../../reference/tensor.ts';
import { InputError } from '../errors.ts';
import { evaluate, evaluateNode } from '../onnx/evaluate.ts';
import type { Model, Node, ValueInfo } from '../onnx/model.ts';
import { asTensor, floatData, isFloat, type Value } from '../onnx/value.ts';
import { layerDetails } from '../report/details.ts';
import type { Device } from '../runtime/failures.ts';
import { assertPlacement, describePlacement, layerDevices } from '../runtime/placement.ts';
import { openSession } from '../runtime/session.ts';
import { fromRuntime, toRuntime } from '../onnx/runtime.ts';
import { classes, type Requirement } from './arithmetic.ts';
import { compare, relativeDifference } from './compare.ts';
import { nodeBounds } from './nodes.ts';
import { type LayerRow, overall, type Verification } from './verify.ts';
import type { LayerReport } from './walk.ts';

export interface GraphSettings {
  readonly bytes: Uint8Array;
  readonly model: Model;
  /** By input name; what is not given is noise. */
  readonly feeds: ReadonlyMap<string, Value>;
  readonly seed?: number;
  readonly device: Device;
  readonly require?: Requirement;
  readonly precision?: Precision;
  readonly strictDevice?: boolean;
}

/** Rows are nodes, called as their first output. Throws InputError for operators that the oracle does not have. */
export async function verifyGraph(settings: GraphSettings): Promise<Verification> {
  const { model, device, precision = 'float32' } = settings;
  const feeds = completeFeeds(settings);
  const chain = new Map<string, Value>(feeds);
  const trace = (_: Node, outputs: ReadonlyMap<string, Value>): void => {
    for (const [name, value] of outputs) chain.set(name, value);
  };
  evaluate(model, feeds, { precision, trace });
  const nodes = model.graph.nodes.filter((node) => isFloat(chain.get(node.outputs[0])?.dtype ?? 'bool'));
  const names = nodes.map((node) => node.outputs[0]);
  const { values: tapped, placement } = await runTapped(settings, feeds, names);
  // integers and what was not tapped: the oracle's own
  const onDevice = new Map<string, Value>([...model.graph.initializers, ...chain, ...tapped]);
  const required = settings.require ?? (usesHalves(model) ? 'float16' : 'float32');
  const reports = nodes.map((node) => compareNode(node, settings, onDevice, chain, required));
  if (settings.strictDevice) assertPlacement(placement, device, names);
  const ran = layerDevices(placement, nodes.map((node) => node.name));
  const layers = reports.map((report, i): LayerRow => ({ ...report, devices: ran.get(nodes[i].name) ?? [] }));
  const floats = (values: ReadonlyMap<string, Value>) =>
    new Map([...values].filter(([name, v]) => isFloat(v.dtype) && !model.graph.initializers.has(name)).map(([name, v]) => [name, asTensor(v)]));
  const [first] = model.graph.inputs;
  return {
    network: model.graph.name || 'the graph',
    input: feeds.get(first?.name ?? '')?.shape ?? [],
    device,
    placement: describePlacement(placement, device, nodes.map((node) => node.name)),
    required,
    layers,
    verdict: overall(layers),
    first: layers.find(({ verdict }) => verdict === 'fail')?.layer ?? null,
    values: { device: floats(onDevice), oracle: floats(chain) },
  };
}

function compareNode(
  node: Node,
  { model, device }: GraphSettings,
  onDevice: ReadonlyMap<string, Value>,
  chain: ReadonlyMap<string, Value>,
  required: Requirement,
): LayerReport {
  const [name] = node.outputs;
  const expected = chain.get(name) as Value;
  const y = onDevice.get(name) as Value;
  const head = { layer: name, kind: node.op, shape: expected.shape };
  if (y.shape.join() !== expected.shape.join()) {
    const reason = `shape [${y.shape}] on the device, [${expected.shape}] in the oracle`;
    return { ...head, verdict: 'fail', reason, introduced: null, accumulated: null };
  }
  const accumulated = relativeDifference(asTensor(y), asTensor(expected));
  const exact = evaluateNode(model, node, onDevice, 'float64').get(name) as Value;
  const bounds = nodeBounds({ model, node, values: onDevice, exact, device, operands: classes[required] });
  if (!bounds) {
    const reason = `no bound is known for ${node.op}: not judged`;
    return { ...head, verdict: 'untested', reason, introduced: null, accumulated };
  }
  const half = y.dtype === 'float16';
  const introduced = compare(asTensor(y), asTensor(exact), half ? rounded(bounds, exact) : bounds, classes[required]);
  const { verdict, reason } = introduced;
  return { ...head, verdict, reason, introduced, accumulated, details: layerDetails(asTensor(y), asTensor(exact), bounds, half) };
}
