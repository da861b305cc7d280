/** A model file paired with a network: which of its values and weights are whose. */
import type { LrnForm } from '../../export/graph.ts';
import { MEAN_IMAGE } from '../../export/pixels.ts';
import { decodeModel, type ModelProto } from '../../export/proto.ts';
import { type Pixels, pictureSide } from '../../reference/input/pixels.ts';
import { fitNetwork } from '../../reference/networks/fit.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { shapes, type Weights } from '../../reference/oracle.ts';
import { dense, type Shape, type Storage, type Tensor, tensor } from '../../reference/tensor.ts';
import { floatValue, type LazyValue, widen } from '../array/value.ts';
import { InputError } from '../errors.ts';
import { distance } from '../judge/judge.ts';
import { indexOf, PARAMETER_AXES, patternOf, patternText } from '../judge/pattern.ts';
import { CHECKSUMS, checksum } from '../networks/modelfile.ts';
import type { Model, ValueInfo } from '../onnx/model.ts';
import { pixelsIn } from '../onnx/pixels.ts';
import { type Products, productsOf } from '../onnx/products.ts';
import type { ModelInBytes } from '../onnx/read.ts';
import { arrange } from '../weights/layout.ts';
import { layOut } from '../weights/mapping.ts';
import { parsePreprocess } from '../weights/preprocess.ts';
import { type Match, match } from './match.ts';
import { averaging, matchedAround } from './pictures.ts';
import { mustBeFinite } from './subject.ts';

export interface Pair {
  readonly network: Network;
  /** The weights that the oracle computes with. */
  readonly weights: Weights;
  readonly input: InputPort;
  readonly match: Match;
  /** A float16 file: results are rounded to float16. */
  readonly half: boolean;
  /**
   * Layers whose weights in the file are not those that it should have, and how: an input that leaves such a weight
   * without effect (a channel that is 0 everywhere) does not show it.
   */
  readonly unlike: ReadonlyMap<string, string>;
  /** The model, its weights in it. */
  readonly proto: () => ModelProto;
}

export interface FilePair extends Pair {
  readonly file: ModelInBytes;
}

/** A network that no file was written of: values are called as its layers. `lrn`: the form in which it was run. */
export function pairWithout(
  network: Network,
  weights: Weights,
  proto: () => ModelProto,
  lrn?: LrnForm,
): Pair {
  const lrns = network.layers.filter(({ kind }) => kind === 'lrn').map(({ name }) => name);
  const inForm = (form: LrnForm) => new Set(lrn === form ? lrns : []);
  const values = new Map(['input', ...network.layers.map(({ name }) => name)].map((name) => [name, name]));
  const none = new Map<string, string>();
  return {
    ...{ network, weights, proto, half: false, unlike: none },
    input: { name: 'input', half: false, mapsLast: false },
    match: {
      ...{ values, mapsLast: new Set(), nodes: none, products: new Map(), faults: none },
      ...{ nativeLrn: inForm('native'), bandLrn: inForm('band'), tail: [] },
    },
  };
}

export interface InputPort {
  readonly name: string;
  readonly half: boolean;
  /** (N,H,W,C). */
  readonly mapsLast: boolean;
  /** Images a run, where the file fixes them. */
  readonly batch?: number;
  /** Of a file that takes pictures: what it does to them. */
  readonly pixels?: Pixels;
}

/**
 * Pairs a model with a network. `given` are the weights it should have; without them the file's own are taken, the
 * network's widths follow them, and they are held against the checksums that the file recorded when it was written.
 * Throws InputError where the file cannot be that network.
 */
export function pairOf(file: ModelInBytes, asked: Network, given?: Weights): FilePair {
  const { model } = file;
  const proto = () => decodeModel(file.bytes);
  const input = inputOf(model, asked);
  const { pixels, mapsLast } = input;
  const network = pixels ? averaging(asked, pixels) : asked;
  const found = productsOf(model);
  const layers = match(network, model.graph, found, { input: pixels ? 'input' : input.name, mapsLast });
  const matched = pixels ? matchedAround(layers, pixels, model.graph.nodes) : layers;
  const own = weightsOf(network, found, matched);
  if (!given) for (const [name, t] of own) mustBeFinite(name, t);
  const floats = [...found.tensors.values()];
  const half = input.half || floats.some(({ dtype }) => dtype === 'float16');
  if (given) {
    const unlike = unlikeGiven(own, given, network, half);
    return { file, network, weights: given, input, match: matched, half, unlike, proto };
  }
  const mean = pixels?.meanImage;
  const constants = new Map([...own, ...(mean ? [[MEAN_IMAGE, mean] as const] : [])]);
  const faults = new Map([...changedWeights(model, constants, matched), ...matched.faults]);
  const fitted = asInput(() => fitNetwork(network, new Map([...own].map(([name, t]) => [name, t.shape]))));
  return {
    file,
    network: fitted,
    weights: own,
    input,
    match: { ...matched, faults },
    half,
    unlike: new Map(),
    proto,
  };
}

/** The graph's only input that is fed, if its shape is the network's. */
function inputOf(model: Model, { name: called, input, preprocess }: Network): InputPort {
  const { graph, metadata } = model;
  const [port, ...more] = graph.inputs as readonly (ValueInfo | undefined)[];
  if (!port || more.length > 0) {
    const names = graph.inputs.map(({ name }) => name).join(', ');
    throw new InputError(`the model has ${graph.inputs.length} inputs (${names}): one is needed`);
  }
  const { name, dtype, shape } = port;
  const told = metadata.get('preprocess');
  const pixels = pixelsIn(model, () => (told === undefined ? preprocess : parsePreprocess(told)));
  if (!pixels && dtype !== null && dtype !== 'float32' && dtype !== 'float16')
    throw new InputError(`the model's input '${name}' is ${dtype}: ${called} takes float32 or float16`);
  const [N, ...rest] = shape ?? [];
  const fits = (order: Shape): boolean =>
    !shape ||
    (rest.length === 3 && rest.every((extent, axis) => typeof extent !== 'number' || extent === order[axis]));
  const side = pixels && pictureSide(pixels);
  const wanted = side ? [side, side, 3] : input;
  const [C, H, W] = wanted;
  const mapsLast = !side && !fits(wanted) && fits([H, W, C]);
  if (!fits(wanted) && !mapsLast)
    throw new InputError(`the model takes [N,${rest.map((n) => n ?? '?')}], ${called} takes [N,${wanted}]`);
  const batch = typeof N === 'number' ? { batch: N } : {};
  return { name, half: dtype === 'float16', mapsLast, ...batch, ...(pixels && { pixels }) };
}

function asInput<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw new InputError((error as Error).message);
  }
}

/** The file's own weights in this project's order; zeros where it adds no bias, which is a fault already. */
function weightsOf(network: Network, { tensors, inOut, mapsLast }: Products, { products }: Match): Weights {
  const all = new Map<string, LazyValue>(tensors);
  const pairs = new Map<string, string>();
  for (const [layer, { weight, bias = `${layer}'s zeros` }] of products) {
    const { shape } = tensors.get(weight)!;
    const K = shape[inOut.has(weight) ? 1 : 0];
    const zeros = floatValue(new Float32Array(K), [K]);
    if (!all.has(bias)) all.set(bias, { ...zeros, read: () => zeros });
    pairs.set(`${layer}.weight`, weight).set(`${layer}.bias`, bias);
  }
  const read = new Map<string, Storage>();
  const assignments = asInput(() => layOut(network, { tensors: all, inOut, mapsLast }, pairs));
  return new Map(
    assignments.map(({ own, theirs, layout }) => {
      const data = read.get(theirs) ?? widen(all.get(theirs)!.read());
      read.set(theirs, data);
      return [own, tensor(arrange(data, layout), layout.shape)];
    }),
  );
}

const inThousands = (count: number): string => count.toLocaleString('en-US');

/** More than a rounding on the way into the file: 2⁻²² of the value, in float16 2⁻¹⁰ or its smallest subnormal. */
function unlikeGiven(own: Weights, given: Weights, network: Network, half: boolean): Map<string, string> {
  const [relative, absolute] = half ? [2 ** -10, 2 ** -24] : [2 ** -22, 0];
  const differs = (a: number, b: number): boolean => !(Math.abs(a - b) <= relative * Math.abs(b) + absolute);
  // a model that was built from these very weights holds the same array
  const areLike = (a: Storage, b: Storage): boolean => {
    if (a.buffer === b.buffer && a.byteOffset === b.byteOffset && a.length === b.length) return true;
    for (let i = 0; i < b.length; i++) if (differs(a[i], b[i])) return false;
    return true;
  };
  const faults = new Map<string, string>();
  for (const [name, wanted] of given) {
    const found = own.get(name);
    const layer = name.replace(/\.(weight|bias)$/, '');
    if (!found || found.shape.join() !== wanted.shape.join() || faults.has(layer)) continue;
    const a = dense(found);
    const b = dense(wanted);
    if (areLike(a, b)) continue;
    const maps = name.endsWith('weight') ? flattenedInto(network, layer) : undefined;
    const moved = maps && areLike(arrange(a, { axes: 'OI', shape: wanted.shape, flatten: maps }), b);
    const what = moved
      ? 'is the given one with its inputs in the order H,W,C'
      : `differs from the given one ${differenceText(a, b, wanted.shape, differs)}`;
    faults.set(layer, `the file's ${name} ${what}`);
  }
  return faults;
}

/** 'in 363 of 34,848 values, by up to 2.0e-3 at [5, 0, 3, 3], all in output channel 5'. */
function differenceText(
  a: Storage,
  b: Storage,
  shape: Shape,
  differs: (a: number, b: number) => boolean,
): string {
  const off = (i: number): number => (differs(a[i], b[i]) ? distance(a[i], b[i]) : 0);
  let count = 0;
  let worst = 0;
  for (let i = 0; i < b.length; i++) {
    if (off(i) > 0) count++;
    if (off(i) > off(worst)) worst = i;
  }
  const where = patternText(
    patternOf(shape, (i) => off(i) > 0),
    shape,
    PARAMETER_AXES,
  );
  const most = `by up to ${off(worst).toExponential(1)} at [${indexOf(worst, shape).join(', ')}]`;
  const numbers = `in ${inThousands(count)} of ${inThousands(b.length)} values, ${most}`;
  return [numbers, where].filter(Boolean).join(', ');
}

/** [C,H,W] of the maps that a fully connected layer reads flattened. */
export function flattenedInto(
  { layers, ...network }: Network,
  name: string,
): readonly [number, number, number] | undefined {
  const at = layers.findIndex((layer) => layer.name === name);
  const before = layers.slice(0, at).findLastIndex(({ kind }) => kind !== 'flatten' && kind !== 'dropout');
  if (layers[at]?.kind !== 'linear' || before < 0) return undefined;
  const maps = shapes({ ...network, layers: layers.slice(0, before + 1) }).get(layers[before].name)!;
  return maps.length === 4 ? [maps[1], maps[2], maps[3]] : undefined;
}

/** Layers whose weights are not those that the file was written with. */
function changedWeights({ metadata }: Model, weights: Weights, { nodes }: Match): Map<string, string> {
  const faults = new Map<string, string>();
  const recorded = metadata.get(CHECKSUMS);
  if (recorded === undefined) return faults;
  let sums: unknown;
  try {
    sums = JSON.parse(recorded);
  } catch {}
  if (typeof sums !== 'object' || sums === null)
    throw new InputError(`the model's metadata '${CHECKSUMS}' is no JSON of checksums: export it again`);
  for (const [name, sum] of Object.entries(sums)) {
    const layer = name === MEAN_IMAGE ? nodes.get(name)! : name.replace(/\.(weight|bias)$/, '');
    const own: Tensor | undefined = weights.get(name);
    if (faults.has(layer)) continue;
    if (!own) faults.set(layer, `${name} is missing, though the file was written with it`);
    else if (checksum(own) !== sum) faults.set(layer, `${name} was changed after the file was written`);
  }
  return faults;
}
