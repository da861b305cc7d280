/**
 * Pictures of a data set made ready in worker threads: decoded, then as a network wants them or as training keeps
 * them.
 */
import type { Worker } from 'node:worker_threads';
import { pictureFor } from '../../reference/input/pixels.ts';
import { centreSquare, type Preprocess, preprocess, type Views } from '../../reference/input/preprocess.ts';
import { dense, type Storage, tensor } from '../../reference/tensor.ts';
import { EnvironmentError } from '../errors.ts';
import type { Decoder } from '../image/decode.ts';
import { openThreads, startThread } from '../runtime/threads.ts';
import { decodePicture, type Picture } from './dataset.ts';

export interface Recipe {
  /**
   * input: what a network is fed, float32 (views,3,H,W). square: what training cuts its crops from, 8-bit
   * (3,S,S), RGB, S the shorter side of the resized picture. picture: what a graph that preprocesses is fed, 8-bit
   * (S,S,3).
   */
  readonly form: 'input' | 'square' | 'picture';
  readonly preprocess: Preprocess;
  readonly views?: Views;
  /** For 'input': (3,H,W), see reference/input/preprocess.ts. */
  readonly meanImage?: { readonly data: Storage; readonly shape: readonly number[] };
  readonly decoder?: Decoder;
  readonly scanBudget?: number;
}

export type Prepared =
  | {
      readonly data: Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>;
      readonly shape: readonly number[];
      /** Of a square: width and height of the picture that it was. */
      readonly size?: readonly [number, number];
    }
  | {
      /** One line that starts with the picture's name. */
      readonly error: string;
      /** The decoder itself is missing. */
      readonly environment?: true;
    };

export interface Pool extends AsyncDisposable {
  readonly threads: number;
  /**
   * The pictures made ready, in order; one that cannot be used is an error in its place. Rejects with
   * EnvironmentError if the decoder is missing or no thread starts, and with Error when the pool is closed.
   */
  prepare(pictures: readonly Picture[]): Promise<readonly Prepared[]>;
  close(): Promise<void>;
}

const startDecoder = (recipe: Recipe): Worker => startThread('./decode-worker', import.meta.url, recipe);

/**
 * Threads that do what the recipe says; default: one per core, at most 16; 0: this thread does it. `start` is how one
 * is started; specs give their own.
 */
export function openPool(
  recipe: Recipe,
  { threads }: { readonly threads?: number } = {},
  start = startDecoder,
): Pool {
  const { meanImage } = recipe;
  // a tensor's own class does not pass to another thread
  const plain = meanImage ? { data: meanImage.data, shape: [...meanImage.shape] } : undefined;
  const sent: Recipe = plain ? { ...recipe, meanImage: plain } : recipe;
  if (threads === 0)
    return poolOf(
      0,
      (pictures) => inHere(pictures, recipe),
      async () => {},
    );
  const pool = openThreads<readonly Picture[], readonly Prepared[]>({
    threads,
    start: () => start(sent),
    lost: (pictures, reason) =>
      pictures.map(({ name }) => ({ error: `${name}: decoding it ended its thread (${reason})` })),
  });
  return poolOf(pool.count, (pictures) => pool.run(pictures.map(sendable)), pool.close);
}

/** A view of memory is sent with all of the memory: of a small part of it a copy is sent. */
function sendable(picture: Picture): Picture {
  if (!('bytes' in picture) || picture.bytes.length === picture.bytes.buffer.byteLength) return picture;
  return { ...picture, bytes: new Uint8Array(picture.bytes) };
}

function poolOf(threads: number, run: Pool['prepare'], close: Pool['close']): Pool {
  return {
    threads,
    async prepare(pictures) {
      const results = await run(pictures);
      for (const result of results) if ('environment' in result) throw new EnvironmentError(result.error);
      return results;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** In this thread, one after the other. */
export async function inHere(pictures: readonly Picture[], recipe: Recipe): Promise<Prepared[]> {
  const results: Prepared[] = [];
  for (const picture of pictures) results.push(await prepare(picture, recipe));
  return results;
}

/** In any thread: the picture, or why it cannot be used. */
export async function prepare(picture: Picture, recipe: Recipe): Promise<Prepared> {
  try {
    const image = await decodePicture(picture, recipe);
    if (recipe.form === 'square') {
      const size = [image.width, image.height] as const;
      return { ...planes(centreSquare(image, recipe.preprocess)), size };
    }
    const { views, meanImage } = recipe;
    if (recipe.form === 'picture') {
      const { width, height, data } = pictureFor(image, {
        preprocess: recipe.preprocess,
        views: views === 10 ? 10 : 1,
      });
      return { data: data as Uint8Array<ArrayBuffer>, shape: [height, width, 3] };
    }
    const mean = meanImage && tensor(meanImage.data, meanImage.shape);
    const x = preprocess(image, recipe.preprocess, { views, meanImage: mean });
    return { data: dense(x) as Float32Array<ArrayBuffer>, shape: x.shape };
  } catch (error) {
    const { message } = error as Error;
    const named = message.startsWith(picture.name) ? message : `${picture.name}: ${message}`;
    return { error: named, ...(error instanceof EnvironmentError ? { environment: true } : {}) };
  }
}

/** Interleaved RGB to planes. */
function planes({ width, height, data }: { width: number; height: number; data: Uint8Array }) {
  const size = width * height;
  const out = new Uint8Array(3 * size);
  for (let c = 0; c < 3; c++) {
    for (let i = 0; i < size; i++) out[c * size + i] = data[3 * i + c];
  }
  return { data: out, shape: [3, height, width] };
}
