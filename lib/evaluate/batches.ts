/**
 * A data set's pictures in batches that are ready for the network, made in threads while the batch before is
 * computed.
 */
import type { Network } from '../../reference/networks/layers.ts';
import { sizeOf, type Tensor, tensor } from '../../reference/tensor.ts';
import type { Picture, Split } from '../data/dataset.ts';
import { inOrder, type Pool, type Prepared } from '../data/pool.ts';
import { InputError } from '../errors.ts';

export interface Failure {
  readonly image: string;
  readonly error: string;
}

export interface LabelledBatch {
  /** (pictures · views,C,H,W); null where no picture of the batch could be read. */
  readonly x: Tensor | null;
  readonly labels: readonly number[];
  /** Names of the pictures in it. */
  readonly names: readonly string[];
  readonly failures: readonly Failure[];
}

interface BatchOptions {
  /** Pictures a batch. */
  readonly size: number;
  readonly views: number;
}

/** Pictures whose bytes are in hand are sent to a thread together: each takes it less time than the sending. */
const GROUP = 32;

interface Entry {
  readonly name: string;
  readonly label: number;
}

/**
 * In the order of the split; two batches are decoded ahead. Rejects with InputError if a result does not fit
 * the network.
 */
export async function* eachBatch(
  split: Split,
  network: Network,
  pool: Pool,
  options: BatchOptions,
): AsyncGenerator<LabelledBatch> {
  const { size } = options;
  const group = 'file' in split.picture(0) ? 1 : Math.min(GROUP, size);
  const ahead = Math.ceil((2 * size) / group) + pool.threads;
  const sent: Entry[] = [];
  let entries: [Entry, Prepared][] = [];
  for await (const results of inOrder(pool, groups(split, group, sent), ahead)) {
    for (const result of results) {
      entries.push([sent.shift()!, result]);
      if (entries.length < size) continue;
      yield assemble(entries, network, options.views);
      entries = [];
    }
  }
  if (entries.length > 0) yield assemble(entries, network, options.views);
}

/** The pictures by group; `sent` takes a note of each. */
function* groups(split: Split, size: number, sent: Entry[]): Generator<Picture[]> {
  for (let first = 0; first < split.count; first += size) {
    const pictures: Picture[] = [];
    for (let i = first; i < Math.min(first + size, split.count); i++) {
      pictures.push(split.picture(i));
      sent.push({ name: pictures[i - first].name, label: split.label(i) });
    }
    yield pictures;
  }
}

function assemble(entries: readonly [Entry, Prepared][], network: Network, views: number): LabelledBatch {
  const wanted = [views, ...network.input];
  const size = sizeOf(wanted);
  const failures: Failure[] = [];
  const good: Entry[] = [];
  const x = new Float32Array(entries.length * size);
  for (const [entry, result] of entries) {
    if ('error' in result) {
      failures.push({ image: entry.name, error: result.error });
      continue;
    }
    if (result.shape.join() !== wanted.join()) {
      throw new InputError(
        `${entry.name}: becomes [${result.shape}], but ${network.name} takes [${wanted}]: see --preprocess`,
      );
    }
    x.set(result.data, good.length * size);
    good.push(entry);
  }
  const shape = [good.length * views, ...network.input];
  return {
    x: good.length > 0 ? tensor(x.subarray(0, good.length * size), shape) : null,
    labels: good.map(({ label }) => label),
    names: good.map(({ name }) => name),
    failures,
  };
}
