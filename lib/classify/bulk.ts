/**
 * Pictures in bulk: one line a picture, appended to a file as it is classified. A run that was killed and is started
 * again goes on where it stopped: the file itself tells what is done. Tasks that share the pictures need no word of
 * each other: whose a picture is follows from its name.
 */
import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { aborting, type Checks, called, checkAgainst, text, truth } from '../checks.ts';
import { writeError } from '../disk/errno.ts';
import { readText } from '../disk/source.ts';
import { placeOf } from '../disk/target.ts';
import { InputError } from '../errors.ts';
import { eachPicture } from '../image/load.ts';
import type { Choice as DeviceChoice } from '../runtime/devices.ts';
import { requireWeights } from '../weights/shipped.ts';
import { Classifier, type Prediction } from './classifier.ts';
import { type Format, formatOf } from './lines.ts';
import { classifyChecks } from './options.ts';
import type { PredictOptions } from './predict.ts';

export interface BulkOptions extends PredictOptions {
  /** 'i/n': the pictures of task i of n, counted from 0; default: all. */
  readonly shard?: string;
  /** Go on with the file, if it is there; without, it must not be. */
  readonly resume?: boolean;
}

export interface Bulk {
  readonly network: string;
  /** Where the weights come from. */
  readonly weights: string;
  /** null where the oracle computed. */
  readonly device: DeviceChoice | null;
  readonly out: string;
  /** In this shard. */
  readonly pictures: number;
  /** Lines that were there when it began. */
  readonly before: number;
  readonly written: number;
  /** Those of them that could not be read. */
  readonly failed: number;
}

const checks: Checks<BulkOptions> = {
  ...classifyChecks,
  log: called,
  progress: called,
  signal: aborting,
  shard: (value) => {
    const [, i, n] = /^(\d{1,9})\/(\d{1,9})$/.exec(String(value)) ?? [];
    return Number(i) < Number(n) ? undefined : 'i/n, with i from 0 to n − 1';
  },
  resume: truth,
};

/**
 * Classifies the pictures that the paths stand for: files, folders, lists (.txt, a path a line), and '-', a list on
 * standard input. `out` is FILE.jsonl, a prediction a line as JSON, or FILE.csv. A picture that is named twice is
 * classified once; one that cannot be read has its line too. Rejects with InputError where the file is there and
 * `resume` is not, or is no such file, or another process writes to it; lines that are written stay.
 */
export async function predictInto(
  out: string,
  paths: readonly string[],
  options: BulkOptions = {},
): Promise<Bulk> {
  checkAgainst({ out: text }, { out }, 'predictInto');
  checkAgainst(checks, options, 'predictInto');
  const {
    log = () => {},
    progress,
    signal,
    shard = '0/1',
    resume = false,
    ...rest
  } = requireWeights('predict', options);
  const format = formatOf(out, rest.top ?? 5);
  const done = await namesIn(out, format, resume);
  const before = done.size;
  const mine = await inShard(paths, shard);
  const todo = mine.filter((name) => !done.has(name));
  await using classifier = await Classifier.opening(rest);
  const { model, mean, device } = classifier;
  for (const note of model.notes) log(note);
  if (mean) log(`mean image: ${mean.file}`);
  const file = await appending(out, format);
  let written = 0;
  let failed = 0;
  try {
    for await (const prediction of classifier.stream(todo)) {
      if (signal?.aborted) break;
      await file.append(prediction);
      if (prediction.error !== undefined) failed++;
      written++;
      progress?.(written, todo.length);
    }
  } finally {
    await file.close();
  }
  const { network, source: weights } = model;
  return { network: network.name, weights, device, out, pictures: mine.length, before, written, failed };
}

/** The names of the pictures of a shard, each once, in their order. */
async function inShard(paths: readonly string[], shard: string): Promise<string[]> {
  const [i, n] = shard.split('/').map(Number);
  const names = new Set<string>();
  for await (const { path } of eachPicture(listed(paths))) if (numberOf(path) % n === i) names.add(path);
  return [...names];
}

/** Paths, those in lists among them. */
async function* listed(paths: readonly string[]): AsyncGenerator<string> {
  for (const path of paths) {
    if (path !== '-' && !path.endsWith('.txt')) yield path;
    else
      for (const line of (path === '-' ? await standardInput() : await readText(path)).split(/\r?\n/))
        if (line !== '') yield line;
  }
}

async function standardInput(): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of process.stdin) pieces.push(piece);
  return Buffer.concat(pieces).toString('utf8');
}

/** FNV-1a, 32 bits, of the name: the same in every task, whatever else there is to classify. */
export function numberOf(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/**
 * The pictures that have their line already. What a killed process left of a line is cut off. Throws InputError for a
 * file that is there and not to be gone on with, or that something else wrote: then it is left as it is.
 */
async function namesIn(out: string, format: Format, resume: boolean): Promise<Set<string>> {
  const place = await placeOf(out);
  const names = new Set<string>();
  if (place.kind === 'new') return names;
  if (place.kind !== 'file') throw new InputError(`${out}: is a pipe or a device: give the name of a file`);
  if (place.stat.size > 0n && !resume)
    throw new InputError(`${out}: is there already: --resume goes on with it, or name another file`);
  let whole = 0;
  let line = 0;
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of createReadStream(place.path)) {
    const bytes = Buffer.concat([rest, chunk]);
    const end = bytes.lastIndexOf('\n') + 1;
    for (const words of bytes.toString('utf8', 0, end).split('\n').slice(0, -1)) {
      const name = format.nameIn(words, line++);
      if (name === undefined)
        throw new InputError(`${out}: line ${line} is not of such a file: name another one`);
      if (name !== null) names.add(name);
    }
    whole += end;
    rest = bytes.subarray(end);
  }
  if (!format.begins(rest.toString('utf8'), line))
    throw new InputError(`${out}: its end is not of such a file: name another one`);
  if (rest.length > 0) {
    const file = await open(place.path, 'r+');
    await file.truncate(whole).finally(() => file.close());
  }
  return names;
}

/** Appends whole lines, for as long as nobody else does. */
async function appending(out: string, format: Format) {
  const guarded = async <T>(run: () => Promise<T>): Promise<T> => {
    try {
      return await run();
    } catch (error) {
      throw writeError(out, error);
    }
  };
  const file: FileHandle = await guarded(() => open(out, 'a'));
  let size = (await file.stat()).size;
  async function add(line: string): Promise<void> {
    if ((await file.stat()).size !== size)
      throw new InputError(`${out}: another process writes there: give each its own file`);
    await guarded(() => file.appendFile(line));
    size += Buffer.byteLength(line);
  }
  if (size === 0 && format.head !== '') await add(format.head);
  return {
    append: (prediction: Prediction) => add(format.line(prediction)),
    async close(): Promise<void> {
      await guarded(() => file.sync()).finally(() => file.close());
    },
  };
}
