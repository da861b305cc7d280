/**
 * This project's own test cases: fixtures/ops/<operation>/cases.json, computed by PyTorch in float64 (its make.py).
 *
 * All dimensions of a case differ from one another, strides and pads are asymmetric, so that a swapped axis cannot hide.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Shape } from '../../reference/tensor.ts';
import { InputError } from '../errors.ts';

/** Numbers of the file; the strings are 'NaN', 'Infinity' and '-Infinity'. */
interface Stored {
  readonly shape: Shape;
  readonly data: readonly (number | string)[];
}

export interface Case {
  /** Name of the operation in reference/ops. */
  readonly operation: string;
  readonly title: string;
  /** What computed the expected values. */
  readonly by: string;
  // biome-ignore lint/suspicious/noExplicitAny: each operation has its own attributes
  readonly attributes: any;
  readonly inputs: Readonly<Record<string, Stored>>;
  readonly expected: Readonly<Record<string, Stored>>;
}

/** The folder of the fixtures, seen from the source or from dist/. */
function folder(): string {
  for (const path of ['../../fixtures/ops/', '../../../fixtures/ops/']) {
    const found = fileURLToPath(new URL(path, import.meta.url));
    if (existsSync(found)) return found;
  }
  throw new InputError('this installation has no test vectors (fixtures/ops): run it in the repository');
}

/** Every case of every operation, by operation and in the file's order. InputError where there are none. */
export function readCases(): Case[] {
  const root = folder();
  const operations = readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(`${root}${entry.name}/cases.json`))
    .map(({ name }) => name)
    .sort();
  return operations.flatMap((operation) => {
    const { provenance, cases } = JSON.parse(readFileSync(`${root}${operation}/cases.json`, 'utf8'));
    return cases.map((one: Case) => ({ ...one, operation, by: `${one.by} (${provenance})` }));
  });
}
