/** Numbers of a layer in words, as the reports have them. */
import type { Worst } from '../judge/judge.ts';
import type { LayerRow, RunReport } from '../verify/verification.ts';
import { scientific } from './table.ts';

/** [0, 3, 1, 2]: 1.5 on the device, 1.25 in the oracle; error 2.5e-1, bound 1.0e-6. */
export const elementLine = ({ index, device, oracle, error, bound }: Worst): string =>
  `[${index.join(', ')}]: ${device} on the device, ${oracle} in the oracle; error ${scientific(error)}, bound ${scientific(bound)}`;

/** Which of the three runs: tapped, not optimised. */
export const runName = ({ graph, optimised }: RunReport): string =>
  `${graph}, ${optimised ? 'optimised' : 'not optimised'}`;

/** error over bound: two digits. */
export const ratio = (value: number): string =>
  value === 0 ? '0' : value < 0.001 || value >= 1000 ? scientific(value) : value.toPrecision(2);

/** 21.3, or '' where the operation has no products. */
export function bitsOf({ introduced }: LayerRow): string {
  if (introduced?.bits === null || introduced?.bits === undefined) return '';
  return introduced.arithmetic === 'undetermined' ? 'undetermined' : introduced.bits.toFixed(1);
}

/** error/bound 0.11, 21.3 effective bits, introduced 1.2e-7, accumulated 3.4e-7, on CPU. */
export function measures(row: LayerRow): string {
  const { introduced, accumulated, devices } = row;
  const parts: string[] = [];
  if (introduced) {
    parts.push(`error/bound ${ratio(introduced.overBound)}`);
    if (bitsOf(row)) parts.push(`${bitsOf(row)} effective bits`);
    parts.push(`introduced ${scientific(introduced.relativeError)}`);
  }
  if (accumulated !== null) parts.push(`accumulated ${scientific(accumulated)}`);
  if (devices.length > 0) parts.push(`on ${devices.join(' and ')}`);
  return parts.join(', ');
}
