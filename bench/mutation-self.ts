/**
 * npm run mutation:self [-- --folder lib/bounds] [--changed REV] [--count 20] [--budget 20] [--suite] [--spec PATH]
 * [--again] [--write]: plants small faults in the program's own code, one at a time, and runs the specs that reach
 * the file.
 *
 * --folder    only files below it (repeatable); default: reference, export and lib
 * --changed   only files that differ from a revision
 * --count     most mutants a file; which ones hangs on the file's text alone
 * --budget    seconds of CPU that the unmutated specs of a file may take together: the quickest of its own folder,
 *             then the nearest
 * --suite     runs those of spec/suite too
 * --spec      only specs that are this file or below this folder (repeatable)
 * --again     only the survivors that bench/mutation-self.json names and bench/survivors.json has no reason for
 * --write     puts the results into bench/mutation-self.json and the table into docs/conformance.md
 *
 * Prints the survivors that bench/survivors.json has no reason for; exit 1 where there is one.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { filesBelow, root } from '../spec/support/source.ts';
import {
  type FileResult,
  RESULTS,
  readLeft,
  readResults,
  type Survivor,
  section,
  table,
  withSection,
} from './self/document.ts';
import { type Mutant, mutantsOf, nameOf } from './self/mutants.ts';
import { survivorsOf } from './self/survivors.ts';

const DOCUMENT = fileURLToPath(new URL('../docs/conformance.md', import.meta.url));

const { values: options } = parseArgs({
  options: {
    folder: { type: 'string', multiple: true, default: ['reference', 'export', 'lib'] },
    changed: { type: 'string' },
    count: { type: 'string', default: '20' },
    budget: { type: 'string', default: '20' },
    suite: { type: 'boolean', default: false },
    spec: { type: 'string', multiple: true },
    again: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
});

function changedSince(revision: string): (file: string) => boolean {
  const names = execFileSync('git', ['diff', '--name-only', revision], { cwd: root, encoding: 'utf8' });
  const changed = new Set(names.split('\n'));
  return (file) => changed.has(file);
}

const chosen = options.changed === undefined ? () => true : changedSince(options.changed);
const below = (path: string) => (path.endsWith('.ts') ? [path] : filesBelow(path, '.ts'));
const files = options.folder.flatMap(below).filter(chosen);
const left = readLeft();
const found: Record<string, FileResult> = {};
const usual = ['spec/lib', 'spec/export', 'spec/reference', ...(options.suite ? ['spec/suite'] : [])];
const specs = options.spec ?? usual;
const earlier = readResults();
const isOpen = ({ name }: Survivor) => left[name] === undefined;
const isAgain = (mutant: Mutant) =>
  earlier[mutant.file]?.survivors.filter(isOpen).some(({ name }) => name === nameOf(mutant));
const mutants = options.again
  ? mutantsOf(files, Number.POSITIVE_INFINITY).filter(isAgain)
  : mutantsOf(files, Number(options.count));
for await (const [file, result] of survivorsOf(mutants, specs, Number(options.budget))) {
  found[file] = options.again ? merged(earlier[file], result) : result;
  console.log(`${file}: ${result.mutants - result.survivors.length} of ${result.mutants} noticed`);
  for (const { line, name } of result.survivors)
    if (left[name] === undefined) console.log(`  ${file}:${line}: ${name.slice(file.length + 2)}`);
  if (options.write) save();
}
console.log(`\n${table(found, left)}`);
const others = Object.values(found).flatMap(({ survivors }) => survivors.filter(isOpen));
if (others.length > 0) process.exitCode = 1;

/** Of the survivors that were tried again, those that are still left; what the file no longer has is forgotten. */
function merged({ mutants: count, survivors }: FileResult, again: FileResult): FileResult {
  const tried = new Set(mutants.map(nameOf));
  const there = survivors.filter((one) => !isOpen(one) || tried.has(one.name));
  const still = new Set(again.survivors.map(({ name }) => name));
  const open = there.filter((one) => !isOpen(one) || still.has(one.name));
  return { mutants: count - survivors.length + there.length, survivors: open };
}

/** What was found replaces what was known of these files; files that are gone are forgotten. */
function save(): void {
  const all = Object.entries({ ...readResults(), ...found }).filter(([file]) =>
    existsSync(`${root}/${file}`),
  );
  const results = Object.fromEntries(all.sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(RESULTS, `${JSON.stringify(results, null, 1)}\n`);
  writeFileSync(DOCUMENT, withSection(readFileSync(DOCUMENT, 'utf8'), section(results, left)));
}
