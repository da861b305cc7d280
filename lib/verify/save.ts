/** Writes what was compared: oracle.npz and device.npz, every layer's values under its name, the input as `input`. */
import { join } from 'node:path';
import type { Tensor } from '../../reference/tensor.ts';
import { fromTensor } from '../array/value.ts';
import { type Guard, makeFolder, type Target } from '../disk/target.ts';
import { writeTogether } from '../disk/write.ts';
import { npzPieces } from '../format/npy.ts';
import type { Verification } from './verification.ts';

const sides = ['device', 'oracle'] as const;

export const saveTargets = (folder: string): readonly Target[] =>
  sides.map((side) => ({ path: join(folder, `${side}.npz`), mark: 'npz', option: '--save' }));

/** Makes the folder if need be. Rejects as `writeTogether` does; both files are written or neither. */
export async function saveValues(
  folder: string,
  values: Verification['values'],
  guard: Guard = {},
): Promise<void> {
  await makeFolder(folder);
  const targets = saveTargets(folder);
  await writeTogether(
    sides.map((side, i) => ({ ...targets[i], content: archive(values[side]) })),
    guard,
  );
}

const archive = (values: ReadonlyMap<string, Tensor>): Uint8Array[] =>
  npzPieces([...values].map(([name, t]) => [name, fromTensor(t)] as const));
