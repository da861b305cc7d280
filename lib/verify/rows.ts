/** Judges the values of one run, each from the run's own operands. */
import type { Tensor } from '../../reference/tensor.ts';
import type { Value } from '../array/value.ts';
import type { Judged } from '../bounds/bounds.ts';
import { layerDetails } from '../judge/details.ts';
import { judge, relativeDifference } from '../judge/judge.ts';
import { type Computation, type Subject, tensorOf, type Values } from './subject.ts';
import type { LayerReport } from './verification.ts';

export interface Judgement {
  readonly row: LayerReport;
  /** Null where there was nothing to compare, or no bound is known. */
  readonly judged: Judged | null;
  readonly by: Computation;
}

/** A judgement of each value that the computation makes; `values` are the run's. */
export function* judgements(by: Computation, subject: Subject, values: Values): Generator<Judgement> {
  let found: ReturnType<Computation['judge']> | undefined;
  for (const [i, { name, kind }] of by.makes.entries()) {
    const own = subject.chain(name);
    const y = values(name);
    const { through } = by;
    const head = { layer: name, kind, shape: own?.shape ?? y?.shape ?? [], ...(through && { through }) };
    const missing = missingFor(by, y, own, values);
    if (missing !== null || !y) {
      const row = { verdict: 'fail', reason: missing ?? '', introduced: null, accumulated: null } as const;
      yield { row: { ...head, ...row }, judged: null, by };
      continue;
    }
    found ??= by.judge(values);
    const known = found[i] ?? { verdict: 'untested', reason: `no bound is known for ${kind}: not judged` };
    const accumulated = own ? relativeDifference(tensorOf(y), own) : null;
    if ('verdict' in known)
      yield { row: { ...head, ...known, introduced: null, accumulated }, judged: null, by };
    else
      yield {
        row: { ...head, ...compared(by, tensorOf(y), known, subject), accumulated },
        judged: known,
        by,
      };
  }
}

/** Why nothing can be compared; null where it can. */
function missingFor(
  { fault, reads }: Computation,
  y: Value | undefined,
  own: Tensor | undefined,
  values: Values,
): string | null {
  if (fault !== undefined) return fault;
  if (!y) return 'the model has no such value';
  if (!reads.every((name) => values(name) !== undefined)) return 'its input could not be read';
  if (own && y.shape.join() !== own.shape.join())
    return `shape [${y.shape}] on the device, [${own.shape}] in the oracle`;
  return null;
}

function compared(
  { unlike, half = false, operands }: Computation,
  y: Tensor,
  judged: Judged,
  subject: Subject,
): Pick<LayerReport, 'verdict' | 'reason' | 'introduced' | 'details'> {
  const introduced = judge(y, judged, operands ?? subject.operands);
  const { verdict } = introduced;
  const reason = [introduced.reason, unlike].filter(Boolean).join('; ');
  if (unlike !== undefined && verdict !== 'fail')
    return { verdict: 'fail', reason: unlike, introduced: null };
  if (y.size === 0 || y.size > (subject.detailed ?? Number.POSITIVE_INFINITY))
    return { verdict, reason, introduced };
  return { verdict, reason, introduced, details: layerDetails(y, judged.exact, judged.bounds, half) };
}

/** Whether two values are the same bits, NaN's included; two that are both missing are. */
export function sameBits(a: Value | undefined, b: Value | undefined): boolean {
  if (a === b) return true;
  if (!a || !b || a.dtype !== b.dtype || a.shape.join() !== b.shape.join()) return false;
  if (Array.isArray(a.data) || Array.isArray(b.data)) return false;
  return bytesOf(a.data).equals(bytesOf(b.data));
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Buffer =>
  Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
