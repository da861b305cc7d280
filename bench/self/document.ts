/** What the runs found, in bench/mutation-self.json, and the section of docs/conformance.md that tells it. */
import { existsSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Survivor {
  readonly line: number;
  readonly name: string;
}

export interface FileResult {
  readonly mutants: number;
  readonly survivors: readonly Survivor[];
}

export type Results = Readonly<Record<string, FileResult>>;

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
export const RESULTS = here('../mutation-self.json');
const LEFT = here('../survivors.json');

export const readResults = (): Results =>
  existsSync(RESULTS) ? JSON.parse(readFileSync(RESULTS, 'utf8')) : {};

/** Why a survivor is left, by its name: equivalent, or not worth a test. */
export const readLeft = (): Readonly<Record<string, string>> => JSON.parse(readFileSync(LEFT, 'utf8'));

const TITLE = "## Mutation score of the program's own code";

const HEAD = `${TITLE}

Small faults in the source (an operator, a comparison, a constant, a condition, an argument, a result, a statement), one at a time,
against the specs that reach the file, the nearest first: \`npm run mutation:self -- --folder lib/bounds --write\`. Noticed: a spec
fails. Left: \`bench/survivors.json\` says why. \`bench/mutation-self.json\` names the files that were tried.`;

/** lib/judge/mistakes/pools.ts is of lib/judge, reference/ops/conv2d.ts of reference. */
const folderOf = (file: string): string =>
  file.startsWith('lib/') ? file.split('/').slice(0, 2).join('/') : posix.dirname(file).split('/')[0];

export function table(results: Results, left: Readonly<Record<string, string>>): string {
  const folders = new Map<string, { mutants: number; survivors: Survivor[] }>();
  for (const [file, { mutants, survivors }] of Object.entries(results)) {
    const sum = folders.get(folderOf(file)) ?? { mutants: 0, survivors: [] };
    const both = { mutants: sum.mutants + mutants, survivors: [...sum.survivors, ...survivors] };
    folders.set(folderOf(file), both);
  }
  const rows = [...folders].sort(([a], [b]) => (a < b ? -1 : 1)).map(([folder, sum]) => row(folder, sum));
  const all = [...folders.values()];
  const total = { mutants: sumOf(all.map((f) => f.mutants)), survivors: all.flatMap((f) => f.survivors) };
  return [
    '| folder | mutants | noticed | left | others |',
    '| --- | ---: | ---: | ---: | ---: |',
    ...rows,
    row('**all**', total),
  ].join('\n');

  function row(folder: string, { mutants, survivors }: { mutants: number; survivors: readonly Survivor[] }) {
    const noticed = mutants - survivors.length;
    const known = survivors.filter(({ name }) => left[name] !== undefined).length;
    const share = mutants === 0 ? 0 : Math.floor((100 * noticed) / mutants);
    return `| ${folder} | ${mutants} | ${noticed} (${share} %) | ${known} | ${survivors.length - known} |`;
  }
}

const sumOf = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

export const section = (results: Results, left: Readonly<Record<string, string>>): string =>
  `${HEAD}\n\n${table(results, left)}\n`;

/** The document with this section in the place of the one that it has. */
export function withSection(document: string, text: string): string {
  const at = document.indexOf(TITLE);
  return at < 0 ? `${document}\n${text}` : document.slice(0, at) + text;
}
