/** Files of tensors by their names: read in every format that is known, written in the one that the name asks for. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Tensor } from '../../reference/tensor.ts';
import { fromTensor, type NumericValue } from '../array/value.ts';
import { bytes, checkAgainst, checkArgument, either, tensorLike, text, thing, truth } from '../checks.ts';
import { InputError } from '../errors.ts';
import { fromBytes } from '../format/source.ts';
import { GENERATOR } from '../format/strings.ts';
import { openTensors, type TensorFile, tensorEndings, tensorPieces } from '../format/tensors.ts';
import { openFile } from './source.ts';
import { writeWhole } from './write.ts';

/**
 * Opens the file, or the newest checkpoint in a folder of cuda-convnet's (`ConvNet__<date>/<epoch>.<batch>`); the
 * caller closes it. Throws InputError naming it.
 */
export const openTensorFile = (path: string): Promise<TensorFile> =>
  openTensors(openFile(newestCheckpoint(path) ?? path));

/** What `use` makes of that file, which is closed after it. */
export async function withTensorFile<T>(path: string, use: (file: TensorFile) => T | Promise<T>): Promise<T> {
  const file = await openTensorFile(path);
  try {
    return await use(file);
  } finally {
    file.close();
  }
}

function newestCheckpoint(path: string): string | null {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return null;
  const names = readdirSync(path).filter((name) => /^\d+\.\d+$/.test(name));
  const newest = names.sort(new Intl.Collator('en', { numeric: true }).compare).at(-1);
  return newest === undefined ? null : join(path, newest);
}

/**
 * The tensors in a file, or in the bytes of one, by the names that the file has for them, in its order and types.
 * The format is told by content: .safetensors, .npz, .npy (one tensor, 'array'), PyTorch's .pth, .caffemodel,
 * .binaryproto, HDF5, ONNX, cuda-convnet. Halves are their bits in a Uint16Array, 64-bit integers bigints.
 *
 * Throws InputError, naming the file, where it is missing, damaged or of no known format.
 */
export async function readTensors(given: string | Uint8Array): Promise<Map<string, NumericValue>> {
  checkArgument('readTensors: file', given, either("a file, or a file's bytes", text, bytes));
  const file = await (typeof given === 'string' ? openTensorFile(given) : openTensors(fromBytes(given)));
  try {
    return new Map([...file.tensors].map(([name, tensor]) => [name, tensor.read()]));
  } finally {
    file.close();
  }
}

/**
 * Writes tensors as `path`, whole or not at all, in the format of its ending: .safetensors, .npz, .pth or .pt; a
 * single one as .npy or .binaryproto. Returns a line for each whose type the format lacks: it is widened, exactly.
 *
 * Throws InputError, naming the file, for another ending, where it cannot be written, and where a file is there that
 * this program did not write (or, but for .safetensors and .npz, that does not tell), unless `force`.
 */
export async function writeTensors(
  path: string,
  tensors: ReadonlyMap<string, NumericValue | Tensor> | Readonly<Record<string, NumericValue | Tensor>>,
  options: { readonly force?: boolean } = {},
): Promise<string[]> {
  checkArgument('writeTensors: path', path, text);
  checkArgument('writeTensors: tensors', tensors, thing('tensors by name'));
  checkAgainst({ force: truth }, options, 'writeTensors');
  const ending = tensorEndings.find((known) => path.toLowerCase().endsWith(`.${known}`));
  if (!ending) throw new InputError(`${path}: tensors are written as .${tensorEndings.join(', .')}`);
  const entries = tensors instanceof Map ? [...tensors] : Object.entries(tensors);
  const values = entries.map(([name, tensor]: [string, NumericValue | Tensor]) => {
    checkArgument(`writeTensors: ${name}`, tensor, tensorLike);
    return [name, 'stride' in tensor ? fromTensor(tensor) : tensor] as const;
  });
  const notes: string[] = [];
  let pieces: Uint8Array[];
  try {
    pieces = tensorPieces(ending, values, notes, new Map([['generator', GENERATOR]]));
  } catch (error) {
    throw new InputError(`${path}: ${(error as Error).message}`);
  }
  const mark = ending === 'safetensors' || ending === 'npz' ? ending : null;
  await writeWhole({ path, mark, content: pieces }, options);
  return notes;
}
