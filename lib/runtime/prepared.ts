/** A model as onnxruntime is given it: under names of its own, its large weights in a file where there is room. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeModel, encodeGraph } from '../../export/proto.ts';
import { type Renamed, renamed } from '../../export/rename.ts';
import { furtherOutputs } from '../../export/tap.ts';
import { forget, temporaryFolder } from '../disk/temporary.ts';
import { InputError } from '../errors.ts';

interface Naming {
  /** Intermediate values that are outputs too. */
  readonly taps?: readonly string[];
  /** What the model is called in messages; default: the model. */
  readonly name?: string;
}

export const THE_MODEL = 'the model';

export function namesFor(
  model: Uint8Array,
  { taps = [], name = THE_MODEL }: Naming,
  weights?: string,
): Renamed {
  if (model.length === 0) throw new InputError(`${name} is empty`);
  try {
    return renamed(model, taps.length > 0 ? tapsOf(model, taps) : undefined, weights);
  } catch (error) {
    throw new InputError(`${name}: ${(error as Error).message}`);
  }
}

const tapsOf = (model: Uint8Array, taps: readonly string[]) =>
  encodeGraph({ output: furtherOutputs(decodeModel(model), taps) });

export interface Prepared {
  readonly names: Renamed;
  /** Where it lies, its large weights beside it; undefined where they are in the model. */
  readonly folder?: string;
}

/**
 * A model with its large weights in a file, from which onnxruntime maps them: in one piece it copies them three times
 * for each session, half of what a full-size `verify` costs. Where the disk has no room they stay in the model.
 */
export async function prepared(model: Uint8Array, options: Naming): Promise<Prepared> {
  const names = namesFor(model, options, WEIGHTS);
  if (names.weights.length === 0) return { names };
  let folder: string | undefined;
  try {
    folder = temporaryFolder('alexnet-model-');
    await writeFile(join(folder, WEIGHTS), names.weights);
    await writeFile(join(folder, TAPPED), names.bytes);
    await writeFile(join(folder, UNTAPPED), names.untapped);
    return { names, folder };
  } catch {
    if (folder) await discard(folder);
    return { names: namesFor(model, options) };
  }
}

const WEIGHTS = 'weights';
const TAPPED = 'tapped.onnx';
const UNTAPPED = 'untapped.onnx';

/** The model's file in that folder, with the further outputs or without. */
export const fileIn = (folder: string, tapped: boolean): string => join(folder, tapped ? TAPPED : UNTAPPED);

export async function discard(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  forget(folder);
}
