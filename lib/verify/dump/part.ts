/**
 * A subject of which only some values are there, whatever graph it is. What can be recomputed from its operands is.
 * A value that reads a missing one is held against the oracle's own chain, as the outputs of an untouched graph are:
 * it may be as far off as right rounding of everything before it carries it.
 */
import { fromTensor, type Value } from '../../array/value.ts';
import { InputError } from '../../errors.ts';
import { SEQUENTIAL } from '../../judge/judge.ts';
import type { Executor } from '../../runtime/failures.ts';
import { type Examined, examine, strayFrom } from '../engine.ts';
import type { Provider } from '../provider.ts';
import { type Computation, making, type Subject } from '../subject.ts';
import { squeezed } from './place.ts';

/** `isGiven`: a value that no run computes. */
function partOfSubject(
  subject: Subject,
  values: ReadonlyMap<string, Value>,
  isGiven: (name: string) => boolean,
  expected: () => ReadonlyMap<string, Float64Array>,
): Subject {
  const isThere = (name: string): boolean => values.has(name) || isGiven(name);
  let stray: ReturnType<typeof strayFrom> | undefined;
  const heldTo = (name: string) => {
    stray ??= strayFrom(subject, expected());
    const reason = stray(name, values.get(name)!);
    return { verdict: reason === null ? 'pass' : 'fail', reason: reason ?? '' } as const;
  };
  function partOf(whole: Computation): Computation {
    const computation = making(whole, values);
    const missing = computation.reads.filter((name) => !isThere(name));
    if (missing.length === 0) return computation;
    const { makes, half } = computation;
    return { makes, half, reads: [], through: missing, judge: () => makes.map(({ name }) => heldTo(name)) };
  }
  return {
    ...subject,
    computations: () =>
      subject
        .computations()
        .map(partOf)
        .filter(({ makes }) => makes.length > 0),
  };
}

/** By value, what rounding does in a right run, the oracle's own: of products what one accumulator may do. */
function expectedErrors(subject: Subject): Map<string, Float64Array> {
  const expected = new Map<string, Float64Array>();
  const own = (name: string): Value | undefined => {
    const t = subject.chain(name);
    return t ? fromTensor(t) : subject.given(name);
  };
  for (const { makes, reads, judge } of subject.computations()) {
    if (reads.some((name) => own(name) === undefined)) continue;
    for (const [i, judged] of judge(own).entries()) {
      if (!judged || !('bounds' in judged)) continue;
      const { squares, expectation, bound } = judged.bounds;
      expected.set(makes[i].name, squares?.noise.map((noise) => SEQUENTIAL * noise) ?? expectation ?? bound);
    }
  }
  return expected;
}

/** Values that somebody computed elsewhere, and whose arithmetic is assumed. */
export interface Elsewhere {
  readonly values: ReadonlyMap<string, Value>;
  readonly device: Executor;
  /** Values that were not the same in every repetition. */
  readonly unstable?: readonly string[];
}

/** One run that is over. */
export const dumpOf = ({ values, device, unstable = [] }: Elsewhere): Provider => ({
  device,
  ways: [{ graph: 'elsewhere', level: 'unknown' }],
  run: async () => ({ values, placement: null, unstable }),
  [Symbol.asyncDispose]: async () => {},
});

/** Judges the part that is there; values whose shape is the right one but for extents of 1 take that. */
export async function examineDump(
  subject: Subject,
  { values, device }: Elsewhere,
  isGiven: (name: string) => boolean,
): Promise<Examined> {
  const halves = new Set(
    subject
      .computations()
      .flatMap(({ half, makes }) => (half ? makes : []))
      .map(({ name }) => name),
  );
  const fitted = new Map(
    [...values].map(([name, value]) => {
      if (value.dtype.endsWith('float16') && !halves.has(name) && !isGiven(name))
        throw new InputError(
          `'${name}' is ${value.dtype}, the graph's is not: judge what was computed in float32`,
        );
      const own = subject.chain(name)?.shape;
      return [
        name,
        own && squeezed(own) === squeezed(value.shape) ? { ...value, shape: own } : value,
      ] as const;
    }),
  );
  let errors: ReadonlyMap<string, Float64Array> | undefined;
  const expected = () => {
    errors ??= expectedErrors(subject);
    return errors;
  };
  const part = partOfSubject(subject, fitted, isGiven, expected);
  const found = await examine(part, dumpOf({ values: fitted, device }));
  return {
    ...found,
    /** Of values that are missing too. */
    get expected() {
      return new Map([...expected(), ...found.expected]);
    },
  };
}
