/** Writes a model to disk with its external data: both or neither, the data first. */
import path from 'node:path';
import type { ModelFile } from '../../export/index.ts';
import type { Guard, Target } from '../disk/target.ts';
import { writeTogether } from '../disk/write.ts';
import { InputError } from '../errors.ts';

/** The files that a model is written to; `external`: the bare name of the second one. */
export function modelTargets(target: string, external?: string): readonly Target[] {
  const model = { path: target, mark: 'onnx' } as const;
  if (external === undefined) return [model];
  const beside = path.join(path.dirname(target), external);
  if (path.resolve(beside) === path.resolve(target))
    throw new InputError(`${target}: the external data must have another name than the model`);
  return [{ path: beside, mark: 'externalData' }, model];
}

/** Writes `file` to `target`, and its external data, if any, beside it. Rejects as `writeTogether` does. */
export async function writeModelFile(
  target: string,
  file: Pick<ModelFile, 'chunks' | 'external'>,
  guard: Guard = {},
): Promise<void> {
  const { external } = file;
  const contents = external ? [external.chunks(), file.chunks()] : [file.chunks()];
  const targets = modelTargets(target, external?.location);
  await writeTogether(
    targets.map((one, i) => ({ ...one, content: contents[i] })),
    guard,
  );
}
