/**
 * The way of pictures through a network, for whoever classifies: they are read and decoded in threads, put together
 * into batches, and computed in a thread of its own, while the thread that asks stays free. What goes into a batch is
 * said by the caller and not by the moment, so that the same pictures give the same bits again.
 */
import type { Network } from '../../reference/networks/layers.ts';
import type { Picture } from '../data/dataset.ts';
import type { Pool, Prepared } from '../data/pool.ts';
import { InputError } from '../errors.ts';
import type { Choice } from '../runtime/devices.ts';
import type { Engine } from './engine.ts';

export interface Failure {
  readonly image: string;
  /** One line that begins with the picture's name. */
  readonly error: string;
}

/** Probabilities (K), averaged over the views of a picture, or why it could not be used. */
export type Outcome = Float64Array | Failure;

export interface Pipeline {
  /** Batches that are to be under way so that neither threads nor device have to wait. */
  readonly ahead: number;
  /**
   * One batch; outcomes in the order of its pictures. A picture that was not found is given as that failure. Rejects
   * with InputError if the preprocessing does not make what the network takes, with EnvironmentError if the decoder is
   * missing.
   */
  classify(pictures: readonly (Picture | Failure)[]): Promise<Outcome[]>;
}

/** Pictures whose bytes are in hand are sent to a thread together: each takes it less time than the sending. */
const GROUP = 32;

/** Pictures in a run: enough to keep the device busy, few enough to fit beside what is being decoded. */
export function batchFor({ input }: Network, device: Choice | null, views = 1): number {
  const gpu = device !== null && device.device !== 'cpu' && !device.software;
  return Math.max(1, Math.floor((input[1] <= 64 ? 128 : gpu ? 32 : 4) / views));
}

/** `batch`: how many pictures there will be in most. Engine and pool, which makes inputs, stay the caller's. */
export function openPipeline(
  network: Network,
  engine: Pick<Engine, 'probabilities'>,
  pool: Pick<Pool, 'prepare' | 'threads'>,
  { batch, views = 1 }: { readonly batch: number; readonly views?: number },
): Pipeline {
  const wanted = [views, ...network.input];

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

  return {
    ahead: 2 + Math.ceil(pool.threads / batch),
    async classify(pictures) {
      const results = await prepared(pictures);
      const inputs = results.flatMap((result, i) => {
        if (!('data' in result)) return [];
        if (result.shape.join() === wanted.join()) return [result.data as Float32Array<ArrayBuffer>];
        throw new InputError(
          `${nameOf(pictures[i])}: becomes [${result.shape}], but ${network.name} takes [${wanted}]: see --preprocess`,
        );
      });
      const p = inputs.length === 0 ? [] : await engine.probabilities(inputs);
      let at = 0;
      return results.map((result, i) => {
        if ('error' in result) return { image: nameOf(pictures[i]), error: result.error };
        return average(p, at++, views, p.length / inputs.length / views);
      });
    },
  };
}

export const nameOf = (picture: Picture | Failure): string =>
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
