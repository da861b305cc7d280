/**
 * Runs the text of a module in a process of its own, with tsx, so that it can import this project's sources.
 */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { newerThanBuilt } from './fresh.ts';

const ROOT = new URL('../../', import.meta.url);
/** The loader with which a child process runs TypeScript, and this project's sources as they are built. */
export const LOADER = new URL('./loader.mjs', import.meta.url).href;

export interface ChildOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly args?: readonly string[];
  readonly input?: string;
  /** Node's own options. */
  readonly node?: readonly string[];
}

/** Imports in the text start with '@/', the repository's root. */
export function runModule(
  text: string,
  { cwd, env, args = [], input, node = [] }: ChildOptions = {},
): SpawnSyncReturns<string> {
  const folder = mkdtempSync(join(tmpdir(), 'alexnet-spec-'));
  try {
    // what Node reads by itself: specs are TypeScript, and `using` is too new
    const plain = !newerThanBuilt() && !/'@\/spec\/|await using/.test(text);
    const file = join(folder, plain ? 'main.mjs' : 'main.mts');
    writeFileSync(file, plain ? asBuilt(text) : fromRoot(text));
    const argv = [...node, ...(plain ? [] : ['--import', LOADER]), file, ...args];
    return spawnSync(process.execPath, argv, { cwd, env, input, encoding: 'utf8', maxBuffer: 1 << 26 });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** '@/' in a module's imports is the repository's root. */
export const fromRoot = (text: string): string => text.replaceAll("'@/", `'${ROOT.href}`);

/** The module with what is built in the place of sources: it starts in a third of the time. */
const asBuilt = (text: string): string =>
  fromRoot(text.replace(/'@\/((?:reference|export|lib)\/.*)\.ts'/g, `'${ROOT.href}dist/$1.js'`));

/**
 * Path of a built file in dist/lib/cli: it starts in a third of the time that the source takes. Throws where it is
 * older than the sources, which would be tested by nothing then.
 */
export function built(name: 'main.js' | 'start.js' = 'main.js'): string {
  const newer = newerThanBuilt();
  if (newer) throw new Error(`dist is older than ${newer}: npm run build`);
  return fileURLToPath(new URL(`dist/lib/cli/${name}`, ROOT));
}

/** A variable that is undefined is none. */
function setVariables(variables: NodeJS.ProcessEnv): void {
  for (const [name, value] of Object.entries(variables)) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
}

/** What is written to both streams while something runs, its result, and the exit code that it leaves. */
export async function heard<T>(run: () => T) {
  const said = { out: '', err: '' };
  const streams = [
    ['out', process.stdout],
    ['err', process.stderr],
  ] as const;
  const writes = streams.map(([, stream]) => stream.write);
  const { exitCode } = process;
  process.exitCode = undefined;
  for (const [name, stream] of streams)
    stream.write = (text: string | Uint8Array) => {
      said[name] += text;
      return true;
    };
  try {
    const result = await run();
    return { ...said, result, exitCode: process.exitCode };
  } finally {
    for (const [i, [, stream]] of streams.entries()) stream.write = writes[i];
    process.exitCode = exitCode;
  }
}

/**
 * A command line in this process, from a folder, with these variables of the environment: far faster than one of its
 * own. What it prints is kept apart.
 */
export async function runHere(args: readonly string[], folder: string, env: NodeJS.ProcessEnv = {}) {
  const { alexnet } = await import('../../lib/cli/program.ts');
  // before the folder changes: it notes where Node's own options, mocha's loader among them, are looked up
  await import('../../lib/runtime/apart.ts');
  const before = process.cwd();
  const variables = Object.fromEntries(Object.keys(env).map((name) => [name, process.env[name]]));
  process.chdir(folder);
  setVariables(env);
  try {
    const { out, err, result } = await heard(() => alexnet(['node', 'alexnet', ...args]));
    return { status: result, out, err };
  } finally {
    process.chdir(before);
    setVariables(variables);
  }
}
