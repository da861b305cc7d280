/**
 * The way of pictures through a network, for whoever classifies: they are read and decoded in threads, put together
 * into batches, and computed in threads of their own, while the thread that asks stays free. A group of a whole batch
 * is computed as it is, so that the same pictures give the same bits again.
 */
import { type Pixels, pictureSide } from '../../reference/input/pixels.ts';
import type { Network } from '../../reference/networks/layers.ts';
import type { Picture } from '../data/dataset.ts';
import type { Pool, Prepared } from '../data/pool.ts';
import { InputError } from '../errors.ts';
import type { Choice } from '../runtime/devices.ts';
import type { Engine } from './engine.ts';
import { openGate, openQueue, type QueueOptions } from './queue.ts';

export interface Failure {
  readonly image: string;
  /** One line that begins with the picture's name. */
  readonly error: string;
}

/** Probabilities (K), averaged over the views of a picture, or why it could not be used. */
export type Outcome = Float64Array | Failure;

/** A picture whose bytes are still to come. */
export interface Coming {
  readonly name: string;
  /** Once. Rejects with an Error of one line, without the name. */
  read(): Promise<Uint8Array>;
}

export interface Pipeline {
  /** Batches that are to be under way so that neither threads nor devices have to wait; no more are decoded. */
  readonly ahead: number;
  /**
   * One group, of at most a batch; outcomes in the order of its pictures. One that was not found is given as that
   * failure. Rejects with InputError if the preprocessing does not make what the network takes, with EnvironmentError
   * if the decoder is missing, with the signal's reason where that is aborted before it is computed.
   */
  classify(pictures: readonly (Picture | Coming | Failure)[], signal?: AbortSignal): Promise<Outcome[]>;
}

/** Pictures whose bytes are in hand are sent to a thread together: each takes it less time than the sending. */
const GROUP = 32;

/** Pictures in a run: enough to keep the device busy, few enough to fit beside what is being decoded. */
export function batchFor({ input }: Network, device: Choice | null, views = 1): number {
  const gpu = device !== null && device.device !== 'cpu' && !device.software;
  return Math.max(1, Math.floor((input[1] <= 64 ? 128 : gpu ? 32 : 4) / views));
}

export interface PipelineOptions extends QueueOptions {
  readonly views?: number;
  /** The engines preprocess pictures, which the pool resizes, and average views themselves. */
  readonly pixels?: Pixels;
}

/** Engines, of one network, and the pool that makes their inputs stay the caller's. */
export function openPipeline(
  network: Network,
  engines: readonly Pick<Engine, 'probabilities'>[],
  pool: Pick<Pool, 'prepare' | 'threads'>,
  { pixels, views: asked = 1, ...options }: PipelineOptions,
): Pipeline {
  const views = pixels ? 1 : asked;
  const side = pixels && pictureSide(pixels);
  const wanted = side ? [side, side, 3] : [views, ...network.input];
  const ahead = 2 * engines.length + Math.ceil(pool.threads / options.maxBatch);
  const queue = openQueue(engines, options);
  const gate = openGate(ahead * options.maxBatch);

  async function prepared(pictures: readonly (Picture | Failure)[]): Promise<(Prepared | Failure)[]> {
    const results: Promise<readonly (Prepared | Failure)[]>[] = [];
    let group: Picture[] = [];
    const send = (): void => {
      if (group.length > 0) results.push(pool.prepare(group));
      group = [];
    };
    for (const picture of pictures) {
      const small = 'planes' in picture;
      if (!small || group.length === GROUP) send();
      if ('error' in picture) results.push(Promise.resolve([picture]));
      else group.push(picture);
      if (!small) send();
    }
    send();
    return (await Promise.all(results)).flat();
  }

  async function outcomes(
    pictures: readonly (Picture | Failure)[],
    signal?: AbortSignal,
  ): Promise<Outcome[]> {
    const results = await prepared(pictures);
    const inputs = results.flatMap((result, i) => {
      if (!('data' in result)) return [];
      if (result.shape.join() === wanted.join()) return [result.data];
      throw new InputError(
        `${nameOf(pictures[i])}: becomes [${result.shape}], but ${network.name} takes [${wanted}]: see --preprocess`,
      );
    });
    const p = inputs.length === 0 ? [] : await queue.compute(inputs, pictures.length, signal);
    let at = 0;
    return results.map((result, i) => {
      if ('error' in result) return { image: nameOf(pictures[i]), error: result.error };
      return average(p, at++, views, p.length / inputs.length / views);
    });
  }

  return {
    ahead,
    async classify(given, signal) {
      const pictures = await Promise.all(given.map(arrived));
      await gate.enter(pictures.length);
      try {
        signal?.throwIfAborted();
        return await outcomes(pictures, signal);
      } finally {
        gate.leave(pictures.length);
      }
    },
  };
}

/** With its bytes, which are waited for outside the gate: one that is slow keeps nobody else out. */
async function arrived(picture: Picture | Coming | Failure): Promise<Picture | Failure> {
  if (!('read' in picture)) return picture;
  const { name, read } = picture;
  try {
    return { name, bytes: await read() };
  } catch (error) {
    return { image: name, error: `${name}: ${(error as Error).message.replace(/\s*\n\s*/g, ' ')}` };
  }
}

export const nameOf = (picture: Picture | Coming | Failure): string =>
  'error' in picture ? picture.image : picture.name;

/** Mean of the probabilities of picture n's views. */
export function average(p: ArrayLike<number>, n: number, views: number, K: number): Float64Array {
  const mean = new Float64Array(K);
  for (let v = 0; v < views; v++) {
    for (let c = 0; c < K; c++) mean[c] += p[(n * views + v) * K + c] / views;
  }
  return mean;
}

/** Consecutive items, `size` in each group but the last. */
export async function* inGroups<T>(items: Iterable<T> | AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let group: T[] = [];
  for await (const item of items) {
    group.push(item);
    if (group.length < size) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}
