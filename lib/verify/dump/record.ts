/**
 * Reads what `--save` wrote (../save.ts), to judge that run again: its values must have the SHA-256 that run.json
 * says, and so must the files that it was a run of, which whoever judges gives again. All else is recomputed.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import {
  among,
  type Check,
  type Checks,
  checkAgainst,
  checkArgument,
  listOf,
  record,
  text,
  thing,
} from '../../checks.ts';
import { describe, readText } from '../../disk/source.ts';
import { withTensorFile } from '../../disk/tensors.ts';
import { InputError } from '../../errors.ts';
import { withExternalData } from '../../onnx/files.ts';
import type { Executor } from '../../runtime/failures.ts';
import type { Gpu } from '../../runtime/hardware.ts';
import { type VerifyOptions, verifyChecks } from '../options.ts';
import type { Verification } from '../verification.ts';

export const RUN = 'run.json';
export const RECORD = 'alexnet verify --save';
export const sides = ['device', 'oracle'] as const;
/** What else a run may be of, in files: the options that name them. */
export const recordedRoles = ['model', 'weights', 'dropout', 'input'] as const;
type Role = (typeof recordedRoles)[number];

export interface SavedFile {
  readonly role: Role | (typeof sides)[number];
  /** Its name, without the folder. */
  readonly file: string;
  readonly sha256: string;
}

const decisive = [
  'network',
  'seed',
  'init',
  'precision',
  'require',
  'lrn',
  'graph',
  'batch',
  'labels',
  'steps',
  'learningRate',
  'momentum',
  'weightDecay',
  'update',
] as const satisfies readonly (keyof VerifyOptions)[];

export type RecordedOptions = Pick<VerifyOptions, (typeof decisive)[number]>;

/** What run.json says. */
export interface SavedRun
  extends Pick<Verification, 'network' | 'input' | 'device' | 'placement' | 'verdict' | 'first'> {
  readonly version: 1;
  readonly record: typeof RECORD;
  readonly versions: Readonly<Record<string, string | null>>;
  readonly weights: string;
  readonly inputSource: string;
  /** What was required. */
  readonly arithmetic: Verification['required'];
  /** Null where the values came from elsewhere. */
  readonly computer: {
    readonly system: string;
    readonly processor: string | null;
    readonly gpus: readonly Gpu[];
    readonly tf32?: 'on' | 'off';
  } | null;
  readonly options: RecordedOptions;
  /** Of values that were computed as halves: they are written down as float32. */
  readonly types: Readonly<Record<string, 'float16' | 'bfloat16'>>;
  readonly files: readonly SavedFile[];
}

/** What of it is relied on. */
type Relied = Pick<SavedRun, 'versions' | 'device' | 'verdict' | 'options' | 'types' | 'files'>;

const path = (folder: string): string => join(folder, RUN);

/** Bytes; labels of a million images. */
const LONGEST = 2 ** 24;

/** The record in a folder; undefined where there is none. Throws InputError where there is something else. */
async function readRecord(folder: string): Promise<Relied | undefined> {
  const isThere = await stat(path(folder)).catch(() => null);
  if (!isThere) return undefined;
  const said = path(folder);
  let run: SavedRun | undefined;
  try {
    if (isThere.isFile() && isThere.size <= LONGEST) run = JSON.parse(await readText(said));
  } catch (error) {
    if (error instanceof InputError) throw error;
  }
  if (run?.record !== RECORD)
    throw new InputError(
      `${said}: it is not the record of a run: take it from the folder, or save the run again`,
    );
  if (run.version !== 1)
    throw new InputError(
      `${said}: it is of version ${run.version}, of a later alexnet-oracle: judge it with that`,
    );
  const { versions, device, verdict, options, types, files } = run;
  const relied = { versions, device, verdict, options, types, files };
  checkArgument(said, relied, record(recordChecks));
  checkAgainst(optionChecks, options, said);
  return relied;
}

const hash: Check = (value) =>
  typeof value === 'string' && /^[0-9a-f]{64}$/.test(value) ? undefined : 'a SHA-256 in hexadecimal digits';
const all =
  (check: Check): Check =>
  (value) =>
    thing('an object')(value) ??
    Object.values(value as object)
      .map(check)
      .find((wrong) => wrong !== undefined);
const isFile: Check = (value) =>
  thing('a file')(value) ??
  among([...sides, ...recordedRoles])((value as SavedFile).role) ??
  text((value as SavedFile).file) ??
  hash((value as SavedFile).sha256);
const recordChecks: Record<keyof Relied, Check> = {
  versions: all((one) => (one === null ? undefined : text(one))),
  device: among(['cpu', 'cuda', 'webgpu', 'other'] satisfies Executor[]),
  verdict: among(['pass', 'suspicious', 'fail', 'untested']),
  options: thing('options'),
  types: all(among(['float16', 'bfloat16'])),
  files: listOf('a list of files, each with role, file and sha256', isFile),
};
const optionChecks = {
  ...Object.fromEntries(decisive.map((key) => [key, verifyChecks[key]])),
  network: text,
} as Checks<RecordedOptions>;

export interface Recorded {
  /** What is judged, and how: as was saved, where nothing else is given. */
  readonly options: VerifyOptions;
  /** How the values were computed before they were saved. */
  readonly lrn?: VerifyOptions['lrn'];
  readonly types: Relied['types'];
  readonly notes: readonly string[];
}

/**
 * A saved run as options; undefined where the values are no such folder. Throws InputError for a record that is none,
 * and naming the file that has changed or is missing.
 */
export async function recordedIn(given: VerifyOptions): Promise<Recorded | undefined> {
  const folder = given.values;
  const run = folder === undefined ? undefined : await readRecord(folder);
  if (!run || folder === undefined) return undefined;
  for (const key of ['names', 'layout'] as const)
    if (given[key] !== undefined)
      throw new InputError(`--${key}: ${path(folder)} says what the values are: leave it out`);
  await mustBeUnchanged(folder, run);
  const { lrn, steps, ...saved } = run.options;
  const values = join(folder, `${sides[0]}.npz`);
  const asked = Object.entries(given).filter(([, value]) => value !== undefined && value !== 'auto');
  const device = run.device === 'other' ? undefined : run.device;
  const options: VerifyOptions = { ...saved, device, ...Object.fromEntries(asked), values };
  await mustBeOfRun(folder, run, options);
  const names = await withTensorFile(values, ({ tensors }) => [...tensors.keys()]);
  const asTheyAre = { names: Object.fromEntries(names.map((name) => [name, name])), layout: 'NCHW' } as const;
  return {
    options: options.graph === undefined ? { ...options, ...asTheyAre } : options,
    lrn,
    types: run.types,
    notes: [noteOf(run), ...((steps ?? 1) > 1 ? [`of its ${steps} steps the first is judged`] : [])],
  };
}

function noteOf({ versions, verdict }: Relied): string {
  const by = Object.entries(versions).flatMap(([name, version]) =>
    version === null ? [] : `${name} ${version}`,
  );
  return `saved run: by ${by.join(', ')}; verdict then: ${verdict}`;
}

/** The values, against their hashes. */
async function mustBeUnchanged(folder: string, { files }: Relied): Promise<void> {
  for (const side of sides) {
    const saved = files.find(({ role }) => role === side);
    if (!saved) throw new InputError(`${path(folder)}: it names no ${side}.npz: save the run again`);
    const file = join(folder, `${side}.npz`);
    const found = await sha256(file);
    if (found !== saved.sha256)
      throw new InputError(
        `${file}: it was changed after it was saved: its SHA-256 is ${found}, ${RUN} says ${saved.sha256}`,
      );
  }
}

/** What the run was of, against its hashes. The input may be left out where the values hold it. */
async function mustBeOfRun(folder: string, { files }: Relied, options: VerifyOptions): Promise<void> {
  for (const role of recordedRoles) {
    const saved = files.filter((file) => file.role === role);
    const given = await filesOf(role, options);
    const isOptional = role === 'input' && options.graph === undefined;
    const flag = role === 'model' ? 'as the model' : `with --${role}`;
    if (given.length === 0) {
      const [one] = saved;
      if (!one || isOptional) continue;
      throw new InputError(`${folder}: the run was of ${one.file} (SHA-256 ${one.sha256}): give it ${flag}`);
    }
    if (saved.length === 0 && isOptional) continue; // its numbers are compared
    for (const [i, { file, sha256 }] of given.entries())
      if (sha256 !== saved[i]?.sha256)
        throw new InputError(
          `${file}: the run was not of this ${role}: its SHA-256 is ${sha256}, ${RUN} says ` +
            (saved[i]
              ? `${saved[i].sha256} (${saved[i].file})`
              : `that there was ${saved.length === 0 ? 'none' : 'no more'}`),
        );
    if (given.length < saved.length)
      throw new InputError(`${folder}: the run was of ${saved[given.length].file} too: give it ${flag}`);
  }
}

/** The files that an option names: a model with its external data, what lies in a folder. */
export async function filesOf(role: Role, options: VerifyOptions): Promise<SavedFile[]> {
  const given = options[role];
  const words = (typeof given === 'string' ? [given] : Array.isArray(given) ? given : []) as string[];
  const found = new Set<string>();
  for (const word of words) {
    if (role === 'dropout' && word === 'none') continue;
    const isFile = await stat(word).catch(() => null);
    // of a graph: NAME=FILE
    const named = isFile ? word : word.slice(word.indexOf('=') + 1);
    const known = isFile ?? (await stat(named).catch(() => null));
    const paths = known?.isDirectory()
      ? (await readdir(named)).sort().map((name) => join(named, name))
      : await withExternalData([named])();
    for (const one of paths)
      if ((await stat(one).catch(() => null))?.isFile()) found.add(await realpath(one));
  }
  const files = [...found].map(async (file) => ({ role, file: basename(file), sha256: await sha256(file) }));
  return Promise.all(files);
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const piece of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(piece);
  } catch (error) {
    throw new InputError(`${file}: ${describe(error)}`);
  }
  return hash.digest('hex');
}
