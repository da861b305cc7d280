/**
 * Folders of pictures, one per class: ROOT/CLASS/*.jpg, or ROOT/train/CLASS/*.jpg with val and test beside
 * train. Classes are sorted by name, character by character, as torchvision's ImageFolder does ('10' comes
 * before '2').
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe } from '../disk/source.ts';
import { InputError } from '../errors.ts';
import { picturesOf } from '../image/load.ts';
import { type Dataset, type Split, type SplitName, splitOf } from './dataset.ts';

const SPLITS: readonly SplitName[] = ['train', 'val', 'test'];

/**
 * Lists the pictures; none is opened that is called like one. Throws InputError naming the folder: no class
 * folders in it, a class without pictures, a class of val or test that train does not have.
 */
export async function openImageFolder(path: string): Promise<Dataset> {
  const named = await splitFolders(path);
  const folders: [SplitName, string][] =
    named.length > 0 ? named.map((name) => [name, join(path, name)]) : [['all', path]];
  const found = new Map<SplitName, string[]>();
  for (const [name, folder] of folders) found.set(name, await classFolders(folder));
  const classes = [...found.values()][0];
  const splits = new Map<SplitName, Split>();
  for (const [name, folder] of folders) {
    splits.set(name, await split(name, folder, found.get(name)!, classes));
  }
  return { format: 'folders of pictures', path, classes, splits, close() {} };
}

/** Those of train, val and test that hold folders themselves: a class may be called 'train' too. */
async function splitFolders(root: string): Promise<SplitName[]> {
  const names = await subfolders(root);
  const found: SplitName[] = [];
  for (const name of SPLITS) {
    if (names.includes(name) && (await subfolders(join(root, name))).length > 0) found.push(name);
  }
  return found;
}

async function classFolders(folder: string): Promise<string[]> {
  const names = await subfolders(folder);
  if (names.length > 0) return names;
  throw new InputError(
    `${folder}: no data set: it needs a folder for each class (cat/1.jpg, dog/1.jpg), or train/ and val/ with such folders`,
  );
}

/** Names of the folders in a folder, and of links to folders; not of hidden ones. Sorted. */
async function subfolders(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error) => {
    throw new InputError(`${folder}: ${describe(error)}`);
  });
  const names: string[] = [];
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    const isFolder = entry.isSymbolicLink()
      ? (await stat(join(folder, entry.name)).catch(() => undefined))?.isDirectory()
      : entry.isDirectory();
    if (isFolder) names.push(entry.name);
  }
  return names.sort((a, b) => (a < b ? -1 : 1));
}

async function split(
  name: SplitName,
  folder: string,
  present: readonly string[],
  classes: readonly string[],
): Promise<Split> {
  const files: string[] = [];
  const labels: number[] = [];
  for (const className of present) {
    const label = classes.indexOf(className);
    if (label < 0)
      throw new InputError(`${join(folder, className)}: a class that the training set does not have`);
    for (const file of await picturesOf(join(folder, className))) {
      files.push(file);
      labels.push(label);
    }
  }
  return splitOf(name, labels, (i) => ({ name: files[i], file: files[i] }));
}
