/** Writes what was compared: oracle.npz and device.npz, every layer's values under its name, the input as `input`. */
import { join } from 'node:path';
import type { Tensor } from '../../reference/tensor.ts';
import { fromTensor } from '../array/value.ts';
import { makeFolder, writeWhole } from '../files.ts';
import { writeNpz } from '../format/npz.ts';
import type { Verification } from './verification.ts';

/** Makes the folder if need be. Throws InputError where it cannot be written; nothing half-written is left. */
export async function saveValues(folder: string, { device, oracle }: Verification['values']): Promise<void> {
  await makeFolder(folder);
  await writeWhole(join(folder, 'device.npz'), archive(device));
  await writeWhole(join(folder, 'oracle.npz'), archive(oracle));
}

const archive = (values: ReadonlyMap<string, Tensor>): Uint8Array =>
  writeNpz(new Map([...values].map(([name, t]) => [name, fromTensor(t)])));
