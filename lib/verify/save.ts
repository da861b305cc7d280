/**
 * A run that anybody can judge again (dump/record.ts): what was compared, oracle.npz and device.npz, every layer's
 * values under its name, the input as `input`; and run.json, which says of what it was a run, on what and how, and
 * the SHA-256 of each of its files.
 */
import { createHash } from 'node:crypto';
import { arch, cpus, platform, release } from 'node:os';
import { join } from 'node:path';
import type { Tensor } from '../../reference/tensor.ts';
import { fromTensor } from '../array/value.ts';
import { type Guard, makeFolder, type Target } from '../disk/target.ts';
import { writeTogether } from '../disk/write.ts';
import { npzPieces } from '../format/npy.ts';
import { gpus } from '../runtime/hardware.ts';
import { installation } from '../runtime/installation.ts';
import { lrnOf } from '../runtime/session.ts';
import { version } from '../version.ts';
import {
  filesOf,
  RECORD,
  type RecordedOptions,
  RUN,
  recordedRoles,
  type SavedFile,
  type SavedRun,
  sides,
} from './dump/record.ts';
import type { VerifyOptions } from './options.ts';
import type { Verification } from './verification.ts';

export const saveTargets = (folder: string): readonly Target[] => [
  ...sides.map((side) => ({ path: join(folder, `${side}.npz`), mark: 'npz', option: '--save' }) as const),
  { path: join(folder, RUN), mark: 'run', option: '--save' },
];

/** Makes the folder if need be. Rejects as `writeTogether` does; all files are written or none. */
export async function saveRun(
  folder: string,
  result: Verification & Pick<SavedRun, 'weights' | 'inputSource'>,
  options: VerifyOptions,
  guard: Guard = {},
): Promise<void> {
  await makeFolder(folder);
  const archives = sides.map((side) => archive(result.values[side]));
  const files: SavedFile[] = archives.map((pieces, i) => {
    const hash = createHash('sha256');
    for (const piece of pieces) hash.update(piece);
    return { role: sides[i], file: `${sides[i]}.npz`, sha256: hash.digest('hex') };
  });
  for (const role of recordedRoles) files.push(...(await filesOf(role, options)));
  const run = `${JSON.stringify(await runOf(result, options, files), null, 2)}\n`;
  const targets = saveTargets(folder);
  await writeTogether(
    [...archives, run].map((content, i) => ({ ...targets[i], content })),
    guard,
  );
}

const archive = (values: ReadonlyMap<string, Tensor>): Uint8Array[] =>
  npzPieces([...values].map(([name, t]) => [name, fromTensor(t)] as const));

async function runOf(
  result: Verification & Pick<SavedRun, 'weights' | 'inputSource'>,
  options: VerifyOptions,
  files: readonly SavedFile[],
): Promise<SavedRun> {
  const { network, weights, input, inputSource, device, placement, required, verdict, first } = result;
  const elsewhere = options.values !== undefined || options.endpoint !== undefined;
  const isGpu = !elsewhere && (device === 'cuda' || device === 'webgpu');
  return {
    version: 1,
    record: RECORD,
    versions: {
      'alexnet-oracle': version,
      'onnxruntime-node': elsewhere ? null : (installation()?.version ?? null),
      node: process.versions.node,
    },
    ...{ network, weights, input, inputSource },
    ...{ device, placement, arithmetic: required, verdict, first },
    computer: elsewhere
      ? null
      : {
          system: `${platform()} ${release()} ${arch()}`,
          processor: cpus()[0]?.model ?? null,
          gpus: isGpu ? await gpus() : [],
          ...(device === 'cuda' && { tf32: process.env.NVIDIA_TF32_OVERRIDE === '0' ? 'off' : 'on' }),
        },
    options: decisive(result, options, elsewhere),
    types: Object.fromEntries(result.values.types ?? []),
    files,
  };
}

/** The options on which the verdict depends, spelt out where their default depends on the device. */
function decisive(
  { network, training, input, device }: Verification,
  options: VerifyOptions,
  elsewhere: boolean,
): RecordedOptions {
  const { model, seed, init, precision, require, lrn, graph, update } = options;
  const written = model === undefined && graph === undefined && !elsewhere && device !== 'other';
  const name = options.network ?? (model === undefined ? network : undefined);
  return {
    network: typeof name === 'object' ? name.name : name,
    ...{ seed, init, precision, require, graph, update },
    lrn: lrn ?? (written ? lrnOf(device) : undefined),
    ...(training && {
      batch: options.input === undefined ? input[0] : undefined,
      labels: training.labels,
      steps: training.steps,
      learningRate: training.learningRate,
      momentum: training.momentum,
      weightDecay: training.weightDecay,
    }),
  };
}
