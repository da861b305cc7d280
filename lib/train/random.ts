/** What is random in training beside reference/input/augment.ts: the order of the images, and who is dropped. */
import { streamOf, words } from '../../reference/random.ts';

/** A word as a whole number 0 ≤ n < count. */
const below = (count: number, word: number): number => Math.floor((word * count) / 0x100000000);

/**
 * The numbers 0 … count − 1 in the order of an epoch (Fisher and Yates' shuffle): words epoch·count … of
 * stream `name`.
 */
export function orderOf(seed: number, name: string, epoch: number, count: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  const random = words(seed, streamOf(name), count, epoch * count);
  for (let i = count - 1; i > 0; i--) {
    const j = below(i + 1, random[i]);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

export interface MaskSpec {
  /** The dropout layer. */
  readonly layer: string;
  /** Values of its input, for a batch. */
  readonly size: number;
  readonly ratio: number;
}

/** The mask of step number `step`, 1 keep and 0 drop: words step·size … of stream 'dropout.<layer>'. */
export function maskOf(
  seed: number,
  { layer, size, ratio }: MaskSpec,
  step: number,
): Uint8Array<ArrayBuffer> {
  const random = words(seed, streamOf(`dropout.${layer}`), size, step * size);
  const limit = ratio * 0x100000000;
  const mask = new Uint8Array(size);
  for (let i = 0; i < size; i++) mask[i] = random[i] < limit ? 0 : 1;
  return mask;
}
