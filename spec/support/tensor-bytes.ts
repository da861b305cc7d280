/** Files of tensors in one piece: arrays to bytes, bytes to arrays. */
import { joined } from '../../export/write.ts';
import type { LazyValue, NumericValue } from '../../lib/array/value.ts';
import { npzPieces, openNpy, openNpz } from '../../lib/format/npy.ts';
import { openSafetensors, safetensorsPieces } from '../../lib/format/safetensors.ts';
import { fromBytes } from '../../lib/format/source.ts';

const fetched = (arrays: ReadonlyMap<string, LazyValue>): Map<string, NumericValue> =>
  new Map([...arrays].map(([name, array]) => [name, array.read()]));

export const readNpy = (bytes: Uint8Array, name = 'npy'): NumericValue =>
  openNpy(fromBytes(bytes, name)).read();

export const readNpz = (bytes: Uint8Array, name = 'npz'): Map<string, NumericValue> =>
  fetched(openNpz(fromBytes(bytes, name)));

export function readSafetensors(bytes: Uint8Array, name = 'safetensors') {
  const { tensors, metadata } = openSafetensors(fromBytes(bytes, name));
  return { tensors: fetched(tensors), metadata };
}

export const writeNpz = (...given: Parameters<typeof npzPieces>): Uint8Array => joined(npzPieces(...given));

export const writeSafetensors = (...given: Parameters<typeof safetensorsPieces>): Uint8Array =>
  joined(safetensorsPieces(...given));
