/** The narrow networks of fixtures/training: their layers, and the numbers that make.py computes in the same way. */

import { readFileSync } from 'node:fs';
import { networkNamed } from '../../reference/networks/index.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { inputsOf, shapes, type Weights, weightShapes } from '../../reference/oracle.ts';
import { streamOf } from '../../reference/random.ts';
import { type Shape, sizeOf, type Tensor, tensor } from '../../reference/tensor.ts';
import type { Batch, Masks } from '../../reference/training/gradient.ts';
import { readNpz } from './tensor-bytes.ts';

const folder = new URL('../../fixtures/training/', import.meta.url);

/** Numbers in [−1, 1) with 24 bits, times `scale`: an integer hash of the index, salted with the name's. */
export function hashed(name: string, shape: Shape, scale = 1): Tensor {
  const salt = streamOf(name);
  const data = new Float64Array(sizeOf(shape));
  for (let i = 0; i < data.length; i++) {
    let h = Math.imul(i + salt, 0x9e3779b1);
    h = Math.imul(h ^ (h >>> 15), 0x85ebca77);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae3d);
    h ^= h >>> 16;
    data[i] = ((h >>> 8) / 2 ** 23 - 1) * scale;
  }
  return tensor(data, shape);
}

export interface Narrow {
  readonly side: number;
  readonly scale: number;
  readonly dropout: boolean;
  readonly widths: Readonly<Record<string, number>>;
}

export const narrowNets: Readonly<Record<string, Narrow>> = JSON.parse(
  readFileSync(new URL('nets.json', folder), 'utf8'),
);

/** The network with the widths of make.py, for pictures of side × side. */
export function narrow(name: string, { side, widths }: Pick<Narrow, 'side' | 'widths'>): Network {
  const network = networkNamed(name);
  const layers = network.layers.map((layer) =>
    layer.kind === 'conv2d' || layer.kind === 'linear' ? { ...layer, channels: widths[layer.name] } : layer,
  );
  return { ...network, input: [3, side, side], layers };
}

/** make.py's `initial`. */
export function initial(name: string, network: Network, scale: number): Weights {
  const all = [...weightShapes(network)];
  const last = all[all.length - 1][0].replace(/\.bias$/, '');
  return new Map(
    all.map(([key, shape]) => {
      const salted = `${name}/${key}`;
      if (key.endsWith('.bias')) return [key, hashed(salted, shape, 0.1)];
      let deviation = Math.sqrt(6 / sizeOf(shape.slice(1)));
      if (key.startsWith('conv1.')) deviation *= scale > 2 ? 10 / scale : 1;
      else if (key.startsWith(`${last}.`) && scale > 2) deviation /= 10;
      return [key, hashed(salted, shape, deviation)];
    }),
  );
}

/** make.py's `batch` of three pictures, and its masks. */
export function batchOf(name: string, network: Network, scale: number, dropout: boolean, salt = ''): Batch {
  const known = shapes(network, 3);
  const classes = known.get(network.layers[network.layers.length - 1].name)![1];
  const masks: Masks = new Map(
    network.layers.flatMap((layer, index) => {
      if (layer.kind !== 'dropout') return [];
      const shape = known.get(inputsOf(network, index)[0])!;
      const mask = hashed(`${name}${salt}/${layer.name}`, shape);
      return [[layer.name, Uint8Array.from(mask.data, (v) => (v > 0 ? 1 : 0))] as const];
    }),
  );
  return {
    input: hashed(`${name}${salt}/input`, [3, ...network.input], scale),
    labels: [0, 3, 6].map((label) => (label + salt.length) % classes),
    dropout: dropout ? masks : 'none',
  };
}

/** PyTorch's results by name. */
export const resultsIn = (file: 'gradients.npz' | 'trajectory.npz'): Map<string, Float64Array> =>
  new Map(
    [...readNpz(readFileSync(new URL(file, folder)))].map(([name, { data }]) => [name, data as Float64Array]),
  );

/** Largest difference of two arrays, relative to the largest value of the second. */
export function difference(got: ArrayLike<number>, wanted: ArrayLike<number>): number {
  if (got.length !== wanted.length) return Infinity;
  let largest = 0;
  let error = 0;
  for (let i = 0; i < wanted.length; i++) {
    largest = Math.max(largest, Math.abs(wanted[i]));
    error = Math.max(error, Math.abs(got[i] - wanted[i]));
    if (Number.isNaN(got[i])) return Infinity;
  }
  return largest === 0 ? error : error / largest;
}
