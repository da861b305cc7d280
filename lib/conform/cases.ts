/**
 * This project's own test cases: fixtures/ops/<operation>/cases.json, computed by PyTorch in float64 (its make.py).
 *
 * All dimensions of a case differ from one another, strides and pads are asymmetric, so that a swapped axis
 * cannot hide.
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

/** A case of a gradient: `expected` holds dx (dx0, dx1 … of concat), dw and db for the given dy. */
export interface GradientCase extends Case {
  readonly dy: Stored;
}

/** The folder of the fixtures, seen from the source or from dist/. */
function folder(): string {
  for (const path of ['../../fixtures/ops/', '../../../fixtures/ops/']) {
    const found = fileURLToPath(new URL(path, import.meta.url));
    if (existsSync(found)) return found;
  }
  throw new InputError('this installation has no test vectors (fixtures/ops): run it in the repository');
}

/** The content of fixtures/ops/<operation>/<file>, by operation. */
function readFixtures(file: string): [operation: string, content: { provenance: string; cases: Stored[] }][] {
  const root = folder();
  return readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(`${root}${entry.name}/${file}`))
    .map(({ name }) => name)
    .sort()
    .map((name) => [name, JSON.parse(readFileSync(`${root}${name}/${file}`, 'utf8'))]);
}

/** Every case of every operation, by operation and in the file's order. InputError where there are none. */
export const readCases = (): Case[] =>
  readFixtures('cases.json').flatMap(([operation, { provenance, cases }]) =>
    (cases as unknown as Case[]).map((one) => ({ ...one, operation, by: `${one.by} (${provenance})` })),
  );

/** Every case of every gradient (backward.json), with the inputs and attributes of the forward case of its title. */
export function readGradientCases(): GradientCase[] {
  const forward = new Map(readCases().map((one) => [`${one.operation} ${one.title}`, one]));
  return readFixtures('backward.json').flatMap(([operation, { provenance, cases }]) =>
    (cases as unknown as GradientCase[]).map((one) => {
      const by = one.by ? `${one.by} (${provenance})` : provenance;
      if (one.inputs) {
        const { dy, ...inputs } = one.inputs;
        return { ...one, operation, by, inputs, dy };
      }
      const { title, dy, every, ...gradients } = one as unknown as Record<string, Stored> & { title: string };
      // ONNX's graph gives every maximum the gradient, as the exporter's does
      const expected = every ? { dx: every } : gradients;
      return { ...forward.get(`${operation} ${title}`)!, by, dy, expected };
    }),
  );
}
