/** The layers of a network as a subject: a model's values are paired with them (pairing.ts). */
import { decodeModel } from '../../export/proto.ts';
import type { Layer } from '../../reference/networks/layers.ts';
import { forward, inputsOf, runLayer } from '../../reference/oracle.ts';
import { cast, dense, type Shape, type Storage, sizeOf, type Tensor } from '../../reference/tensor.ts';
import { isFloat } from '../array/dtype.ts';
import { fromTensor, type NumericValue, narrowed, type Value, widened } from '../array/value.ts';
import { classes, type Requirement } from '../bounds/arithmetic.ts';
import type { BoundsContext, LayerCall } from '../bounds/bounds.ts';
import { judgedOutput } from '../bounds/operations.ts';
import { InputError } from '../errors.ts';
import { operations, operationsFor } from '../fast/index.ts';
import { marginOf } from '../judge/margin.ts';
import { constantsOf } from '../onnx/constants.ts';
import { evaluateNode } from '../onnx/evaluate.ts';
import type { Device } from '../runtime/failures.ts';
import type { Evidence } from './bundle.ts';
import { examine, verificationOf } from './engine.ts';
import type { Match } from './match.ts';
import type { JudgeOptions, VerifyOptions } from './options.ts';
import { flattenedInto, type InputPort, type Pair } from './pairing.ts';
import type { Provider, Run, Way } from './provider.ts';
import { sessionsOf } from './sessions.ts';
import { type Computation, disturbed, mustBeFinite, type Subject, tensorOf, type Values } from './subject.ts';
import type { Verification } from './verification.ts';

interface LayersSettings extends JudgeOptions, Pick<VerifyOptions, 'model' | 'batch' | 'plain'> {
  readonly pair: Pair;
  /** (N,C,H,W). */
  readonly input: Tensor;
  readonly device: Device;
}

/** Throws InputError for an input that is no number, EnvironmentError for a device that does not work. */
export async function verifyLayers(given: LayersSettings): Promise<Verification> {
  const { pair, device, batch } = given;
  const { match, file } = pair;
  const settings = pair.input.half ? { ...given, input: inHalves(given.input) } : given;
  const { input } = settings;
  mustBeFinite('the input', input);
  for (const [name, t] of pair.weights) mustBeFinite(name, t);
  const required = settings.require ?? (pair.half ? 'float16' : 'float32');
  const chain = oracleChain(settings);
  const subject = layersOf(settings, required, chain);
  const names = new Map([...match.values].filter(([, name]) => name !== pair.input.name));
  const outputs = file.model.graph.outputs.map(({ name }) => name);
  const shown = outputs.some((output) => [...names.values()].includes(output));
  const end = match.tail.at(-1)?.to ?? (shown ? undefined : outputs[0]);
  if (end !== undefined) names.set(end, end);
  await using provider = await sessionsOf(
    {
      device,
      bytes: file.bytes,
      foreign: settings.model !== undefined,
      names,
      outputs,
      batch,
      accept: (value, name) => accept(value, name, end),
    },
    settings,
  );
  const own = inOwnOrder(provider, match, chain);
  const examined = await examine(subject, own.provider, settings);
  const found = { ...examined, evidence: examined.evidence && own.inFileOrder(examined.evidence) };
  const values = [...found.values]
    .filter(([name]) => name !== end)
    .map(([name, v]) => [name, tensorOf(v)] as const);
  return verificationOf([found], {
    ...{ network: subject.name, input: input.shape, device, required },
    values: { device: new Map([['input', input], ...values]), oracle: chain },
  });
}

const inHalves = (t: Tensor): Tensor =>
  tensorOf(widened(narrowed({ ...fromTensor(t), dtype: 'float16' } as NumericValue)));

/** The oracle's own values by layer, the input among them. */
function oracleChain({ pair, input, precision = 'float32', plain }: LayersSettings): Map<string, Tensor> {
  const chain = new Map<string, Tensor>([['input', input]]);
  forward(pair.network, pair.weights, input, {
    precision,
    operations: operationsFor({ plain }),
    trace: (layer, y) => void chain.set(layer.name, y),
  });
  return chain;
}

/** float16 values are widened already, which is exact; float64 is rounded to what a layer stores. */
function accept(value: Value, name: string, end: string | undefined): Value {
  if (isFloat(value.dtype)) return fromTensor(cast(tensorOf(value), 'float32'));
  if (name === end) return value;
  throw new InputError(`the model's value '${name}' is ${value.dtype}, not a float`);
}

/**
 * The provider with each layer's value in the layer's own shape, its maps in the order C,H,W; and a bug report's
 * values as the file has them.
 */
function inOwnOrder(provider: Provider, { mapsLast, values }: Match, chain: ReadonlyMap<string, Tensor>) {
  let maps: Shape = [];
  const sizes = new Map<string, Shape>();
  for (const [name, { shape }] of chain) {
    if (shape.length === 4) maps = shape.slice(1);
    sizes.set(name, maps);
  }
  const own = (name: string, value: Value): Value => {
    const wanted = chain.get(name)?.shape;
    if (!wanted || sizeOf(wanted) !== sizeOf(value.shape) || wanted[0] !== value.shape[0]) return value;
    const moved = mapsLast.has(name) ? channelsFirst(value, sizes.get(name)!) : value;
    return { ...moved, shape: wanted };
  };
  let first: Run | undefined;
  return {
    provider: {
      ...provider,
      async run(feeds: ReadonlyMap<string, Value>, way: Way) {
        const run = await provider.run(feeds, way);
        first ??= run;
        return { ...run, values: new Map([...run.values].map(([name, value]) => [name, own(name, value)])) };
      },
    },
    inFileOrder(evidence: Evidence): Evidence {
      const { layer, exact, bound } = evidence;
      const known = new Map([...(first?.values ?? [])].map(([name, value]) => [values.get(name), value]));
      const inputs = new Map([...evidence.inputs].map(([name, value]) => [name, known.get(name) ?? value]));
      const y = first?.values.get(layer);
      if (!y || sizeOf(y.shape) !== exact.size) return { ...evidence, inputs };
      const [C, H, W] = sizes.get(layer)!;
      const back = (data: Storage): Value => {
        const value = { dtype: 'float64', shape: y.shape, data: Float64Array.from(data) } as const;
        return mapsLast.has(layer) ? channelsFirst(value, [H * W, C, 1]) : value;
      };
      const limits = back(bound).data as Float64Array;
      return { ...evidence, inputs, y: tensorOf(y), exact: tensorOf(back(dense(exact))), bound: limits };
    },
  };
}

/** Maps that lie as H,W,C, flattened or not, in the order C,H,W. */
function channelsFirst({ dtype, shape, data }: Value, [C, H, W]: Shape): Value {
  const from = data as Storage;
  const to = new (from.constructor as Float64ArrayConstructor)(from.length) as Storage;
  const area = H * W;
  for (let n = 0; n < from.length; n += C * area)
    for (let c = 0; c < C; c++) for (let p = 0; p < area; p++) to[n + c * area + p] = from[n + p * C + c];
  return { dtype, shape, data: to };
}

/** What is fed to the graph's input. */
function fedTo({ half, mapsLast }: InputPort, input: Tensor): Value {
  const [N, C, H, W] = input.shape;
  const value = mapsLast
    ? { ...channelsFirst(fromTensor(input), [H * W, C, 1]), shape: [N, H, W, C] }
    : fromTensor(input);
  return half ? { ...value, dtype: 'float16' } : value;
}

function layersOf(
  { pair, input, device }: LayersSettings,
  required: Requirement,
  chain: ReadonlyMap<string, Tensor>,
): Subject {
  const { network, weights, match, half, file } = pair;
  const operands = classes[required];
  const fed = fromTensor(input);
  const contextOf = (layer: Layer): BoundsContext => ({
    device,
    operands,
    half,
    // WebGPU has no LRN kernel and leaves it to the CPU's
    runningSum: device !== 'cuda' && match.nativeLrn.has(layer.name),
    band: match.bandLrn.has(layer.name),
    biasApart: match.products.get(layer.name)?.nodes.some(({ op }) => op === 'Add'),
  });
  const after = tailOf(pair);
  const computations = network.layers.map((layer, at): Computation => {
    const { name, kind } = layer;
    const reads = inputsOf(network, at);
    const call = (values: Values): LayerCall => ({
      layer,
      inputs: reads.map((read) => tensorOf(values(read))),
      weights,
    });
    return {
      reads,
      makes: [{ name, kind }],
      judge: (values) => [judgedOutput(call(values), contextOf(layer))],
      layer: (values) => ({ ...call(values), maps: flattenedInto(network, name) }),
      fault: match.faults.get(name),
      unlike: pair.unlike.get(name),
      half,
    };
  });
  return {
    name: network.name,
    operands,
    feeds: new Map([[pair.input.name, fedTo(pair.input, input)]]),
    computations: () => computations,
    given: (name) => (name === 'input' ? fed : undefined),
    chain: (name) => chain.get(name) ?? after(name, chain),
    disturbed(draw, errors) {
      const values = new Map([['input', input]]);
      for (const [at, layer] of network.layers.entries()) {
        const inputs = inputsOf(network, at).map((name) => values.get(name) as Tensor);
        const y = runLayer(layer, inputs, weights, 'float32', operations);
        values.set(layer.name, disturbed(y, errors.get(layer.name), draw, layer.name));
      }
      return (name) => values.get(name) ?? after(name, values);
    },
    placed: { by: 'untouched', nodes: match.nodes },
    file: { model: () => decodeModel(file.bytes), called: (name) => match.values.get(name) as string },
    margin: (deviations) => marginOf(network, weights, chain, deviations),
  };
}

/** What the nodes behind the last layer make of its values: the graph's output, where the evaluator can say. */
function tailOf({ file, network, match }: Pair) {
  const { model } = file;
  const end = match.tail.at(-1)?.to;
  const { name: last } = network.layers[network.layers.length - 1];
  return (name: string, values: ReadonlyMap<string, Tensor>): Tensor | undefined => {
    const y = values.get(last);
    if (name !== end || !y || !match.values.has(last)) return undefined;
    const known = new Map<string, Value>([...constantsOf(model), [match.values.get(last)!, fromTensor(y)]]);
    try {
      for (const node of match.tail.flatMap(({ nodes }) => nodes))
        for (const [made, value] of evaluateNode(model, node, known)) known.set(made, value);
    } catch {
      return undefined; // an operator that the evaluator does not have, or values in another order
    }
    const value = known.get(end);
    return value && isFloat(value.dtype) ? tensorOf(value) : undefined;
  };
}
