/** Numbers for people: the largest of them, shares of a hundred, and few digits. */
import type { Seen } from '../engine/protocol.ts';

/** Positions of the `count` largest values, the largest first. */
export const largest = (values: ArrayLike<number>, count: number): number[] =>
  Array.from({ length: values.length }, (_, i) => i)
    .sort((a, b) => values[b] - values[a])
    .slice(0, count);

/** 41.3 %; what is nearly nothing or nearly all is not rounded to it. */
export function percent(p: number): string {
  if (p > 0 && p < 0.0005)
    return `${(100 * p).toExponential(0).replace('e-', ' · 10⁻').replace(/\d+$/, raised)} %`;
  if (p < 1 && p > 0.9995) return '> 99.9 %';
  return `${(100 * p).toFixed(1)} %`;
}

const raised = (digits: string): string => [...digits].map((digit) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(digit)]).join('');

/** −log p of a class. */
export const lossOf = ({ probabilities }: Seen, k: number): number => -Math.log(probabilities[k]);

/** Three digits: 0.0123, 2.1 · 10⁻⁶. */
export function short(v: number): string {
  if (v === 0 || (Math.abs(v) >= 1e-3 && Math.abs(v) < 1e5)) return String(Number(v.toPrecision(3)));
  const [digits, power] = v.toExponential(1).split('e');
  return `${digits} · 10${power.startsWith('-') ? '⁻' : ''}${raised(power.slice(1))}`;
}
