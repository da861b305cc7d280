/**
 * The ONNX backend-test layout.
 *
 * A folder per test: model.onnx, test_data_set_N/input_K.pb and output_K.pb, N and K counted as numbers (input_10
 * comes after input_9). The 'light' models lie flat: NAME.onnx and NAME_output_K.pb; input element i of n is i/n.
 * data.json beside the model (the 'real' tests) may give another rtol and atol. Source:
 * onnx/backend/test/runner/__init__.py, onnx/backend/test/data/light/README.md.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { describe } from '../disk/source.ts';
import { InputError } from '../errors.ts';
import { ONNX_TOLERANCE, type TestTolerance } from './compare.ts';

export interface DataSet {
  /** Files of the inputs in the order of the graph's; 'ramp': the light models' i/n. */
  readonly inputs: readonly string[] | 'ramp';
  readonly outputs: readonly string[];
}

export interface TestFolder {
  readonly name: string;
  /** Path of the model. */
  readonly model: string;
  readonly sets: readonly DataSet[];
  /** The test's own; ONNX's where absent. */
  readonly tolerance?: TestTolerance;
}

/** How many folders deep tests are looked for. */
const MAX_DEPTH = 4;

/** The tests in these folders, sorted by name within each. InputError for a folder that is not there or has none. */
export async function findTests(folders: readonly string[]): Promise<TestFolder[]> {
  const tests: TestFolder[] = [];
  for (const folder of folders) {
    const inside = await testsIn(folder, 0);
    if (inside.length === 0) {
      throw new InputError(
        `${folder}: no tests in the ONNX backend-test layout (model.onnx, test_data_set_0/…)`,
      );
    }
    tests.push(...inside);
  }
  return tests;
}

async function testsIn(folder: string, depth: number): Promise<TestFolder[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error) => {
    throw new InputError(`${folder}: ${describe(error)}`);
  });
  const names = entries.map((entry) => entry.name).sort();
  if (names.includes('model.onnx')) return [await testOf(folder, names)];
  // a link counts as what it leads to
  const isFolder = async (name: string) => (await stat(join(folder, name)).catch(() => null))?.isDirectory();
  const inside = await Promise.all(entries.map(({ name }) => isFolder(name)));
  const folders = new Set(entries.filter((_, i) => inside[i]).map(({ name }) => name));
  const tests: TestFolder[] = [];
  for (const name of names) {
    if (folders.has(name)) {
      if (depth < MAX_DEPTH) tests.push(...(await testsIn(join(folder, name), depth + 1)));
    } else if (name.endsWith('.onnx')) {
      const stem = name.slice(0, -'.onnx'.length);
      const outputs = numbered(folder, names, `${stem}_output_`);
      if (outputs.length > 0) {
        tests.push({ name: stem, model: join(folder, name), sets: [{ inputs: 'ramp', outputs }] });
      }
    }
  }
  return tests;
}

async function testOf(folder: string, names: readonly string[]): Promise<TestFolder> {
  const sets: DataSet[] = [];
  for (const set of inOrder(names, /^test_data_set_(\d+)$/)) {
    const path = join(folder, set);
    const files = await readdir(path);
    sets.push({ inputs: numbered(path, files, 'input_'), outputs: numbered(path, files, 'output_') });
  }
  const test = { name: basename(resolve(folder)), model: join(folder, 'model.onnx'), sets };
  return names.includes('data.json')
    ? { ...test, tolerance: await toleranceIn(join(folder, 'data.json')) }
    : test;
}

async function toleranceIn(path: string): Promise<TestTolerance> {
  let given: Partial<Record<string, unknown>>;
  try {
    given = Object(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    throw new InputError(`${path}: it is not JSON`);
  }
  const { rtol = ONNX_TOLERANCE.rtol, atol = ONNX_TOLERANCE.atol } = given;
  if (typeof rtol !== 'number' || typeof atol !== 'number' || !(rtol >= 0) || !(atol >= 0)) {
    throw new InputError(`${path}: rtol and atol must be numbers of at least 0`);
  }
  return { rtol, atol };
}

const numbered = (folder: string, names: readonly string[], prefix: string): string[] =>
  inOrder(
    names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length)),
    /^(\d+)\.pb$/,
  ).map((rest) => join(folder, prefix + rest));

/** The names that match, by the number in them. */
function inOrder(names: readonly string[], pattern: RegExp): string[] {
  const numberIn = (name: string): number => Number(pattern.exec(name)![1]);
  return names.filter((name) => pattern.test(name)).sort((a, b) => numberIn(a) - numberIn(b));
}
