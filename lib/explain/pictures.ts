/** The pictures among which the page finds the nearest ones: their codes, computed once and kept. */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { joined } from '../../export/wire.ts';
import type { Image } from '../../reference/input/preprocess.ts';
import { resizeBilinear } from '../../reference/input/resize.ts';
import { dense } from '../../reference/tensor.ts';
import { writeWhole } from '../disk/write.ts';
import { InputError } from '../errors.ts';
import { openSafetensors, safetensorsPieces } from '../format/safetensors.ts';
import { fromBytes } from '../format/source.ts';
import { GENERATOR } from '../format/strings.ts';
import { eachPicture } from '../image/load.ts';
import { hiddenOf } from '../picture/codes.ts';
import { type Coded, eachCode } from '../picture/folder.ts';
import type { Seer } from '../picture/subject.ts';
import { cacheFolder } from '../weights/published.ts';

/** Side of the small pictures that the page shows, at most. */
const SIDE = 96;

export interface Pictures {
  /** A .safetensors file: `codes` (N, L), `small` (N, side, side, 3); their names and the layer in the metadata. */
  readonly bytes: Uint8Array;
  readonly notes: readonly string[];
}

/**
 * Computed, or what an earlier run kept for the same weights and the same files, if it is whole. Rejects with
 * InputError where no picture of the folder can be read.
 */
export async function picturesOf(
  seer: Seer,
  folder: string,
  progress?: (done: number, total: number) => void,
): Promise<Pictures> {
  const kept = join(dirname(cacheFolder()), 'pictures', `${await keyOf(seer, folder)}.safetensors`);
  const known = await whole(kept);
  if (known) return { bytes: known, notes: [] };
  const hidden = hiddenOf(seer.network);
  const all: Coded[] = [];
  const failures = await eachCode(hidden, seer, folder, (some) => {
    all.push(...some.map((one) => ({ ...one, crop: small(one.crop) })));
    progress?.(all.length, all.length);
  });
  if (all.length === 0) throw new InputError(failures[0]?.error ?? `${folder}: no picture in this folder`);
  const bytes = joined(pieces(all, hidden.layers.at(-1)!.name));
  if (failures.length === 0) await keep(kept, bytes);
  return { bytes, notes: failures.map(({ error }) => error) };
}

/** What lies there; undefined, and it is gone, where a byte of it has changed. */
async function whole(path: string): Promise<Uint8Array | undefined> {
  const bytes = await readFile(path).catch(() => undefined);
  if (!bytes) return undefined;
  try {
    const { tensors, metadata } = openSafetensors(fromBytes(bytes, path));
    const [codes, small] = ['codes', 'small'].map((name) => tensors.get(name)!.read().data as Uint8Array);
    const [names, layer] = ['names', 'layer'].map((name) => metadata.get(name)!);
    if (metadata.get('sha256') === digestOf([names, layer, codes, small])) return bytes;
  } catch {}
  await rm(path, { force: true });
  return undefined;
}

function digestOf(parts: readonly (string | NodeJS.ArrayBufferView)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

/** Where nothing can be kept it is computed again. */
async function keep(path: string, content: Uint8Array): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeWhole({ path, mark: 'safetensors', content });
  } catch {}
}

function pieces(all: readonly Coded[], layer: string): Uint8Array[] {
  const [{ code, crop }] = all;
  const codes = new Float32Array(all.length * code.length);
  const pictures = new Uint8Array(all.length * crop.data.length);
  for (const [n, one] of all.entries()) {
    codes.set(one.code, n * code.length);
    pictures.set(one.crop.data, n * crop.data.length);
  }
  const names = JSON.stringify(all.map(({ image }) => image.split('/').at(-1)));
  return safetensorsPieces(
    [
      ['codes', { dtype: 'float32', shape: [all.length, code.length], data: codes }],
      ['small', { dtype: 'uint8', shape: [all.length, crop.height, crop.width, 3], data: pictures }],
    ],
    new Map([
      ['generator', GENERATOR],
      ['layer', layer],
      ['names', names],
      ['sha256', digestOf([names, layer, codes, pictures])],
    ]),
  );
}

function small(crop: Image): Image {
  const side = Math.min(SIDE, crop.width);
  return side === crop.width ? crop : resizeBilinear(crop, side, side);
}

/** Of the network, its weights, and the names, sizes and times of the files. */
async function keyOf({ network, weights, meanImage }: Seer, folder: string): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(network));
  for (const t of [...weights.values(), ...(meanImage ? [meanImage] : [])]) hash.update(dense(t));
  for await (const picture of eachPicture([folder])) {
    const told = 'file' in picture ? await stat(picture.file).catch(() => undefined) : undefined;
    hash.update(JSON.stringify([picture.path, told?.size, told?.mtimeMs]));
  }
  return hash.digest('hex');
}
