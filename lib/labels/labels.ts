/** Names for class numbers. */
import { readFile } from 'node:fs/promises';
import { InputError } from '../errors.ts';
import { cifar10 } from './cifar10.ts';
import { imagenet1000 } from './imagenet1000.ts';

/** The names for a network with that many classes: ImageNet's for 1000, CIFAR-10's for a cifar net, else 'class 7'. */
export function classNames(network: string, classes: number): readonly string[] {
  if (classes === 1000) return imagenet1000;
  if (classes === 10 && network.startsWith('cifar')) return cifar10;
  return Array.from({ length: classes }, (_, k) => `class ${k}`);
}

/** One name a line, in the order of the classes. Throws InputError if their number is not `classes`. */
export async function readClassNames(path: string, classes: number): Promise<readonly string[]> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    const reason =
      error.code === 'ENOENT'
        ? 'there is no such file'
        : error.code === 'EISDIR'
          ? 'it is a folder'
          : error.message;
    throw new InputError(`${path}: ${reason}`);
  });
  if (text.trim() === '') throw new InputError(`${path}: the file is empty: it needs one name a line`);
  const names = text.replace(/\r?\n$/, '').split(/\r?\n/);
  if (names.length !== classes) {
    throw new InputError(`${path}: ${names.length} names for ${classes} classes (one name a line)`);
  }
  return names;
}
