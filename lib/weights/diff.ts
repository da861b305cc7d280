/** The function behind `alexnet weights diff`: two files tensor by tensor, in units in the last place. */

import type { Shape, Storage } from '../../reference/tensor.ts';
import type { NumericDType } from '../array/dtype.ts';
import { type NumericValue, widen } from '../array/value.ts';
import { checkArgument, resolveNetwork, text } from '../checks.ts';
import type { TensorFile } from '../format/tensors.ts';
import { mappingOf, readArrays } from './convert.ts';
import { candidates } from './fitted.ts';
import { fileOf } from './get.ts';
import { withWeightFile } from './load.ts';

export interface TensorDiff {
  readonly name: string;
  /** Null where a file lacks the tensor. */
  readonly shapes: readonly [Shape | null, Shape | null];
  readonly dtypes: readonly [NumericDType | null, NumericDType | null];
  /** Values that differ in their bits, widened where the types differ: +0 and −0 do, and NaNs of other payloads. */
  readonly differing: number;
  readonly values: number;
  /**
   * Largest distance in ULPs of float32, of float64 where both are float64; Infinity where one is NaN or
   * shapes differ.
   */
  readonly ulps: number;
  /** Largest absolute difference. */
  readonly absolute: number;
  /** Flat index of the value with the largest distance. */
  readonly at: number;
}

export interface WeightsDiff {
  readonly files: readonly [string, string];
  /** Under whose names the tensors are compared. */
  readonly network: string | null;
  readonly tensors: readonly TensorDiff[];
  readonly equal: boolean;
}

/** Compares them under the layers of a network that both fit, else by their own names. Throws InputError. */
export async function diffWeights(one: string, other: string, network?: string): Promise<WeightsDiff> {
  for (const file of [one, other]) checkArgument('diffWeights: file', file, text);
  const wanted = network === undefined ? null : resolveNetwork(network);
  const a = fileOf(one);
  const b = fileOf(other);
  return withWeightFile(a, (first) =>
    withWeightFile(b, (second) => {
      const fitting = (path: string, file: TensorFile) =>
        candidates(path, file).map((found) => found.network.name);
      const both = wanted ? [] : fitting(b, second);
      const common = wanted ?? fitting(a, first).find((name) => both.includes(name));
      const chosen = typeof common === 'string' ? resolveNetwork(common) : common;
      const arrays = (path: string, file: TensorFile) =>
        readArrays(path, file, chosen ? mappingOf(path, file, chosen).mapping : null);
      const x = arrays(a, first);
      const y = arrays(b, second);
      const names = [...new Set([...x.keys(), ...y.keys()])];
      const tensors = names.map((name) => compare(name, x.get(name), y.get(name)));
      const equal = tensors.every(({ differing }) => differing === 0);
      return { files: [a, b], network: chosen?.name ?? null, tensors, equal };
    }),
  );
}

function compare(name: string, a?: NumericValue, b?: NumericValue): TensorDiff {
  const shapes = [a?.shape ?? null, b?.shape ?? null] as const;
  const dtypes = [a?.dtype ?? null, b?.dtype ?? null] as const;
  const values = Math.max(a?.data.length ?? 0, b?.data.length ?? 0);
  if (!a || !b || a.shape.join() !== b.shape.join()) {
    return {
      name,
      shapes,
      dtypes,
      values,
      differing: values || 1,
      ulps: Infinity,
      absolute: Infinity,
      at: 0,
    };
  }
  const both = a.dtype === 'float64' && b.dtype === 'float64';
  const compared = distances(widen(a), widen(b), both ? ulps64 : ulps32);
  return { name, shapes, dtypes, values, ...compared };
}

/** Whether two NaNs have the same bits; true where the types differ. */
function samePayload(a: Storage, b: Storage, at: number): boolean {
  const width = a.BYTES_PER_ELEMENT;
  const bytes = ({ buffer, byteOffset }: Storage) => new Uint8Array(buffer, byteOffset + at * width, width);
  return width !== b.BYTES_PER_ELEMENT || bytes(a).join() === bytes(b).join();
}

type Distance = (a: number, b: number) => number;

function distances(a: Storage, b: Storage, distance: Distance) {
  let differing = 0;
  let ulps = 0;
  let absolute = 0;
  let at = 0;
  for (let i = 0; i < a.length; i++) {
    if (Object.is(a[i], b[i]) && (!Number.isNaN(a[i]) || samePayload(a, b, i))) continue;
    differing++;
    const away = distance(a[i], b[i]);
    if (away > ulps) {
      ulps = away;
      at = i;
    }
    absolute = Math.max(absolute, Number.isNaN(a[i] - b[i]) ? Infinity : Math.abs(a[i] - b[i]));
  }
  return { differing, ulps, absolute, at };
}

const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);
const double = new Float64Array(1);
const longBits = new BigInt64Array(double.buffer);

/** The place of a float32 among all float32 in order; −0 is one below +0. */
function place32(value: number): number {
  float[0] = value;
  return bits[0] >= 0 ? bits[0] : -(bits[0] & 0x7fffffff) - 1;
}

function place64(value: number): bigint {
  double[0] = value;
  return longBits[0] >= 0n ? longBits[0] : -(longBits[0] & 0x7fffffffffffffffn) - 1n;
}

const ulps32: Distance = (a, b) => (Number.isNaN(a - b) ? nan(a, b) : Math.abs(place32(a) - place32(b)));
const ulps64: Distance = (a, b) => {
  if (Number.isNaN(a - b)) return nan(a, b);
  const away = place64(a) - place64(b);
  return Number(away < 0n ? -away : away);
};
const nan = (a: number, b: number): number => (a === b ? 0 : Infinity);
