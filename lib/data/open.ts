/** Opens a data set; the names of its files and their first bytes tell which one it is. */
import { readdir, stat } from 'node:fs/promises';
import { describe, openFile } from '../disk/source.ts';
import { InputError } from '../errors.ts';
import { isCifar10, openCifar10 } from './cifar10.ts';
import type { Dataset, Split, SplitName } from './dataset.ts';
import { openImageFolder } from './imagefolder.ts';
import { isMnist, openMnist } from './mnist.ts';

/**
 * CIFAR-10 (binary), MNIST (IDX) or folders of pictures. The caller closes it. Rejects with InputError in one
 * line.
 */
export async function openDataset(path: string): Promise<Dataset> {
  try {
    if (!(await stat(path)).isDirectory()) return await openByContent(path);
    const names = await readdir(path);
    if (isCifar10(names)) return await openCifar10(path);
    if (isMnist(names)) return await openMnist(path);
    if (names.includes('data_batch_1')) {
      throw new InputError(`${path}: CIFAR-10 as Python pickles: take its binary version (data_batch_1.bin)`);
    }
    return await openImageFolder(path);
  } catch (error) {
    throw error instanceof InputError ? error : new InputError(`${path}: ${describe(error)}`);
  }
}

/**
 * An IDX file begins with 0, 0, 8, 3, or gzip's 1f 8b; whatever else is taken for CIFAR-10, whose files have
 * no mark.
 */
async function openByContent(path: string): Promise<Dataset> {
  const file = openFile(path);
  const head = file.read(0, Math.min(4, file.size)).join();
  file.close();
  if (head.startsWith('31,139')) return openMnist(path);
  if (head === '0,0,8,3' && isMnist([path.replace(/^.*[\\/]/, '')])) return openMnist(path);
  return openCifar10(path);
}

/** In the order in which a split is taken where none is asked for. */
const PREFERRED: readonly SplitName[] = ['val', 'test', 'all', 'train'];

/**
 * The split that is asked for, else the first of val, test, all, train. InputError, naming what there is, if
 * it is missing.
 */
export function chooseSplit({ path, splits }: Dataset, asked?: SplitName): Split {
  const name = asked ?? PREFERRED.find((one) => splits.has(one));
  const split = name && splits.get(name);
  if (split) return split;
  throw new InputError(`${path}: there is no split '${name}', only ${[...splits.keys()].join(', ')}`);
}
