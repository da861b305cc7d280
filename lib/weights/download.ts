/**
 * Downloads a file whole or not at all: into a part file beside it (part.ts), resumed after a cut (Range with
 * If-Range), checked against the published checksums, and only then given its name. What lies under the name
 * is complete and checked.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { dirname } from 'node:path';
import { shortage } from '../disk/errno.ts';
import { openFile } from '../disk/source.ts';
import { makeFolder } from '../disk/target.ts';
import { EnvironmentError } from '../errors.ts';
import { Final, get, type WebOptions } from '../web/http.ts';
import { openPart, type Part } from './part.ts';

export interface Wanted {
  readonly url: string;
  /** The same file elsewhere, asked in this order where `url` fails. */
  readonly mirrors?: readonly string[];
  readonly target: string;
  /** Exact size where it is known. */
  readonly bytes: number | null;
  /** All must hold; digits may be the first ones alone. */
  readonly hashes: readonly { readonly algorithm: string; readonly digits: string }[];
}

export interface DownloadOptions extends WebOptions {
  /** Called with bytes so far and in all (null if the server does not say). */
  readonly progress?: (done: number, total: number | null) => void;
  /** How often a cut connection is taken up again. */
  readonly retries?: number;
  /** Milliseconds before the first retry; doubled each time. */
  readonly pause?: number;
}

/** Bytes a second: 244 MB would take three days. A server that sends less keeps the line busy and no more. */
const LEAST_RATE = 1000;

/** No source here is larger; a server that sends more is not believed. */
const MOST_BYTES = 2 ** 30;

/**
 * Throws EnvironmentError, in one line with each address, where the network or the server fails, or the
 * bytes are wrong.
 */
export async function download(wanted: Wanted, options: DownloadOptions = {}): Promise<void> {
  const part = await prepared(wanted);
  try {
    await fetchAnywhere(wanted, part, options);
    await part.finish();
  } finally {
    part.release();
  }
}

/** What one address sent before it failed is taken up at the next only if both give it the same ETag or date. */
async function fetchAnywhere(wanted: Wanted, part: Part, options: DownloadOptions): Promise<void> {
  const failures: string[] = [];
  for (const url of [wanted.url, ...(wanted.mirrors ?? [])]) {
    try {
      await fetchAll({ ...wanted, url }, part, options);
      await check({ ...wanted, url }, part);
      return;
    } catch (error) {
      if (!(error instanceof EnvironmentError)) throw error;
      failures.push(error.message);
    }
  }
  throw new EnvironmentError(failures.join('; '));
}

async function prepared({ target }: Wanted): Promise<Part> {
  await makeFolder(dirname(target)).catch(({ message }) => {
    throw new EnvironmentError(message);
  });
  try {
    return await openPart(target);
  } catch (error) {
    throw new EnvironmentError(`${dirname(target)}: cannot be written to: ${(error as Error).message}`);
  }
}

async function fetchAll(wanted: Wanted, part: Part, options: DownloadOptions): Promise<void> {
  const { retries = 5, pause = 500 } = options;
  for (let attempt = 0; ; attempt++) {
    try {
      return await fetchRest(wanted, part, options);
    } catch (error) {
      const short = shortage(error);
      if (short) throw new EnvironmentError(`${wanted.target}: cannot be written: ${short}`);
      if (error instanceof Final || attempt >= retries) throw failed(wanted, error as Error);
      await new Promise((resolve) => setTimeout(resolve, pause * 2 ** attempt));
    }
  }
}

const failed = ({ url }: Wanted, { message, cause }: Error): EnvironmentError =>
  new EnvironmentError(`${url}: download failed: ${message || String(cause ?? 'connection lost')}`);

/** Gets what is missing of the part file. Throws where the connection is cut; what came is kept. */
async function fetchRest(wanted: Wanted, part: Part, options: DownloadOptions): Promise<void> {
  const validator = await part.validator();
  const have = validator === '' ? 0 : await part.size();
  const resume: Record<string, string> = have > 0 ? { range: `bytes=${have}-`, 'if-range': validator } : {};
  const answer = await get(wanted.url, { ...options, headers: { ...options.headers, ...resume } });
  const start = await startOf(answer, have, part);
  if (start < 0) return;
  const total = totalOf(answer, start);
  if (wanted.bytes !== null && total !== null && total !== wanted.bytes) {
    answer.destroy();
    throw new Final(`the server has ${total} bytes, ${wanted.bytes} are published`);
  }
  await part.setValidator(validatorOf(answer));
  await receive(answer, part.path, start, total, wanted.bytes, options);
}

/** Where the body goes: 0, or what is there already; −1 if nothing is missing. */
async function startOf(answer: IncomingMessage, have: number, part: Part): Promise<number> {
  const { statusCode: status = 0, headers } = answer;
  if (status === 200) return 0;
  if (status === 206) {
    if (Number(/^bytes (\d+)-/.exec(headers['content-range'] ?? '')?.[1]) === have) return have;
    answer.destroy();
    await part.remove();
    throw new Error('the server sent another part than the one asked for');
  }
  answer.destroy();
  if (status === 416 && have > 0) {
    if (headers['content-range'] === `bytes */${have}`) return -1;
    await part.remove();
    throw new Error('the part that is here is not a part of the file any more');
  }
  if (status >= 500 || status === 429) throw new Error(`the server answers ${status}`);
  throw new Final(`the server answers ${status}`);
}

function totalOf({ headers }: IncomingMessage, start: number): number | null {
  const length = headers['content-length'];
  return length === undefined ? null : start + Number(length);
}

/** A strong ETag, else the date; '' where the server gives neither and nothing can be resumed. */
function validatorOf({ headers }: IncomingMessage): string {
  const { etag } = headers;
  return etag && !etag.startsWith('W/') ? etag : (headers['last-modified'] ?? '');
}

async function receive(
  answer: IncomingMessage,
  part: string,
  start: number,
  total: number | null,
  bytes: number | null,
  { progress = () => {}, idle = 30_000 }: DownloadOptions,
): Promise<void> {
  const file = await fs.open(part, start === 0 ? 'w' : 'r+');
  let done = start;
  let window = { from: done, since: performance.now() };
  answer.setTimeout(idle, () => answer.destroy(new Error(`nothing arrived for ${idle / 1000} s`)));
  try {
    progress(done, total);
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      if (done + chunk.length > (bytes ?? MOST_BYTES))
        throw new Final('the server sends more than the file has');
      await file.write(chunk, 0, chunk.length, done);
      done += chunk.length;
      progress(done, total);
      if (performance.now() - window.since < idle) continue;
      if (done - window.from < (LEAST_RATE * idle) / 1000)
        throw new Error(`${done - window.from} bytes in ${idle / 1000} s are too few`);
      window = { from: done, since: performance.now() };
    }
    await file.sync();
  } finally {
    await file.close();
    answer.destroy();
  }
  if (done !== (bytes ?? total ?? done)) throw new Error(`the connection was cut after ${done} bytes`);
}

/** Throws, and removes what came, where it is not what was published. */
async function check(wanted: Wanted, part: Part): Promise<void> {
  const wrong = unlike(part.path, wanted);
  if (wrong === null) return;
  await part.remove();
  throw new EnvironmentError(`${wanted.url}: what came is not the file: ${wrong}`);
}

const PIECE = 2 ** 24;

/** How a file is not the published one, in words; null where it is. Reads all of it. */
export function unlike(path: string, { bytes, hashes }: Pick<Wanted, 'bytes' | 'hashes'>): string | null {
  const file = openFile(path);
  try {
    if (bytes !== null && file.size !== bytes) return `${file.size} bytes, published ${bytes}`;
    const sums = hashes.map(({ algorithm }) => createHash(algorithm));
    for (let at = 0; at < file.size; at += PIECE) {
      const piece = file.read(at, Math.min(PIECE, file.size - at));
      for (const sum of sums) sum.update(piece);
    }
    for (const [i, { algorithm, digits }] of hashes.entries()) {
      const found = sums[i].digest('hex');
      if (!found.startsWith(digits)) return `${file.size} bytes, ${algorithm} ${found}, published ${digits}`;
    }
    return null;
  } finally {
    file.close();
  }
}
