/** The layers of a network as a subject: a model's values are paired with them (pairing.ts). */
import { AVERAGE, IMAGE } from '../../export/pixels.ts';
import type { Layer } from '../../reference/networks/layers.ts';
import { forward, inputsOf, runLayer } from '../../reference/oracle.ts';
import { cast, dense, type Storage, sizeOf, type Tensor } from '../../reference/tensor.ts';
import { trunk } from '../../reference/training/gradient.ts';
import { type FloatDType, isFloat } from '../array/dtype.ts';
import { fromTensor, type NumericValue, narrowed, type Value, widened } from '../array/value.ts';
import { classes, type Requirement } from '../bounds/arithmetic.ts';
import type { BoundsContext } from '../bounds/bounds.ts';
import { InputError } from '../errors.ts';
import { operations, operationsFor } from '../fast/index.ts';
import { marginOf } from '../judge/margin.ts';
import { constantsOf } from '../onnx/constants.ts';
import { evaluateNode } from '../onnx/evaluate.ts';
import { Died } from '../runtime/apart.ts';
import type { Device, Executor } from '../runtime/failures.ts';
import type { TowersHost } from '../runtime/towers.ts';
import type { Evidence } from './bundle.ts';
import { examine, verificationOf } from './engine.ts';
import type { JudgeSettings, VerifyOptions } from './options.ts';
import { channelsFirst, mapsOf } from './order.ts';
import { type FilePair, flattenedInto, type InputPort, type Pair } from './pairing.ts';
import { asBytes, averageBehind, averageOf, type Path, preprocessed, stepsOf } from './pictures.ts';
import type { Provider, Run, Way } from './provider.ts';
import { sessionsOf } from './sessions.ts';
import { type Computation, disturbed, mustBeFinite, type Subject, tensorOf } from './subject.ts';
import { exchanged } from './towers.ts';
import type { Verification } from './verification.ts';
import { type Known, readsOf, walkThrough } from './walk.ts';

interface SubjectSettings extends Pick<JudgeSettings, 'require' | 'precision'>, Pick<VerifyOptions, 'plain'> {
  readonly pair: Pair;
  /** (N,C,H,W). */
  readonly input: Tensor;
  /** (N,H,W,3), where the file takes pictures and what it makes of them is judged. */
  readonly pictures?: Tensor;
  readonly device: Executor;
}

interface LayersSettings extends SubjectSettings, JudgeSettings, Pick<VerifyOptions, 'model' | 'batch'> {
  readonly pair: FilePair;
  readonly device: Device;
  /** Where two towers run the network in the file's place. */
  readonly towers?: TowersHost;
}

/** Throws InputError for an input that is no number, EnvironmentError for a device that does not work. */
export async function verifyLayers(given: LayersSettings): Promise<Verification> {
  const { pair, batch, towers } = given;
  const { match, file } = pair;
  const half = pair.input.half;
  const settings = half ? { ...given, input: inHalves(given.input) } : fedAs(given);
  const { input, pictures = input } = settings;
  const required = settings.require ?? (pair.half ? 'float16' : 'float32');
  const device = towers?.device ?? settings.device;
  const { subject, chain } = layersOf({ ...settings, device }, required, tailOf(pair));
  const names = new Map([...match.values].filter(([, name]) => name !== pair.input.name));
  const outputs = file.model.graph.outputs.map(({ name }) => name);
  const shown = outputs.some((output) => [...names.values()].includes(output));
  const end = match.tail.at(-1)?.to ?? (shown ? undefined : outputs[0]);
  if (end !== undefined) names.set(end, end);
  await using provider = await sessionsOf(
    {
      device: settings.device,
      bytes: file.bytes,
      foreign: settings.model !== undefined,
      towers,
      names,
      outputs,
      batch,
      accept: (value, name) => accept(value, name, end),
    },
    settings,
  );
  const own = inOwnOrder(provider, pair, chain);
  const examined = await examine(subject, own.provider, settings);
  const { repeat = 1 } = settings;
  const fixed = pair.input.batch !== undefined;
  const repeats = repeat > 1 ? await provider.repeats?.(subject.feeds, fixed).catch(unlessDied) : undefined;
  const found = { ...examined, evidence: examined.evidence && own.inFileOrder(examined.evidence) };
  const values = [...found.values]
    .filter(([name]) => chain.has(name))
    .map(([name, v]) => [name, tensorOf(v)] as const);
  const verification = verificationOf([found], {
    ...{ network: subject.name, input: pictures.shape, device, required },
    values: { device: new Map([...fedIn(settings), ...values]), oracle: chain },
  });
  const more = { ...(repeats && { repeats }), ...(towers && { towers: exchanged(pair.network, towers) }) };
  return { ...verification, ...more };
}

/** What the first layer reads: of pictures what the oracle makes of them. */
export function fedAs<S extends SubjectSettings>(given: S): S {
  const { pair, input, precision } = given;
  const { pixels } = pair.input;
  if (!pixels) return given;
  return { ...given, pictures: input, input: preprocessed(pixels, input, precision).get('input')! };
}

/** What was fed, among the values: the input, and the pictures that it is made of. */
export const fedIn = ({ input, pictures }: SubjectSettings): (readonly [string, Tensor])[] => [
  ...(pictures ? [[IMAGE, pictures] as const] : []),
  ['input', input],
];

/** An engine that dies is a finding already. */
function unlessDied(error: unknown): undefined {
  if (!(error instanceof Died)) throw error;
}

const inHalves = (t: Tensor): Tensor =>
  tensorOf(widened(narrowed({ ...fromTensor(t), dtype: 'float16' } as NumericValue)));

/** The oracle's own values by layer, the input among them. */
function oracleChain({ pair, input, pictures, precision, plain }: SubjectSettings): Map<string, Tensor> {
  const { pixels } = pair.input;
  const chain = new Map(pixels && pictures ? preprocessed(pixels, pictures, precision) : [['input', input]]);
  forward(pair.network, pair.weights, input, {
    precision,
    operations: operationsFor({ plain }),
    trace: (layer, y) => void chain.set(layer.name, y),
  });
  const { name: last } = pair.network.layers[pair.network.layers.length - 1];
  if (pixels?.views === 10) chain.set(AVERAGE, averageOf(chain.get(last)!, 10));
  return chain;
}

/** float16 values are widened already, which is exact; float64 is rounded to what a layer stores. */
function accept(value: Value, name: string, end: string | undefined): Value {
  if (isFloat(value.dtype)) return fromTensor(cast(tensorOf(value), 'float32'));
  if (name === end) return value;
  if (value.dtype === 'uint8') return fromTensor(tensorOf(value));
  throw new InputError(`the model's value '${name}' is ${value.dtype}, not a float`);
}

/**
 * The provider with each layer's value in the layer's own shape, its maps in the order C,H,W; and a bug report's
 * values as the file has them.
 */
function inOwnOrder(
  provider: Provider,
  { network, match: { mapsLast, values } }: Pair,
  chain: ReadonlyMap<string, Tensor>,
) {
  const sizes = mapsOf(network, new Map([...chain].map(([name, { shape }]) => [name, shape])));
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
      const [C, H, W] = sizes.get(layer) ?? [];
      const back = (data: Storage): Value => {
        const value = { dtype: 'float64', shape: y.shape, data: new Float64Array(data) } as const;
        return mapsLast.has(layer) ? channelsFirst(value, [H * W, C, 1]) : value;
      };
      const limits = back(bound).data as Float64Array;
      return { ...evidence, inputs, y: tensorOf(y), exact: tensorOf(back(dense(exact))), bound: limits };
    },
  };
}

/** What is fed to the graph's input. */
function fedTo({ half, mapsLast }: InputPort, input: Tensor): Value {
  const [N, C, H, W] = input.shape;
  const value = mapsLast
    ? { ...channelsFirst(fromTensor(input), [H * W, C, 1]), shape: [N, H, W, C] }
    : fromTensor(input);
  return half ? { ...value, dtype: 'float16' } : value;
}

/** Values that the nodes behind the last layer make of its values, where they can be computed. */
type After = (name: string, values: ReadonlyMap<string, Tensor>) => Tensor | undefined;

/** Of which values there are, and how they are written down: all, in float32. */
interface There extends Pick<Known, 'has'> {
  /** Whether there is such a value, read or not. */
  readonly isJudged: (name: string) => boolean;
  readonly type: (name: string) => FloatDType | undefined;
}
const everything: There = { has: () => true, isJudged: () => true, type: () => undefined };

/** The subject and the oracle's own chain. Throws InputError for numbers that are none. */
export function layersOf(
  settings: SubjectSettings,
  required: Requirement,
  after: After = () => undefined,
  { has, isJudged, type }: There = everything,
): { readonly subject: Subject; readonly chain: ReadonlyMap<string, Tensor> } {
  const { pair, input, pictures, device } = settings;
  const { network, weights, match, proto } = pair;
  const { pixels } = pair.input;
  mustBeFinite('the input', input);
  const chain = oracleChain(settings);
  const steps = pixels && pictures && stepsOf(pixels, pictures, has, device);
  const fed = pictures ? asBytes(pictures) : fedTo(pair.input, input);
  const given = new Map(pictures ? [[pair.input.name, fed]] : [['input', fromTensor(input)]]);
  const stored = (name: string): number => (type(name) === 'bfloat16' ? classes.bfloat16.t : 0);
  function about(layer: Layer): BoundsContext {
    const types = [layer.name, ...readsOf(network, layer, { has }).sources].map(type);
    const half = pair.half || types.includes('float16');
    const own = types.includes('bfloat16') ? 'bfloat16' : half ? 'float16' : 'float32';
    return {
      device,
      operands: classes[settings.require ?? own],
      half,
      // WebGPU has no LRN kernel and leaves it to the CPU's; another engine may be onnxruntime
      runningSum: device === 'other' || (device !== 'cuda' && match.nativeLrn.has(layer.name)),
      band: match.bandLrn.has(layer.name),
      biasApart: match.products.get(layer.name)?.nodes.some(({ op }) => op === 'Add'),
    };
  }
  /** What a layer is computed from; `more`: what is missing behind it. */
  function pathTo(layer: Layer, more: readonly string[] = []): Path {
    const { sources, missing } = readsOf(network, layer, { has });
    const start = sources.includes('input') ? steps?.input : undefined;
    const reads = start ? [...start.reads, ...sources.filter((name) => name !== 'input')] : sources;
    const through = [...(start?.through ?? []), ...missing, ...more];
    return { reads, ...(through.length > 0 && { through }) };
  }
  const computations = (): Computation[] => {
    const walk = walkThrough(network, weights, about, { has, stored, input: steps?.input?.judged });
    const layers = network.layers
      .filter(({ name }) => isJudged(name))
      .map((layer): Computation => {
        const { name, kind } = layer;
        const { half, operands } = about(layer);
        return {
          ...pathTo(layer),
          makes: [{ name, kind }],
          judge: (values) => [walk.judge(layer, values)],
          layer: (values) => ({ ...walk.callOf(layer, values).call, maps: flattenedInto(network, name) }),
          fault: match.faults.get(name),
          unlike: pair.unlike.get(name),
          half,
          operands,
        };
      });
    if (!steps) return layers;
    const last = network.layers[network.layers.length - 1];
    const path = has(last.name) ? { reads: [last.name] } : pathTo(last, [last.name]);
    const end = { half: pair.half, path, fault: match.faults.get(AVERAGE) };
    const average = averageBehind(pixels, end, (values) => walk.reach(last.name, values), device);
    const around = (one: readonly Computation[]) => one.filter(({ makes: [{ name }] }) => isJudged(name));
    return [...around(steps.computations(match.faults)), ...layers, ...around(average)];
  };
  const subject: Subject = {
    name: network.name,
    operands: classes[required],
    feeds: new Map([[pair.input.name, fed]]),
    computations,
    given: (name) => given.get(name),
    chain: (name) => chain.get(name) ?? after(name, chain),
    disturbed(draw, errors) {
      const values = new Map([['input', disturbed(input, errors.get('input'), draw, 'input')]]);
      for (const [at, layer] of network.layers.entries()) {
        const inputs = inputsOf(network, at).map((name) => values.get(name) as Tensor);
        const y = runLayer(layer, inputs, weights, 'float32', operations);
        values.set(layer.name, disturbed(y, errors.get(layer.name), draw, layer.name));
      }
      return (name) => values.get(name) ?? after(name, values);
    },
    placed: { by: 'untouched', nodes: match.nodes },
    file: { model: proto, called: (name) => match.values.get(name) as string },
    // without the logits nothing is known of their errors
    ...(has(trunk(network).layers.at(-1)!.name) && {
      margin: (deviations) => marginOf(network, weights, chain, deviations),
    }),
  };
  return { subject, chain };
}

/** Of the graph's output, where the evaluator can say. */
function tailOf({ file, network, match, input: { pixels } }: FilePair): After {
  const { model } = file;
  const end = match.tail.at(-1)?.to;
  const { name: last } = network.layers[network.layers.length - 1];
  if (pixels?.views === 10)
    return (name, values) => (name === AVERAGE ? averageOf(values.get(last)!, 10) : undefined);
  return (name, values) => {
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
