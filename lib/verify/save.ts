/** Writes what was compared: oracle.npz and device.npz, every layer's values under its name, the input as `input`. */
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Tensor } from '../../reference/tensor.ts';
import { InputError } from '../errors.ts';
import { fromTensor } from '../format/array.ts';
import { writeNpz } from '../format/npz.ts';
import type { Verification } from './verify.ts';

/** Makes the folder if need be. Throws InputError where it cannot be written; nothing half-written is left. */
export async function saveValues(folder: string, { device, oracle }: Verification['values']): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    await save(join(folder, 'device.npz'), device);
    await save(join(folder, 'oracle.npz'), oracle);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === 'EEXIST' || code === 'ENOTDIR' ? 'it is not a folder' : message;
    throw new InputError(`${folder}: cannot write there: ${reason}`);
  }
}

async function save(path: string, values: ReadonlyMap<string, Tensor>): Promise<void> {
  const partial = `${path}.${process.pid}.partial`;
  try {
    await writeFile(partial, writeNpz(new Map([...values].map(([name, t]) => [name, fromTensor(t)]))));
    await rename(partial, path);
  } finally {
    await rm(partial, { force: true });
  }
}
