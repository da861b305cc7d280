/**
 * The nodes of any ONNX graph as a subject, whatever network it is: each of the main graph recomputed in float64
 * from the device's own inputs to it, and against the oracle's own evaluation of the whole graph. Rows are called
 * as a node's first output.
 */
import { decodeModel } from '../../export/proto.ts';
import { streamOf, uniform, words } from '../../reference/random.ts';
import { type Shape, sizeOf, type Tensor } from '../../reference/tensor.ts';
import { isFloat } from '../array/dtype.ts';
import type { Value } from '../array/value.ts';
import { classes, type Requirement } from '../bounds/arithmetic.ts';
import { inFloat16 } from '../bounds/bounds.ts';
import { nodeBounds } from '../bounds/onnx.ts';
import { InputError } from '../errors.ts';
import { evaluate, evaluateNode } from '../onnx/evaluate.ts';
import { layerOf } from '../onnx/layer.ts';
import type { Model, Node, ValueInfo } from '../onnx/model.ts';
import { asTensor } from '../onnx/value.ts';
import type { Device } from '../runtime/failures.ts';
import { examine, verificationOf } from './engine.ts';
import type { JudgeOptions } from './options.ts';
import { sessionsOf } from './sessions.ts';
import { type Computation, disturbed, type Subject, tensorOf } from './subject.ts';
import type { Verification } from './verification.ts';

interface GraphSettings extends JudgeOptions {
  readonly bytes: Uint8Array;
  readonly model: Model;
  /** By input name. */
  readonly feeds: ReadonlyMap<string, Value>;
  readonly device: Device;
}

/** Throws InputError for operators that the oracle does not have and for feeds that do not fit. */
export async function verifyGraph(settings: GraphSettings): Promise<Verification> {
  const { bytes, model, feeds, device, precision = 'float32', levels, repeat } = settings;
  const { graph } = model;
  mustBeNumbers(model, feeds);
  const chain = new Map<string, Value>(feeds);
  evaluate(model, feeds, {
    precision,
    trace: (_, outputs) => {
      for (const [name, value] of outputs) chain.set(name, value);
    },
  });
  const required = settings.require ?? (usesHalves(model) ? 'float16' : 'float32');
  const subject = nodesOf(settings, required, chain);
  const outputs = graph.outputs.map(({ name }) => name);
  const judged = subject.computations().flatMap(({ makes }) => makes.map(({ name }) => name));
  const names = new Map([...outputs, ...judged].map((name) => [name, name]));
  await using provider = await sessionsOf({ device, bytes, names, outputs }, { levels, repeat });
  const found = await examine(subject, provider, settings);
  const onDevice = new Map([...chain, ...found.values]);
  const input = feeds.get(graph.inputs[0]?.name)?.shape ?? [];
  return verificationOf([found], {
    ...{ network: subject.name, input, device, required },
    values: { device: floatsOf(onDevice, model), oracle: floatsOf(chain, model) },
  });
}

/** `chain` are all values of the oracle's own evaluation. */
export function nodesOf(
  { bytes, model, feeds, device }: GraphSettings,
  required: Requirement,
  chain: ReadonlyMap<string, Value>,
): Subject {
  const { graph } = model;
  const fed = fedNodes(model, feeds);
  const nodes = fed.filter(({ outputs }) => isFloat(chain.get(outputs[0])?.dtype ?? 'bool'));
  const operands = classes[required];
  const computationOf = (node: Node): Computation => {
    const [name] = node.outputs;
    const half = chain.get(name)?.dtype === 'float16';
    // what a subgraph reads is not among the node's inputs
    const named = (values: (name: string) => Value | undefined): ReadonlyMap<string, Value> =>
      new Map([...chain.keys(), ...graph.initializers.keys()].map((key) => [key, values(key) as Value]));
    return {
      reads: node.inputs.filter((input) => input !== ''),
      makes: [{ name, kind: node.op }],
      judge(values) {
        const read = named(values);
        const exact = evaluateNode(model, node, read, 'float64').get(name) as Value;
        const known = nodeBounds({ model, node, values: read, exact, device, operands });
        const ofExact = asTensor(exact);
        return [known && { exact: ofExact, bounds: half ? inFloat16(known, ofExact) : known }];
      },
      layer: (values) => layerOf(model, node, node.inputs.map(values)),
      half,
    };
  };
  const computations = nodes.map(computationOf);
  const titles = new Map(nodes.map((node) => [node.outputs[0], node.name]));
  return {
    name: graph.name || 'the graph',
    operands,
    feeds,
    computations: () => computations,
    // what was not tapped (integers) is the oracle's own
    given: (name) => chain.get(name) ?? graph.initializers.get(name),
    chain: (name) => (isFloat(chain.get(name)?.dtype ?? 'bool') ? tensorOf(chain.get(name)) : undefined),
    disturbed(draw, errors) {
      const values = new Map<string, Value>([...graph.initializers, ...chain]);
      for (const node of fed) {
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

/** The nodes that depend on what is fed: the others make the file's constants. */
function fedNodes({ graph }: Model, feeds: ReadonlyMap<string, Value>): Node[] {
  const fed = new Set(feeds.keys());
  return graph.nodes.filter(({ inputs, outputs, attributes }) => {
    const depends =
      inputs.some((name) => fed.has(name)) || [...attributes.values()].some(({ kind }) => kind === 'graph');
    if (depends) for (const name of outputs) fed.add(name);
    return depends;
  });
}

const usesHalves = ({ graph }: Model): boolean =>
  [...graph.initializers.values()].some(({ dtype }) => dtype === 'float16');

function floatsOf(values: ReadonlyMap<string, Value>, { graph }: Model): Map<string, Tensor> {
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
