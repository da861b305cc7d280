/** Weights from a file, fitted to a network: what --weights means in every command. */
import { fitNetwork } from '../../reference/networks/fit.ts';
import { networks } from '../../reference/networks/index.ts';
import type { Network } from '../../reference/networks/layers.ts';
import type { Weights } from '../../reference/oracle.ts';
import type { Preprocess } from '../../reference/preprocess.ts';
import { type Shape, type Storage, type Tensor, tensor } from '../../reference/tensor.ts';
import { InputError } from '../errors.ts';
import { toTensor } from '../format/array.ts';
import { openTensors, type TensorFile } from '../format/open.ts';
import { nameByConvention, namesUnder } from './names.ts';
import { parsePreprocess } from './preprocess.ts';

export interface Loaded {
  /** The network, its widths those of the weights. */
  readonly network: Network;
  readonly weights: Weights;
  /** The file and what it is: 'w.npz (npz, torchvision names)'. */
  readonly source: string;
  /** What the file says its inputs went through. */
  readonly preprocess?: Preprocess;
  /** What a reader of the result should know, one line each. */
  readonly notes: readonly string[];
}

/**
 * The weights in the file `path`, every value a float32 or float64 as the file has it (halves widened exactly).
 * Without a network: the one that the file's metadata name, else the only one that fits.
 * Throws InputError, in one line that names the file: missing, unreadable, of no known format, damaged, tensors missing, left
 * over or of a shape that cannot belong to the network, NaN or infinity in a tensor, no network or several that fit.
 */
export async function loadWeights(path: string, network?: Network): Promise<Loaded> {
  const file = openTensors(path);
  try {
    const plan = network ? planFor(path, file, network) : await infer(path, file);
    const weights = new Map<string, Tensor>();
    for (const { own, theirs, shape } of plan.tensors)
      weights.set(own, readTensor(path, file, theirs, shape));
    const text = file.metadata.get('preprocess');
    const preprocess = text === undefined ? undefined : named(path, () => parsePreprocess(text));
    const other = preprocess && preprocess.channels !== plan.network.preprocess.channels;
    return {
      network: plan.network,
      weights,
      source: `${path} (${file.format}, ${plan.naming} names)`,
      ...(preprocess ? { preprocess } : {}),
      notes: other ? [...plan.notes, channelNote(preprocess, plan.network)] : plan.notes,
    };
  } finally {
    file.close();
  }
}

const channelNote = ({ channels }: Preprocess, { name, preprocess }: Network): string =>
  `these weights take ${channels} input; ${name} by itself takes ${preprocess.channels}`;

interface Plan {
  readonly network: Network;
  readonly naming: string;
  readonly tensors: readonly { readonly own: string; readonly theirs: string; readonly shape: Shape }[];
  readonly notes: readonly string[];
}

/** Which tensor of the file is which of the network's; throws InputError where they do not fit. */
function planFor(path: string, file: TensorFile, network: Network): Plan {
  const found = nameByConvention(network, [...file.tensors.keys()]);
  if (!found) throw new InputError(`${path}: no tensor has a name that ${network.name} knows${some(file)}`);
  const missing = [...(namesUnder(network, found.naming) ?? [])].filter(([own]) => !found.names.has(own));
  if (missing.length > 0) {
    const names = missing.map(([, theirs]) => `'${found.prefix}${theirs}'`);
    throw new InputError(`${path}: ${list(names)} missing (${network.name} needs ${missing.length} more)`);
  }
  const used = new Set(found.names.values());
  const extra = [...file.tensors.keys()].filter((name) => !used.has(name));
  if (extra.length > 0) {
    throw new InputError(
      `${path}: ${network.name} has no place for ${list(extra.map((name) => `'${name}'`))}`,
    );
  }
  const tensors = [...found.names].map(([own, theirs]) => {
    return { own, theirs, shape: file.tensors.get(theirs)?.shape ?? [] };
  });
  const shapes = new Map(tensors.map(({ own, shape }) => [own, shape]));
  return {
    network: named(path, () => fitNetwork(network, shapes)),
    naming: found.naming,
    tensors,
    notes: [],
  };
}

const list = (names: readonly string[]): string =>
  names.length > 4 ? `${names.slice(0, 4).join(', ')} and ${names.length - 4} more` : names.join(', ');

const some = (file: TensorFile): string => ` (the file has ${list([...file.tensors.keys()])})`;

async function infer(path: string, file: TensorFile): Promise<Plan> {
  const name = file.metadata.get('network');
  const known = networks.find((network) => network.name === name);
  if (known) return planFor(path, file, known);
  const plans: Plan[] = [];
  for (const network of networks) {
    try {
      plans.push(planFor(path, file, network));
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
    }
  }
  if (plans.length === 1) return plans[0];
  if (plans.length === 0)
    throw new InputError(`${path}: fits no network${some(file)}; say which with --network`);
  const names = plans.map(({ network }) => network.name).join(', ');
  throw new InputError(`${path}: fits several networks (${names}); say which with --network`);
}

/** An error of the reference becomes one about the file. */
function named<T>(path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw new InputError(`${path}: ${(error as Error).message}`);
  }
}

function readTensor(path: string, file: TensorFile, name: string, shape: Shape): Tensor {
  const array = file.tensors.get(name);
  if (!array) throw new Error(`there is no '${name}'`);
  const { data } = toTensor(array.read());
  const at = firstNotFinite(data);
  if (at >= 0) throw new InputError(`${path}: '${name}' holds ${data[at]} (value ${at} of ${data.length})`);
  return tensor(data, shape);
}

/** Index of the first NaN or infinity, -1 if there is none. */
export function firstNotFinite(data: Storage): number {
  // the sum of x·0 is 0 unless one is not finite: a loop without branches for the usual case
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += data[i] * 0;
  return sum === 0 ? -1 : data.findIndex((value) => !Number.isFinite(value));
}
