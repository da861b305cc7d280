/** What an application may call a picture: where it is, its bytes however they come, or its pixels. */
import { Readable } from 'node:stream';
import type { ReadableStream as WebStream } from 'node:stream/web';
import { fileURLToPath } from 'node:url';
import { bytes, type Check, checkArgument, text, whole } from '../checks.ts';
import type { Picture } from '../data/dataset.ts';
import { eachPicture } from '../image/load.ts';
import type { Pixels } from '../image/pixels.ts';
import { get } from '../web/http.ts';
import type { Coming, Failure } from './pipeline.ts';

/**
 * A file or a folder by its path; a URL (file:, http:, https:); the bytes of a JPEG or PNG, in memory, in a Blob or as
 * they come from a stream; or pixels. Memory is read until the prediction is there.
 */
export type PictureSource =
  | string
  | URL
  | Uint8Array
  | ArrayBuffer
  | Blob
  | Readable
  | WebStream<Uint8Array>
  | Pixels;

/** A picture whose prediction is to carry an `id`. */
export interface Identified {
  readonly id: string | number;
  readonly picture: PictureSource;
}

export type OnePicture = PictureSource | Identified;

/** A picture, or several of them. An async iterable may take its time. */
export type Pictures = OnePicture | Iterable<OnePicture> | AsyncIterable<OnePicture>;

/** What is read from an address, a stream or a Blob. */
export interface Limits {
  /** Bytes at most; default 32 MiB. */
  readonly maxBytes?: number;
  /** Milliseconds in which it must be there; default 30,000. */
  readonly timeoutMs?: number;
}

/** A picture as it goes on, with its id. */
export interface Listed {
  readonly picture: Picture | Coming | Failure;
  readonly id?: string | number;
}

const ONE = 'a path, a URL, bytes, a Blob, a stream, or pixels {data, width, height}';

const isStream = (value: unknown): value is Readable | WebStream<Uint8Array> =>
  value instanceof Readable || value instanceof ReadableStream;
const isPixels = (value: object): value is Pixels => 'data' in value && 'width' in value && 'height' in value;
const isIdentified = (value: unknown): value is Identified =>
  typeof value === 'object' && value !== null && 'picture' in value;

const source: Check = (value) => {
  if (typeof value !== 'object' || value === null) return text(value) && ONE;
  if (value instanceof URL) return address(value);
  if (value instanceof Uint8Array || value instanceof ArrayBuffer || value instanceof Blob) return undefined;
  return isStream(value) ? undefined : isPixels(value) ? pixels(value) : ONE;
};

function address(url: URL): string | undefined {
  if (url.protocol !== 'file:')
    return /^https?:$/.test(url.protocol) ? undefined : 'a URL of file:, http: or https:';
  try {
    return fileURLToPath(url) ? undefined : ONE;
  } catch {
    return 'a URL of a file on this machine';
  }
}

function pixels({ data, width, height }: Pixels): string | undefined {
  const isData = bytes(data) === undefined || (data as unknown) instanceof Uint8ClampedArray;
  if (!isData || whole(1)(width) || whole(1)(height))
    return 'pixels {data, width, height}: bytes and two sizes';
  if ([1, 3, 4].some((channels) => data.length === channels * width * height)) return undefined;
  return `pixels of 1, 3 or 4 bytes each: ${width}×${height} with ${data.length} bytes are not`;
}

const picture: Check = (value) => {
  if (!isIdentified(value)) return source(value);
  const { id } = value;
  return typeof id === 'string' || Number.isFinite(id)
    ? source(value.picture)
    : 'one whose id is a text or a number';
};

function isSeveral(value: unknown): value is Iterable<OnePicture> | AsyncIterable<OnePicture> {
  if (typeof value !== 'object' || value === null || picture(value) === undefined) return false;
  return Symbol.iterator in value || Symbol.asyncIterator in value;
}

/** Whether the pictures come when they come: the next may be far. */
export const isAsync = (pictures: Pictures): pictures is AsyncIterable<OnePicture> =>
  isSeveral(pictures) && Symbol.asyncIterator in (pictures as object);

/** Throws InputError for what is no picture, nor several of them; those of an iterable are looked at as they come. */
export function checkPictures(where: string, pictures: unknown): void {
  if (Array.isArray(pictures))
    for (const [i, value] of pictures.entries()) checkOne(`${where}: picture ${i + 1}`, value);
  else if (!isSeveral(pictures))
    checkOne(`${where}: pictures`, pictures, (value) =>
      picture(value)?.replace(ONE, `${ONE}, or several of them`),
    );
}

function checkOne(where: string, value: unknown, check = picture): asserts value is OnePicture {
  checkArgument(where, value, check);
  const stream = isIdentified(value) ? value.picture : value;
  // one that fails while it waits for its turn: whoever reads it will hear of that
  if (stream instanceof Readable) stream.on('error', () => {});
}

/** The pictures one by one. Those without a name are called 'the picture', or 'picture 3' where there are several. */
export async function* listed(pictures: Pictures, limits: Limits = {}): AsyncGenerator<Listed> {
  if (!isSeveral(pictures)) return yield* partsOf(pictures, 'the picture', limits);
  let count = 0;
  for await (const one of pictures) {
    const name = `picture ${++count}`;
    checkOne(name, one);
    yield* partsOf(one, name, limits);
  }
}

async function* partsOf(one: OnePicture, name: string, limits: Limits): AsyncGenerator<Listed> {
  if (isIdentified(one)) {
    for await (const part of partsOf(one.picture, name, limits)) yield { ...part, id: one.id };
  } else if (typeof one === 'string' || (one instanceof URL && one.protocol === 'file:')) {
    const path = typeof one === 'string' ? one : fileURLToPath(one);
    for await (const { path: image, ...rest } of eachPicture([path]))
      yield { picture: 'file' in rest ? { name: image, file: rest.file } : { image, error: rest.message } };
  } else yield { picture: inHand(one, name, limits) };
}

function inHand(one: Exclude<PictureSource, string>, name: string, limits: Limits): Picture | Coming {
  if (one instanceof URL)
    return { name: `${one.origin}${one.pathname}${one.search}`, read: () => fetched(one, limits) };
  if (isStream(one)) return { name, read: () => collected(one, limits) };
  if (one instanceof Blob) return { name, read: () => contentOf(one, limits) };
  if (one instanceof ArrayBuffer) return { name, bytes: new Uint8Array(one) };
  return one instanceof Uint8Array ? { name, bytes: one } : { name, pixels: one };
}

async function fetched({ href }: URL, { timeoutMs = TIMEOUT, maxBytes }: Limits): Promise<Uint8Array> {
  const started = performance.now();
  const answer = await get(href, { idle: timeoutMs });
  if (answer.statusCode !== 200) {
    answer.destroy();
    throw new Error(`the server answers ${answer.statusCode}`);
  }
  return collected(answer, { maxBytes, timeoutMs: timeoutMs - (performance.now() - started) }, timeoutMs);
}

const TIMEOUT = 30_000;
const MOST_BYTES = 32 * 2 ** 20;
const tooLarge = (most: number): Error =>
  new Error(`more than ${most} bytes are too large for a picture (maxBytes)`);

async function contentOf(blob: Blob, { maxBytes = MOST_BYTES }: Limits): Promise<Uint8Array> {
  if (blob.size > maxBytes) throw tooLarge(maxBytes);
  return new Uint8Array(await blob.arrayBuffer());
}

/** All that a stream gives, which is closed if that is too much or takes too long. `told`: as the message has it. */
async function collected(
  given: Readable | WebStream<Uint8Array>,
  { maxBytes = MOST_BYTES, timeoutMs = TIMEOUT }: Limits,
  told = timeoutMs,
): Promise<Uint8Array> {
  const stream = given instanceof Readable ? given : Readable.fromWeb(given);
  const late = new Error(`it is not complete after ${told / 1000} s (timeoutMs)`);
  const timer = setTimeout(() => stream.destroy(late), timeoutMs);
  const pieces: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const piece of stream) {
      if (!(piece instanceof Uint8Array)) throw new Error('the stream gives something else than bytes');
      size += piece.length;
      if (size > maxBytes) throw tooLarge(maxBytes);
      pieces.push(piece);
    }
  } finally {
    clearTimeout(timer);
  }
  return Buffer.concat(pieces);
}
