/**
 * How repeatable a device's values are: the same images again, in another session, at another place of the batch, in a
 * batch of another size. Right kernels may sum in another order there; a value then moves by a few units in the last
 * place.
 */
import type { NumericValue, Value } from '../array/value.ts';
import { imagesOf, joinedBatches } from './batches.ts';
import type { Repeat } from './provider.ts';

type Values = ReadonlyMap<string, Value>;
/** A run in a session that stays open until the next is opened. */
type RunOnce = (feeds: Values) => Promise<Values>;

const BATCH = 16;

/** `times` runs at least in one session; `fixed`: the batch is as it is. Throws what `open` and its runs throw. */
export async function repeatsOf(
  feeds: Values,
  times: number,
  fixed: boolean,
  open: () => Promise<RunOnce>,
): Promise<Repeat[]> {
  const found: Repeat[] = [];
  const add = (change: Repeat['change'], what: string, ...moves: ReadonlyMap<string, number>[]): void => {
    const furthest = new Map<string, number>();
    for (const [layer, ulps] of moves.flatMap((each) => [...each]))
      furthest.set(layer, Math.max(ulps, furthest.get(layer) ?? 0));
    const moved = [...furthest].filter(([, ulps]) => ulps > 0).map(([layer, ulps]) => ({ layer, ulps }));
    found.push({ change, what, compared: furthest.size, moved });
  };
  const run = await open();
  const first = await run(feeds);
  const again: ReadonlyMap<string, number>[] = [];
  for (let i = 1; i < times; i++) again.push(movesOf(first, await run(feeds)));
  add('run', times === 2 ? 'run twice' : `run ${times} times`, ...again);
  if (!fixed) {
    const four = eachOf(feeds, (x) =>
      joinedBatches([x, shifted(x, 1), shifted(x, 2), shifted(x, 3)].map(firstOf)),
    );
    const turned = eachOf(four, (x) => joinedBatches([imagesOf(x, 2, 2), imagesOf(x, 0, 2)]));
    add(
      'place',
      'place 1 to 3 of 4',
      movesOf(await run(four), await run(turned), { n: 0, of: 4 }, { n: 2, of: 4 }),
    );
    const one = eachOf(feeds, firstOf);
    const many = eachOf(one, (x) => joinedBatches(new Array<Value>(BATCH).fill(x)));
    add(
      'batch',
      `batch 1 to ${BATCH}`,
      movesOf(await run(one), await run(many), { n: 0, of: 1 }, { n: 0, of: BATCH }),
    );
  }
  const other = await open();
  add('session', 'another session', movesOf(first, await other(feeds)));
  return found;
}

const eachOf = (feeds: Values, change: (x: NumericValue) => Value): Values =>
  new Map([...feeds].map(([name, x]) => [name, change(x as NumericValue)]));

const firstOf = (x: Value): Value => imagesOf(x as NumericValue, 0, 1);

/** Another image of the same numbers: none is 0 everywhere, none out of range. */
function shifted(x: NumericValue, by: number): Value {
  const n = x.data.length;
  const { data } = x;
  const turned = data.slice();
  for (let i = 0; i < n; i++) turned[i] = data[(i + by * 97) % n];
  return { ...x, data: turned };
}

/** An image among those of a run, each of which may be several views. */
interface Place {
  readonly n: number;
  readonly of: number;
}

/** By value the furthest move, of whole values or of an image of each. */
function movesOf(before: Values, after: Values, from?: Place, to?: Place): Map<string, number> {
  const part = (value: Value, place: Place | undefined): NumericValue => {
    const views = place ? value.shape[0] / place.of : 0;
    return (place ? imagesOf(value as NumericValue, place.n * views, views) : value) as NumericValue;
  };
  const shared = [...before].filter(([name, value]) => after.has(name) && value.data instanceof Float32Array);
  return new Map(
    shared.map(([name, value]) => [name, furthest(part(value, from), part(after.get(name)!, to))] as const),
  );
}

/** Bits of a float32 that a format of half the width does not have. */
const COARSER: Readonly<Record<string, number>> = { float16: 2 ** 13, bfloat16: 2 ** 16 };

/** Largest distance in units in the last place, ∞ where one is NaN alone. Halves are widened. */
function furthest(a: NumericValue, b: NumericValue): number {
  const x = inOrder(a.data as Float32Array);
  const y = inOrder(b.data as Float32Array);
  if (x.length !== y.length) return Number.POSITIVE_INFINITY;
  let far = 0;
  for (let i = 0; i < x.length; i++) {
    if (x[i] === y[i]) continue;
    const isNumber = !Number.isNaN(a.data[i] as number) && !Number.isNaN(b.data[i] as number);
    far = Math.max(far, isNumber ? Math.abs(x[i] - y[i]) : Number.POSITIVE_INFINITY);
  }
  return far / (COARSER[a.dtype] ?? 1);
}

/** float32 patterns as integers that grow with the number; −0 and 0 are one. */
const inOrder = (values: Float32Array): Int32Array =>
  new Int32Array(values.slice().buffer).map((bits) => (bits < 0 ? -(2 ** 31) - bits : bits));

/** A line each: 'batch 1 to 16: conv1 … pool5 keep their bits, fc6 moves 3 ULP, fc7 2'. */
export const repeatLines = (repeats: readonly Repeat[]): string[] =>
  repeats.map(({ what, compared, moved }) => {
    if (moved.length === 0) return `${what}: all ${compared} values keep their bits`;
    const list = moved.map(({ layer, ulps }) => `${layer} ${ulps}`).join(', ');
    return `${what}: ${compared - moved.length} of ${compared} values keep their bits; units in the last place: ${list}`;
  });
