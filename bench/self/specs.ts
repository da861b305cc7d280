/** Which specs a source file reaches: the nearest first. */
import { posix } from 'node:path';
import { importsOf, type Source, sourcesBelow } from '../../spec/support/source.ts';

export interface Reach {
  /** Spec files by the number of imports between: those of the file's own folder, or one above, and the others. */
  readonly own: readonly string[];
  readonly others: readonly string[];
  /** Everything that loads the file, itself included. */
  readonly through: readonly string[];
}

/** Looks through these specs, files or folders of them; sources are those of the whole repository. */
export function reachOf(folders: readonly string[]): (file: string) => Reach {
  const sources = ['reference', 'export', 'lib', 'spec', 'bench'].flatMap(sourcesBelow);
  const importers = new Map<string, string[]>();
  for (const source of sources) for (const target of loadedBy(source)) push(importers, target, source.path);
  const isSpec = (path: string) =>
    path.endsWith('.spec.ts') && folders.some((folder) => `${path}/`.startsWith(`${folder}/`));
  return (file) => {
    const distances = distancesFrom(file, importers);
    const isOwn = (path: string) => {
      const folder = posix.dirname(path).slice('spec/'.length);
      return folder !== 'lib' && file.startsWith(`${folder}/`);
    };
    const through = [...distances.keys()];
    const order = (path: string) => distances.get(path) as number;
    const specs = through.filter(isSpec).sort((a, b) => order(a) - order(b) || (a < b ? -1 : 1));
    return { through, own: specs.filter(isOwn), others: specs.filter((path) => !isOwn(path)) };
  };
}

const loadedBy = (source: Source): string[] => [
  ...importsOf(source).flatMap(({ kind, target }) => (kind === 'type' ? [] : target)),
  ...startedBy(source),
];

/** Threads and processes of its own are named './feed-worker', whatever the ending. */
const startedBy = ({ path, uncommented }: Source): string[] =>
  [...uncommented.matchAll(/['`](\.\/[\w-]+)(?=['`]|\$\{)/g)].map(
    ([, name]) => `${posix.join(posix.dirname(path), name)}.ts`,
  );

function push(map: Map<string, string[]>, key: string, value: string): void {
  map.set(key, [...(map.get(key) ?? []), value]);
}

function distancesFrom(file: string, importers: ReadonlyMap<string, string[]>): Map<string, number> {
  const distances = new Map([[file, 0]]);
  for (const [path, distance] of distances)
    for (const importer of importers.get(path) ?? [])
      if (!distances.has(importer)) distances.set(importer, distance + 1);
  return distances;
}
