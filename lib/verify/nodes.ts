/**
 * The nodes of any ONNX graph as a subject, whatever network it is: each of the main graph recomputed in float64
 * from the device's own inputs to it, and against the oracle's own evaluation of the whole graph. Rows are called
 * as a node's first output.
 */
import { decodeModel } from '../../export/proto.ts';
import { streamOf, uniform, words } from '../../reference/random.ts';
import { type Shape, sizeOf, type Tensor } from '../../reference/tensor.ts';
import { isFloat } from '../array/dtype.ts';
import { byteSize, type Value } from '../array/value.ts';
import { classes } from '../bounds/arithmetic.ts';
import { draws, judgedNode } from '../bounds/nodes.ts';
import { InputError } from '../errors.ts';
import { evaluateGraph, evaluateNode } from '../onnx/evaluate.ts';
import { layerOf } from '../onnx/layer.ts';
import type { Graph, Model, ValueInfo } from '../onnx/model.ts';
import { asTensor } from '../onnx/value.ts';
import type { Device, Executor } from '../runtime/failures.ts';
import { type Elsewhere, examineDump } from './dump/part.ts';
import { examine, verificationOf } from './engine.ts';
import type { JudgeSettings } from './options.ts';
import { sessionsOf } from './sessions.ts';
import { type Computation, disturbed, type Subject, tensorOf, type Values } from './subject.ts';
import type { Verification } from './verification.ts';

interface GraphSettings extends JudgeSettings {
  readonly bytes: Uint8Array;
  readonly model: Model;
  /** By input name. */
  readonly feeds: ReadonlyMap<string, Value>;
  readonly device: Device;
  /** Values that were computed elsewhere; default: a session's. */
  readonly dump?: Elsewhere;
}

/** Throws InputError for operators that the oracle does not have and for feeds that do not fit. */
export async function verifyGraph(settings: GraphSettings): Promise<Verification> {
  const { bytes, model, feeds, precision = 'float32', dump } = settings;
  const device = dump?.device ?? settings.device;
  const { graph } = model;
  mustBeNumbers(model, feeds);
  const chain = new Map<string, Value>(feeds);
  evaluateGraph(model, feeds, {
    precision,
    drawing: true,
    trace: (_, outputs) => {
      for (const [name, value] of outputs) chain.set(name, value);
    },
  });
  const subject = nodesOf({ ...settings, device }, chain);
  const outputs = graph.outputs.map(({ name }) => name);
  const judged = subject.computations().flatMap(({ makes }) => makes.map(({ name }) => name));
  const names = new Map([...outputs, ...judged].map((name) => [name, name]));
  const isGiven = (name: string) =>
    feeds.has(name) || graph.initializers.has(name) || !isFloat(subject.given(name)?.dtype ?? 'float32');
  await using provider = dump
    ? null
    : await sessionsOf({ bytes, device: settings.device, foreign: true, names, outputs }, settings);
  const found = provider
    ? await examine(subject, provider, settings)
    : await examineDump(subject, dump!, isGiven);
  const onDevice = new Map([...chain, ...found.values]);
  const input = feeds.get(graph.inputs[0]?.name)?.shape ?? [];
  return verificationOf([found], {
    ...{ network: subject.name, input, device, required: subject.operands.name },
    values: { device: floatsOf(onDevice, model), oracle: floatsOf(chain, model), types: halvesAmong(chain) },
  });
}

/** `chain` are all values of the oracle's own evaluation. */
export function nodesOf(
  { bytes, model, feeds, device, require }: Omit<GraphSettings, 'device'> & { readonly device: Executor },
  chain: ReadonlyMap<string, Value>,
): Subject {
  const { graph } = model;
  const known = (name: string) => chain.get(name) ?? graph.initializers.get(name);
  const isHalf = (name: string) => known(name)?.dtype === 'float16';
  const isKnown = (name: string) => chain.has(name) && chain.get(name)?.dtype !== 'string';
  const operandsOf = (names: readonly string[]) =>
    classes[require ?? (names.some(isHalf) ? 'float16' : 'float32')];
  const computations = graph.nodes.flatMap((node): Computation[] => {
    const made = node.outputs.filter(isKnown);
    if (node.op === 'Constant' || made.length === 0) return [];
    const operands = operandsOf(node.inputs);
    return [
      {
        reads: node.inputs.filter((input) => input !== ''),
        makes: made.map((name) => ({ name, kind: node.op })),
        judge: (values) => judgedNode({ model, node, values: { get: values }, device, operands }, made),
        layer: (values) => layerOf(model, node, node.inputs.map(values)),
        half: isHalf(made[0]),
        operands,
      },
    ];
  });
  const drawn = drawnValues(graph, known);
  const titles = new Map(graph.nodes.flatMap(({ name, outputs }) => outputs.map((output) => [output, name])));
  return {
    name: graph.name || 'the graph',
    operands: operandsOf([...chain.keys(), ...graph.initializers.keys()]),
    feeds,
    computations: () => computations,
    given: known,
    chain: (name) =>
      isFloat(chain.get(name)?.dtype ?? 'bool') && !drawn.has(name) ? tensorOf(chain.get(name)) : undefined,
    isDrawn: (name) => drawn.has(name),
    disturbed(draw, errors) {
      const values = new Map<string, Value>([...graph.initializers, ...chain]);
      for (const node of graph.nodes) {
        for (const [name, made] of evaluateNode(model, node, values, 'float32')) {
          const isNumber = isFloat(made.dtype);
          const { data } = isNumber ? disturbed(asTensor(made), errors.get(name), draw, name) : made;
          values.set(name, { ...made, data } as Value);
        }
      }
      return (name) => tensorOf(values.get(name));
    },
    placed: { by: 'tapped', title: (name) => titles.get(name) ?? name },
    file: { model: () => decodeModel(bytes), called: (name) => name },
  };
}

/** The values that hang on masks which each device draws for itself. */
function drawnValues({ nodes }: Graph, known: Values): ReadonlySet<string> {
  const drawn = new Set<string>();
  for (const node of nodes)
    if (draws(node, { get: known }) || node.inputs.some((name) => drawn.has(name)))
      for (const name of node.outputs) drawn.add(name);
  return drawn;
}

/** NaN is refused in what is fed and in initializers, infinity in what is fed: a graph may pad or mask with −∞. */
function mustBeNumbers({ graph }: Model, feeds: ReadonlyMap<string, Value>): void {
  const check = (name: string, value: Value, right: (v: number) => boolean): void => {
    if (!isFloat(value.dtype)) return;
    const { data } = asTensor(value);
    const at = data.findIndex((v: number) => !right(v));
    if (at >= 0) throw new InputError(`${name} holds ${data[at]} at position ${at}: nothing can be verified`);
  };
  for (const [name, value] of feeds) check(name, value, Number.isFinite);
  for (const [name, value] of graph.initializers) check(name, value, (v) => !Number.isNaN(v));
}

function floatsOf(values: ReadonlyMap<string, Value>, { graph }: Model): Map<string, Tensor> {
  const floats = [...values].filter(([name, v]) => isFloat(v.dtype) && !graph.initializers.has(name));
  return new Map(floats.map(([name, v]) => [name, asTensor(v)]));
}

const halvesAmong = (values: ReadonlyMap<string, Value>) =>
  new Map([...values].flatMap(([name, { dtype }]) => (dtype === 'float16' ? [[name, dtype] as const] : [])));

/** Bytes; a batch of 1,700 images of 227×227. */
const MOST_NOISE = 2 ** 30;

/** Numbers for an input that is not given: uniform in [−1, 1); open extents are 1. Throws where it is no float. */
export function noiseFor({ name, dtype, shape }: ValueInfo, seed: number): Value {
  if (!shape || (dtype !== 'float32' && dtype !== 'float64' && dtype !== 'float16')) {
    throw new InputError(
      `the model's input '${name}' is ${dtype ?? 'of no type'}: give it with --input ${name}=FILE.npy`,
    );
  }
  const extents: Shape = shape.map((extent) => (typeof extent === 'number' && extent > 0 ? extent : 1));
  const size = byteSize('float32', extents);
  if (!(size <= MOST_NOISE))
    throw new InputError(
      `the model's input '${name}' is [${shape}], too large for noise: give it with --input ${name}=FILE.npy`,
    );
  const drawn = words(seed, streamOf(name), sizeOf(extents));
  const half = (v: number): number => Math.round(v * 1024) / 1024; // exact in float16 too
  return {
    dtype,
    shape: extents,
    data: new Float32Array(drawn.length).map((_, i) => half(2 * uniform(drawn[i]) - 1)),
  };
}
