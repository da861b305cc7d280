/** Reads the fixtures of the operations: fixtures/ops/<operation>/cases.json, made by the make.py beside it. */
import { readdirSync, readFileSync } from 'node:fs';
import type { NamedCall } from '../../lib/judge/mistakes/tools.ts';
import { type Shape, type Tensor, tensor } from '../../reference/tensor.ts';

/** A call with float32 inputs, and what must come of it. */
export interface Case extends NamedCall {
  readonly title: string;
  /** Who computed the expected values. */
  readonly by: string;
  /** float64: y, and what else the operation promises (magnitude, squares, winner). */
  readonly expected: Readonly<Record<string, Tensor>>;
}

export interface Fixture {
  readonly operation: string;
  readonly provenance: string;
  readonly cases: readonly Case[];
}

interface Stored {
  readonly shape: Shape;
  /** Numbers, and the strings 'NaN', 'Infinity' and '-Infinity'. */
  readonly data: readonly (number | string)[];
}
type StoredCase = Omit<Case, 'inputs' | 'expected'> & Record<'inputs' | 'expected', Record<string, Stored>>;

const folder = new URL('../../fixtures/ops/', import.meta.url);

/** The operations that have fixtures. */
export const fixtureNames = (): string[] =>
  readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('_'))
    .map((entry) => entry.name)
    .sort();

export function fixtureOf(operation: string, file = 'cases.json'): Fixture {
  const text = readFileSync(new URL(`${operation}/${file}`, folder), 'utf8');
  const fixture: Omit<Fixture, 'cases'> & { cases: StoredCase[] } = JSON.parse(text);
  return {
    ...fixture,
    cases: fixture.cases.map((one) => ({
      ...one,
      inputs: mapValues(one.inputs, ({ shape, data }) => tensor(Float32Array.from(data, Number), shape)),
      expected: mapValues(one.expected, ({ shape, data }) => tensor(Float64Array.from(data, Number), shape)),
    })),
  };
}

function mapValues<A, B>(record: Record<string, A>, f: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, f(value)]));
}
