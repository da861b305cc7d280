/** Weights out of an open file of tensors, wherever its bytes are, fitted to a network. */

import type { Preprocess } from '../../reference/input/preprocess.ts';
import { networks } from '../../reference/networks/index.ts';
import type { Network } from '../../reference/networks/layers.ts';
import type { Weights } from '../../reference/oracle.ts';
import { type Storage, type Tensor, tensor } from '../../reference/tensor.ts';
import { fromTensor, type LazyValue, toTensor, widen } from '../array/value.ts';
import { InputError } from '../errors.ts';
import { about } from '../format/source.ts';
import type { TensorFile } from '../format/tensors.ts';
import { classCount, classesIn } from '../labels/labels.ts';
import { viewsIn } from '../onnx/pixels.ts';
import { convertConventions, dropoutOf, withDropout } from './conventions.ts';
import { arrange, arrangeParts, describeLayout, type Layout } from './layout.ts';
import { type Assignment, list, type Mapping, mapTensors } from './mapping.ts';
import type { Naming } from './names.ts';
import { parsePreprocess } from './preprocess.ts';

export interface Loaded {
  /** The network, its widths those of the weights. */
  readonly network: Network;
  readonly weights: Weights;
  /** The file and what it is: 'w.npz (npz, torchvision names)'. */
  readonly source: string;
  /** What the file says its inputs went through. */
  readonly preprocess?: Preprocess;
  /** In how many views the file itself takes pictures, where it does. */
  readonly views?: 1 | 10;
  /** The class names that the file tells, where it tells them all, or those of classes.txt beside it. */
  readonly classes?: readonly string[];
  /** What a reader of the result should know, one line each. */
  readonly notes: readonly string[];
}

interface FitOptions {
  /** Default: the one that the metadata name, else the only one that fits. */
  readonly network?: Network;
  /** What inputs went through, where the file does not say it. */
  readonly published?: Preprocess;
  /** How a reader says which network is meant. */
  readonly wish?: string;
}

/** The weights in an open file, which messages call `path`. Rejects with InputError as loadWeights says. */
export async function fittedWeights(path: string, file: TensorFile, options: FitOptions): Promise<Loaded> {
  const { network, published, wish } = options;
  const plan = network ? about(path, () => mapTensors(network, file)) : infer(path, file, wish);
  const read = await readWeights(path, file, plan.assignments);
  const { weights, notes } = about(path, () => refolded(plan.network, read, file));
  const told = preprocessOf(path, file) ?? published;
  const classes = about(path, () => classesIn(file.metadata));
  const views = about(path, () => viewsIn(file.metadata));
  return {
    network: plan.network,
    weights,
    source: `${path} (${file.format}, ${plan.by})`,
    ...(told ? { preprocess: withCrop(told, plan.network) } : {}),
    ...(views ? { views } : {}),
    ...(classes?.length === classCount(plan.network) ? { classes } : {}),
    notes: [
      ...file.notes,
      ...plan.notes,
      ...transposed(plan),
      ...notes,
      ...(told ? mismatches(told, plan.network) : usualNote(plan)),
      ...strangers(file, plan.network),
    ],
  };
}

/** The weights for the network's own dropout, where the file says that they are for the other convention. */
function refolded(network: Network, weights: Map<string, Tensor>, { metadata }: TensorFile) {
  const theirs = metadata.get('dropout');
  const own = dropoutOf(network);
  if (theirs === undefined || own === null || theirs === own) return { weights, notes: [] };
  if (theirs !== 'paper' && theirs !== 'inverted') {
    throw new Error(`its metadata call dropout '${theirs.slice(0, 40)}': 'paper' and 'inverted' are known`);
  }
  const arrays = new Map([...weights].map(([name, t]) => [name, fromTensor(t)]));
  const wish = { dropout: own };
  const made = convertConventions(withDropout(network, theirs), arrays, network.preprocess, wish);
  return { weights: new Map([...made.arrays].map(([name, a]) => [name, toTensor(a)])), notes: made.notes };
}

/** What the file says that its inputs went through. Throws InputError where that is not a preprocessing. */
export function preprocessOf(path: string, file: TensorFile): Preprocess | undefined {
  const text = file.metadata.get('preprocess');
  return text === undefined ? undefined : about(path, () => parsePreprocess(text));
}

/** What was moved, one line for all layers that share it. */
export function transposed({ assignments }: Mapping): string[] {
  const lines = new Map<string, string[]>();
  for (const { own, layout } of assignments) {
    const moved = describeLayout(layout);
    if (moved !== '') lines.set(moved, [...(lines.get(moved) ?? []), own]);
  }
  return [...lines].map(([moved, names]) => `${names.join(', ')}: ${moved}`);
}

/** Side of the picture that comes out; 0 where pictures are taken as they are. */
const side = ({ crop, resize }: Preprocess): number =>
  crop.size || (resize.mode === 'none' ? 0 : resize.size);

/** The file's preprocessing; with the network's own resize and crop where the file's picture would not fit it. */
function withCrop(preprocess: Preprocess, { input, preprocess: own }: Network): Preprocess {
  const fits = side(preprocess) === 0 || side(preprocess) === input[1];
  return fits ? preprocess : { ...preprocess, resize: own.resize, crop: own.crop };
}

/** Where what the weights were fed is not what the network usually is. */
function mismatches(told: Preprocess, { name, input, preprocess }: Network): string[] {
  const notes: string[] = [];
  if (told.channels !== preprocess.channels) {
    notes.push(`these weights take ${told.channels} input; ${name} by itself takes ${preprocess.channels}`);
  }
  if (side(told) !== 0 && side(told) !== input[1]) {
    const theirs = `these weights come with pictures of ${side(told)}`;
    notes.push(`${theirs}; ${name} takes ${input[1]}: its own crop is used`);
  }
  return notes;
}

/** Where the file says that it is of a network that is none of this program's. */
function strangers({ metadata }: TensorFile, { name }: Network): string[] {
  const said = metadata.get('network');
  if (said === undefined || networks.some((network) => network.name === said)) return [];
  const theirs = `these weights are of a network '${said.slice(0, 40)}'`;
  return [`${theirs}: taken for ${name}, whose layers may be others`];
}

/** What weights for ImageNet with these names are usually fed. */
const caffe = { channels: 'BGR', range: 255 } as const;
const usual: { readonly [N in Naming]?: Pick<Preprocess, 'channels' | 'range'> } = {
  Caffe: caffe,
  Caffe2: caffe,
  'ONNX model zoo': caffe,
  torchvision: { channels: 'RGB', range: 1 },
};

/** Names tell who trained the weights, and so what they are usually fed; nothing is said for small images. */
function usualNote({ naming, network }: Mapping): string[] {
  const { channels, range } = network.preprocess;
  const wish = naming === null || network.input[1] < 200 ? undefined : usual[naming];
  if (!wish || (wish.channels === channels && wish.range === range)) return [];
  const theirs = `${wish.channels} input of 0..${wish.range}`;
  const ours = `${network.name} takes ${channels} of 0..${range}`;
  return [`${naming} names: such weights usually take ${theirs}; ${ours}`];
}

/**
 * The mappings to the network that the metadata name, else to all that the tensors fit: those by name, if
 * there are any, before those by order and shape.
 */
export function candidates(path: string, file: TensorFile): Mapping[] {
  const name = file.metadata.get('network');
  const known = networks.find((network) => network.name === name);
  if (known) return [about(path, () => mapTensors(known, file))];
  const found = networks.flatMap((network) => {
    try {
      return mapTensors(network, file);
    } catch {
      return []; // it does not fit: that is the question
    }
  });
  const byName = found.filter(({ naming }) => naming !== null);
  // torchvision's names are torchvision's network; another of the same shapes must be asked for
  const own = byName.filter(({ naming, network }) => naming === network.name);
  return own.length > 0 ? own : byName.length > 0 ? byName : found;
}

function infer(path: string, file: TensorFile, wish = 'say which with --network'): Mapping {
  const found = candidates(path, file);
  if (found.length === 1) return found[0];
  const names = found.map(({ network }) => network.name).join(', ');
  const fits = names
    ? `several networks (${names})`
    : `no network (the file has ${list(file.tensors.keys())})`;
  throw new InputError(`${path}: fits ${fits}; ${wish}`);
}

/** Arrays that are read side by side: one is unpacked while another is looked at. */
const LANES = 2;

/**
 * The tensors in this project's order. Throws InputError naming the one that is damaged or holds NaN or
 * infinity, once nothing is read any more.
 */
async function readWeights(
  path: string,
  file: TensorFile,
  assignments: readonly Assignment[],
): Promise<Map<string, Tensor>> {
  const weights = new Map<string, Tensor>();
  const queue = [...assignments];
  const lane = async () => {
    for (let next = queue.shift(); next; next = queue.shift())
      weights.set(next.own, await readWeight(path, file, next));
  };
  const lanes = await Promise.allSettled(Array.from({ length: LANES }, lane));
  for (const { reason } of lanes as PromiseRejectedResult[]) if (reason) throw reason;
  return new Map(assignments.map(({ own }) => [own, weights.get(own) as Tensor]));
}

async function readWeight(path: string, file: TensorFile, { theirs, layout }: Assignment): Promise<Tensor> {
  const array = file.tensors.get(theirs);
  if (!array) throw new Error(`there is no '${theirs}'`);
  const fetched = await array.fetch?.();
  const data = about(path, () => (fetched ? arrange(widen(fetched), layout) : arranged(array, layout)));
  const at = firstNotFinite(data);
  if (at >= 0) throw new InputError(`${path}: '${theirs}' holds ${data[at]} (value ${at} of ${data.length})`);
  return tensor(data, layout.shape);
}

function arranged(array: LazyValue, layout: Layout): Storage {
  const { dtype, part } = array;
  return layout.axes === 'IO' && part
    ? arrangeParts({ dtype, part }, layout)
    : arrange(widen(array.read()), layout);
}

/** Index of the first NaN or infinity, -1 if there is none. */
export function firstNotFinite(data: Storage): number {
  // the sum of x·0 is 0 unless one is not finite: a loop without branches for the usual case
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += data[i] * 0;
  return sum === 0 ? -1 : data.findIndex((value) => !Number.isFinite(value));
}
