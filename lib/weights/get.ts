/** The function behind `alexnet weights get`, and where --weights finds what it fetched. */
import { existsSync } from 'node:fs';
import {
  type Checks,
  called,
  checkAgainst,
  checkArgument,
  listOf,
  text,
  thing,
  truth,
  whole,
} from '../checks.ts';
import { InputError } from '../errors.ts';
import { type DownloadOptions, download, unlike } from './download.ts';
import {
  cachedPath,
  cacheFolder,
  mebibytes,
  type PublicSource,
  publicSources,
  sourceNamed,
} from './published.ts';

export interface GetWeightsOptions extends DownloadOptions {
  /** Use what is in the cache, never the network. */
  readonly offline?: boolean;
  /** Download it again though it is in the cache. */
  readonly force?: boolean;
  /** Default: the user's cache folder. */
  readonly folder?: string;
  readonly sources?: readonly PublicSource[];
}

const checks: Checks<GetWeightsOptions> = {
  offline: truth,
  force: truth,
  folder: text,
  sources: listOf('a list of sources', thing('a source')),
  progress: called,
  retries: whole(0),
  pause: whole(0),
  headers: thing('an object'),
  env: thing('an object'),
  idle: whole(1),
};

export interface Got {
  readonly source: PublicSource;
  /** The file, complete and checked. */
  readonly path: string;
  /** False if it was there already. */
  readonly downloaded: boolean;
}

/**
 * The file of a public source, downloaded if it is not in the cache, whole and as it was published. Throws InputError
 * and EnvironmentError.
 */
export async function getWeights(name: string, options: GetWeightsOptions = {}): Promise<Got> {
  checkArgument('getWeights: name', name, text);
  checkAgainst(checks, options, 'getWeights');
  const { sources = publicSources, folder = cacheFolder(options.env), offline, force } = options;
  const source = sourceNamed(name, sources);
  if (!source)
    throw new InputError(`no public weights '${name}': one of ${sources.map((s) => s.name).join(', ')}`);
  const path = cachedPath(source, folder);
  if (offline && force) throw new InputError('--offline and --force exclude each other: take one of them');
  const wrong = existsSync(path) ? unlike(path, source) : 'not in the cache';
  if (wrong === null && !force) return { source, path, downloaded: false };
  if (offline) throw new InputError(`${name}: ${path}: ${wrong}, and --offline forbids the download`);
  await download({ ...source, target: path }, options);
  return { source, path, downloaded: true };
}

/**
 * What --weights NAME means: the cached file of a public source, unless there is a file of that name.
 * Null if it is not a source's name. Throws InputError, naming the command, where it was not fetched yet, and where
 * what lies there is not what was published.
 */
export function fetched(name: string): { source: PublicSource; path: string } | null {
  const source = existsSync(name) ? undefined : sourceNamed(name);
  if (!source) return null;
  const path = cachedPath(source);
  const wrong = existsSync(path) ? unlike(path, source) : 'not here yet';
  if (wrong === null) return { source, path };
  throw new InputError(
    `${name}: ${wrong}; \`alexnet weights get ${name}\` downloads it (${mebibytes(source)})`,
  );
}

/** The file that a name or a path means. Throws InputError as `fetched` does. */
export const fileOf = (name: string): string => fetched(name)?.path ?? name;
