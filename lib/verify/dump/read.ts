/**
 * Reads a dump: the values that another engine computed, by the names that it has for them. One file of many arrays
 * (.npz, .safetensors, whatever lib/format knows), or a folder of .npy and of ONNX TensorProto .pb, an array each. A
 * folder of .npz or .safetensors holds a run each.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { decodeTensor } from '../../../export/proto.ts';
import { type NumericValue, narrowed } from '../../array/value.ts';
import { describe } from '../../disk/source.ts';
import { readTensors } from '../../disk/tensors.ts';
import { InputError } from '../../errors.ts';
import { about } from '../../format/source.ts';
import { valueOfTensor } from '../../format/tensorproto.ts';

/** What one run computed. */
export type Dump = ReadonlyMap<string, NumericValue>;

const ONE = /\.(?:npy|pb)$/i;
const MANY = /\.(?:npz|safetensors)$/i;

/**
 * The runs, in the order of their files' names. `types`: of values that were halves before they were written down.
 * Throws InputError naming the file.
 */
export async function readDump(
  path: string,
  types: Readonly<Record<string, 'float16' | 'bfloat16'>> = {},
): Promise<readonly Dump[]> {
  const dumps = await readRuns(path);
  const typed = (name: string, value: NumericValue): NumericValue =>
    value.dtype === 'float32' && Object.hasOwn(types, name)
      ? narrowed({ ...value, dtype: types[name] })
      : value;
  return dumps.map((dump) => new Map([...dump].map(([name, value]) => [name, typed(name, value)])));
}

async function readRuns(path: string): Promise<readonly Dump[]> {
  const known = await stat(path).catch((error) => {
    throw new InputError(`${path}: ${describe(error)}`);
  });
  if (!known.isDirectory()) return [await readTensors(path)];
  const inOrder = new Intl.Collator('en', { numeric: true }).compare;
  const names = (await readdir(path)).sort(inOrder);
  const many = names.filter((name) => MANY.test(name));
  const single = names.filter((name) => ONE.test(name));
  if (many.length > 0 && single.length > 0)
    throw new InputError(
      `${path}: it holds ${many[0]} and ${single[0]}: files of one array or of many, not both`,
    );
  if (single.length > 0) return [await singles(path, single)];
  if (many.length === 0) throw new InputError(`${path}: it holds no .npy, .pb, .npz or .safetensors`);
  return Promise.all(many.map((name) => readTensors(join(path, name))));
}

async function singles(folder: string, names: readonly string[]): Promise<Dump> {
  const dump = new Map<string, NumericValue>();
  for (const file of names) {
    const [name, value] = await single(join(folder, file));
    if (dump.has(name)) throw new InputError(`${join(folder, file)}: '${name}' is there twice`);
    dump.set(name, value);
  }
  return dump;
}

/** An array by its file's name; a tensor that bears one by its own. */
async function single(path: string): Promise<readonly [string, NumericValue]> {
  const name = basename(path).replace(ONE, '');
  if (!/\.pb$/i.test(path)) return [name, [...(await readTensors(path)).values()][0]];
  const bytes = await readFile(path);
  return about(path, () => {
    const tensor = decodeTensor(bytes);
    const value = valueOfTensor(tensor);
    if (value.dtype === 'string') throw new Error('strings are no values of a network');
    return [tensor.name || name, value as NumericValue];
  });
}
