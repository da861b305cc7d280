/** Files of tensors in one piece: arrays to bytes, bytes to arrays. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { zipSync } from 'fflate';
import { joined } from '../../export/wire.ts';
import type { LazyValue, NumericValue } from '../../lib/array/value.ts';
import { npzPieces, openNpy, openNpz, writeNpy } from '../../lib/format/npy.ts';
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

type Arrays = Iterable<readonly [string, NumericValue]>;

export const writeNpz = (arrays: Arrays): Uint8Array => joined(npzPieces(arrays));

/** Piece by piece: of weights at full size a copy would take longer. */
export function writePieces(path: string, pieces: Iterable<Uint8Array>): void {
  const file = openSync(path, 'w');
  for (const piece of pieces) for (let at = 0; at < piece.length; ) at += writeSync(file, piece, at);
  closeSync(file);
}

/** As numpy.savez_compressed writes it. */
export const writeDeflatedNpz = (arrays: Arrays): Uint8Array =>
  zipSync(Object.fromEntries([...arrays].map(([name, array]) => [`${name}.npy`, writeNpy(array)])));

export const writeSafetensors = (...given: Parameters<typeof safetensorsPieces>): Uint8Array =>
  joined(safetensorsPieces(...given));
