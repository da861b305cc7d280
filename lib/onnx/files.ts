/** Model files whole, as runs read and write them: with their external data. */
import { realpathSync } from 'node:fs';
import path, { dirname, resolve } from 'node:path';
import { joined } from '../../export/wire.ts';
import { type ModelFile, modelFile } from '../../export/write.ts';
import { openFile } from '../disk/source.ts';
import type { Guard, Target } from '../disk/target.ts';
import { writeTogether } from '../disk/write.ts';
import { InputError } from '../errors.ts';
import { openModel } from '../format/onnx.ts';

/** Every ONNX file begins with the field ir_version. */
const FIRST_BYTE = 8;

/**
 * These files and the external data of the models among them. Asked only where an existing file would be replaced:
 * a model is read for it.
 */
export const withExternalData = (paths: readonly string[]) => async (): Promise<readonly string[]> =>
  paths.flatMap((path) => [path, ...externalFiles(path)]);

/** Empty for what is not a model: whoever reads it says what is wrong with it. */
function externalFiles(path: string): string[] {
  const locations = new Set<string>();
  try {
    const file = openFile(path);
    try {
      if (file.read(0, 1)[0] !== FIRST_BYTE) return [];
      const beside = (location: string) => {
        locations.add(location);
        return file.beside!(location);
      };
      openModel({ ...file, beside });
    } finally {
      file.close();
    }
  } catch {}
  // a link's own folder counts for some readers, that of its target for others
  return [...locations].flatMap((location) => [
    resolve(dirname(path), location),
    resolve(dirname(realpathSync(path)), location),
  ]);
}

/** A model file's bytes, external data taken in. Throws InputError, naming the file, if it is none or is damaged. */
export function wholeModel(path: string): Uint8Array {
  const source = openFile(path);
  try {
    const lazy = openModel(source);
    // onnxruntime makes them dense, however large that is
    if (lazy.graph && lazy.graph.sparseInitializer.length > 0)
      throw new Error('sparse initializers are not supported');
    const external = lazy.graph?.initializer.some(({ externalData }) => externalData.length > 0);
    return external ? joined(modelFile(lazy).chunks()) : source.read(0, source.size);
  } catch (error) {
    throw error instanceof InputError ? error : new InputError(`${path}: ${(error as Error).message}`);
  } finally {
    source.close();
  }
}

// ---- Writes a model to disk with its external data: both or neither, the data first.

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
