/**
 * Writes weights in the format that the name of the file asks for: .safetensors, .npz, .pth (.pt),
 * .caffemodel; a single array as .npy or .binaryproto. ONNX is `alexnet export`.
 */

import type { Preprocess } from '../../reference/input/preprocess.ts';
import { networks } from '../../reference/networks/index.ts';
import type { Network } from '../../reference/networks/layers.ts';
import type { NumericValue } from '../array/value.ts';
import type { Guard, Target } from '../disk/target.ts';
import { writeWhole } from '../disk/write.ts';
import { InputError } from '../errors.ts';
import { type CaffeType, caffemodelPieces } from '../format/caffemodel.ts';
import { about } from '../format/source.ts';
import { GENERATOR } from '../format/strings.ts';
import { tensorPieces } from '../format/tensors.ts';
import { CLASSES } from '../labels/labels.ts';
import { dropoutOf } from './conventions.ts';
import { type Naming, namesUnder } from './names.ts';
import { formatPreprocess } from './preprocess.ts';

const extensions = ['safetensors', 'npz', 'pth', 'pt', 'caffemodel', 'npy', 'binaryproto'] as const;
type Extension = (typeof extensions)[number];

/** The names that --names offers. */
export const writable = {
  project: 'this project',
  torchvision: 'torchvision',
  caffe: 'Caffe',
  zoo: 'ONNX model zoo',
} as const;
export type NamesOption = keyof typeof writable;

/** What the file's name asks for. Throws InputError where it asks for nothing that is written. */
function extensionOf(path: string): Extension {
  const extension = /\.(\w+)$/.exec(path)?.[1]?.toLowerCase();
  const known = extensions.find((candidate) => candidate === extension);
  if (known) return known;
  const onnx = extension === 'onnx' ? ': ONNX is written by `alexnet export --weights IN OUT.onnx`' : '';
  throw new InputError(`${path}: weights are written as .${extensions.join(', .')}${onnx}`);
}

/** The file as something to be written; only two of the formats have room for a mark. */
export function targetOf(path: string): Target {
  const extension = extensionOf(path);
  return { path, mark: extension === 'safetensors' || extension === 'npz' ? extension : null };
}

interface Contents {
  /** By this project's names, or by the file's own where there is no network. */
  readonly arrays: ReadonlyMap<string, NumericValue>;
  readonly network: Network | null;
  /** For the metadata; null where it is not known. */
  readonly preprocess: Preprocess | null;
  /** For the metadata, where they are known. */
  readonly classes?: readonly string[];
  /** Whether the network is certain, so that the metadata may name it. */
  readonly certain: boolean;
  readonly names?: NamesOption;
}

/**
 * Writes the file whole or not at all. Returns what was changed on the way. Throws InputError naming the
 * file.
 */
export async function writeWeights(path: string, contents: Contents, guard: Guard = {}): Promise<string[]> {
  const notes: string[] = [];
  const pieces = about(path, () => piecesOf(path, contents, notes));
  if (extensionOf(path) !== 'safetensors') notes.push(...untold(contents));
  await writeWhole({ ...targetOf(path), content: pieces }, guard);
  return notes;
}

function piecesOf(path: string, contents: Contents, notes: string[]): Uint8Array[] {
  const extension = extensionOf(path);
  if (extension === 'caffemodel') return caffe(contents, notes);
  const one = extension === 'npy' || extension === 'binaryproto';
  const named = one ? [...contents.arrays] : rename(contents, extension);
  return tensorPieces(extension, named, notes, metadataOf(contents));
}

function metadataOf({ network, preprocess, classes, certain }: Contents): ReadonlyMap<string, string> {
  const metadata = new Map([['generator', GENERATOR]]);
  if (network && certain) metadata.set('network', network.name);
  if (preprocess) metadata.set('preprocess', formatPreprocess(preprocess));
  if (classes) metadata.set(CLASSES, JSON.stringify(classes));
  const dropout = network && otherDropout(network);
  if (dropout) metadata.set('dropout', dropout);
  return metadata;
}

const own = (network: Network): Network | undefined => networks.find(({ name }) => name === network.name);

/** The convention of its dropout where that is not what a network of that name has. */
function otherDropout(network: Network): string | null {
  const convention = dropoutOf(network);
  return convention === dropoutOf(own(network) ?? network) ? null : convention;
}

/** What readers must be told where the format has no place for it. */
function untold({ network, preprocess, classes }: Contents): string[] {
  const said = classes ? ['the class names (--class-names takes a file of them)'] : [];
  const usual = network && own(network)?.preprocess;
  if (preprocess && usual && formatPreprocess(preprocess) !== formatPreprocess(usual)) {
    said.push(`the preprocessing (--preprocess takes ${formatPreprocess(preprocess)})`);
  }
  const dropout = network && otherDropout(network);
  if (dropout) said.push(`that its dropout is '${dropout}' (no command can be told: write .safetensors)`);
  return said.map((what) => `this format does not carry ${what}`);
}

/** PyTorch files of its own network get its names; else this project's, unless asked otherwise. */
function rename({ arrays, network, names }: Contents, extension: Extension): [string, NumericValue][] {
  if (!network) return [...arrays];
  const torch = (extension === 'pth' || extension === 'pt') && network.name === 'torchvision';
  const naming: Naming = writable[names ?? (torch ? 'torchvision' : 'project')];
  const table = namesUnder(network, naming);
  if (!table) throw new Error(`${network.name} has no ${naming} names`);
  return [...arrays].map(([own, array]) => [table.get(own) ?? own, array]);
}

function caffe({ arrays, network }: Contents, notes: string[]): Uint8Array[] {
  if (!network) throw new Error('.caffemodel needs the layers: name the network with --network');
  const layers: [string, CaffeType, NumericValue[]][] = [];
  for (const layer of network.layers) {
    if (layer.kind !== 'conv2d' && layer.kind !== 'linear') continue;
    const blobs = ['weight', 'bias'].flatMap((part) => arrays.get(`${layer.name}.${part}`) ?? []);
    for (const { dtype } of blobs) {
      if (!dtype.startsWith('float3') && dtype !== 'float64')
        notes.push(`${layer.name}: ${dtype} widened, exactly`);
    }
    layers.push([layer.name, layer.kind === 'conv2d' ? 'Convolution' : 'InnerProduct', blobs]);
  }
  return caffemodelPieces(layers, network.name);
}
