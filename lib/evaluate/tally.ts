/** Counts right answers, confusions and losses, and how sure the shares are. */

export interface Share {
  readonly right: number;
  readonly count: number;
  /** right / count; null of nothing. */
  readonly share: number | null;
  /** Wilson's 95 % interval. */
  readonly low: number;
  readonly high: number;
}

/** The 97.5 % quantile of the normal distribution. */
const Z = 1.959963984540054;

/** Share of right answers with Wilson's score interval at 95 % (Wilson 1927); 0 to 1 of nothing. */
export function wilson(right: number, count: number): Share {
  if (count === 0) return { right, count, share: null, low: 0, high: 1 };
  const p = right / count;
  const zz = (Z * Z) / count;
  const centre = (p + zz / 2) / (1 + zz);
  const half = (Z / (1 + zz)) * Math.sqrt((p * (1 - p) + zz / 4) / count);
  const low = right === 0 ? 0 : centre - half;
  const high = right === count ? 1 : centre + half;
  return { right, count, share: p, low, high };
}

export interface Confusion {
  readonly truth: number;
  readonly predicted: number;
  readonly count: number;
}

export interface Tally {
  readonly count: number;
  readonly top1: number;
  readonly topK: number;
  /** Sum of −ln p(truth). */
  readonly loss: number;
  /** Times that class `truth` was answered with `predicted`: truth · K + predicted. */
  readonly pairs: ReadonlyMap<number, number>;
}

export interface Counter {
  /**
   * Probabilities (K) and the right class; returns the one that is given. The first of equals counts as the greater.
   * Throws for NaN.
   */
  add(probabilities: ArrayLike<number>, truth: number): number;
  readonly tally: Tally;
}

/** Smallest p whose logarithm is taken: FLT_MIN, as in Caffe's softmax_loss_layer.cpp. */
const LEAST = 2 ** -126;

/** Counts whether the truth is the first of K classes, and among the first k. */
export function counter(K: number, k: number): Counter {
  const tally = { count: 0, top1: 0, topK: 0, loss: 0, pairs: new Map<number, number>() };
  const add = (p: ArrayLike<number>, truth: number): number => {
    let rank = 0;
    let first = 0;
    for (let c = 0; c < K; c++) {
      if (!(p[c] >= 0)) throw new Error(`the network gives ${p[c]} for a probability`);
      if (p[c] > p[first]) first = c;
      if (p[c] > p[truth] || (p[c] === p[truth] && c < truth)) rank++;
    }
    tally.count++;
    if (rank === 0) tally.top1++;
    if (rank < k) tally.topK++;
    tally.loss -= Math.log(Math.max(p[truth], LEAST));
    const pair = truth * K + first;
    tally.pairs.set(pair, (tally.pairs.get(pair) ?? 0) + 1);
    return first;
  };
  return { add, tally };
}

/** The pairs that occurred, by truth, then by prediction. */
export const confusions = ({ pairs }: Tally, K: number): Confusion[] =>
  [...pairs]
    .sort(([a], [b]) => a - b)
    .map(([pair, times]) => ({ truth: Math.floor(pair / K), predicted: pair % K, count: times }));
