/** Batches: parts of them, parts put together, and what was found of each image. */
import { sizeOf, type Tensor } from '../../reference/tensor.ts';
import { fromTensor, type NumericValue, type Value } from '../array/value.ts';
import type { Worst } from '../judge/judge.ts';
import { patternOfImages } from '../judge/pattern.ts';
import { tensorOf } from './subject.ts';
import { type LayerRow, overall, type Verification } from './verification.ts';

type Feeds = ReadonlyMap<string, Value>;

/** What is fed, `batch` images at a time. */
export function* batchesOf(feeds: Feeds, batch: number | undefined): Generator<Feeds> {
  const N = [...feeds.values()][0]?.shape[0] ?? 0;
  if (batch === undefined || batch >= N) {
    yield feeds;
    return;
  }
  for (let n = 0; n < N; n += batch)
    yield new Map([...feeds].map(([name, value]) => [name, imagesOf(value as NumericValue, n, batch)]));
}

/** Some images of a batch. */
export function imagesOf(
  { dtype, shape: [N, ...rest], data }: NumericValue,
  first: number,
  batch: number,
): Value {
  const size = data.length / N;
  const part = data.subarray(first * size, (first + batch) * size);
  return { dtype, shape: [part.length / size, ...rest], data: part };
}

/** Values one after the other along the batch axis. */
export function joinedBatches(parts: readonly Value[]): Value {
  if (parts.length === 1) return parts[0];
  const [{ dtype, shape }] = parts;
  const N = parts.reduce((sum, part) => sum + part.shape[0], 0);
  const whole = [N, ...shape.slice(1)];
  const arrays = parts.map((part) => part.data as Float32Array);
  const data = new (arrays[0].constructor as new (n: number) => Float32Array)(sizeOf(whole));
  let at = 0;
  for (const array of arrays) {
    data.set(array, at);
    at += array.length;
  }
  return { dtype, shape: whole, data };
}

const RANK = { untested: 0, pass: 1, suspicious: 2, fail: 3 };

/** Of images that were judged one by one: each layer's row and run as the worst of them has it, and its number. */
export function worstOf(each: readonly Verification[]): Verification {
  const [first] = each;
  if (each.length === 1) return first;
  const layers = first.layers.map((_, i) => worstRow(each.map((one) => one.layers[i])));
  const ofRuns = each.map(({ runs: [run] }, n) => ({ ...run, reason: titled(run.reason, n) }));
  const runs = [ofRuns.reduce((a, b) => (RANK[b.verdict] > RANK[a.verdict] ? b : a))];
  const failed = each.findIndex(({ why, evidence }) => why !== null || evidence !== null);
  const { why, evidence } = each[Math.max(0, failed)];
  const n = each.findIndex((one) => one.first !== null);
  const rowsOf = (name: string): number => first.layers.find(({ layer }) => layer === name)?.shape[0] ?? 1;
  const margins = each.flatMap(({ margin }, image) => (margin ? [{ ...margin, image }] : []));
  const values = (side: 'device' | 'oracle') =>
    new Map(
      [...first.values[side].keys()].map((name) => [
        name,
        stacked(each.map((one) => one.values[side].get(name)!)),
      ]),
    );
  return {
    ...first,
    input: [each.length, ...first.input.slice(1)],
    layers,
    runs,
    verdict: overall(layers, runs),
    first: n < 0 ? null : each[n].first,
    why: why && { ...why, worst: inBatch(why.worst, failed * rowsOf(why.layer)) },
    evidence,
    margin: margins.toSorted((a, b) => b.probability - a.probability)[0] ?? null,
    values: { ...first.values, device: values('device'), oracle: values('oracle') },
  };
}

const titled = (reason: string, n: number): string => (reason === '' ? '' : `image ${n}: ${reason}`);

/** `before`: how many rows lie before the image's own. */
const inBatch = ({ index: [row, ...rest], ...worst }: Worst, before: number): Worst => ({
  ...worst,
  index: [before + row, ...rest],
});

function worstRow(rows: readonly LayerRow[]): LayerRow {
  const over = ({ introduced }: LayerRow): number => introduced?.overBound ?? 0;
  const n = rows.reduce((worst, row, i) => {
    const rank = RANK[row.verdict] - RANK[rows[worst].verdict];
    return rank > 0 || (rank === 0 && over(row) > over(rows[worst])) ? i : worst;
  }, 0);
  const { shape, reason, introduced, ...row } = rows[n];
  const worst = introduced?.worst ? inBatch(introduced.worst, n * shape[0]) : null;
  const pattern = patternOfImages(rows.map((one) => one.introduced?.pattern ?? null));
  return {
    ...row,
    shape: [rows.length * shape[0], ...shape.slice(1)],
    reason: titled(reason, n),
    introduced: introduced && { ...introduced, worst, pattern },
  };
}

const stacked = (parts: readonly Tensor[]): Tensor =>
  tensorOf(joinedBatches(parts.map((t) => fromTensor(t))));
