/** How far a solution is, in one line. */
import { dense, type Tensor } from '../reference/tensor.ts';
import { exercises, type Found, type Solution } from './steps.ts';
import { Todo } from './todo.ts';

export interface Verdict {
  readonly done: boolean;
  readonly line: string;
  readonly hint?: string;
}

/**
 * Sums of up to 100 products in another order, each of at most ten times the largest value, differ by less than
 * 100·10·2⁻⁵³ of that, about 1e-13.
 */
const TOLERANCE = 1e-12;
/** What rounding to float32 would do: 2⁻²⁴ a value, and some for sums. */
const FLOAT32 = 1e-6;

/** What a solution to exercise 1 … 5 has achieved: its first step that is wrong, or that there is none. */
export function check(number: number, yours: Partial<Solution>): Verdict {
  const { title, stub, solution, steps } = exercises[number - 1];
  const head = `exercise ${number} (${title})`;
  for (const [index, step] of steps.entries()) {
    const at = `${head}, step ${index + 1} of ${steps.length} (${step.title})`;
    let found: readonly Found[];
    try {
      found = step.run(yours as Solution);
    } catch (error) {
      if (error instanceof Todo && index === 0)
        return { done: false, line: `${head}: to be written in ${stub}` };
      const what = error instanceof Todo ? 'to be written' : String(error).split('\n')[0];
      return { done: false, line: `${at}: ${what}`, hint: step.hint };
    }
    for (const { name, expected, got } of found) {
      const wrong = difference(name, expected, got);
      if (wrong) return { done: false, line: `${at}: ${wrong.what}`, hint: wrong.hint ?? step.hint };
    }
  }
  const line = `${head}: done, all ${steps.length} steps agree with the oracle; ours is ${solution}`;
  return { done: true, line };
}

/** Shape, how many values agree, and the first that does not. */
function difference(
  name: string,
  expected: Tensor,
  got: unknown,
): { what: string; hint?: string } | undefined {
  if (!isTensor(got))
    return { what: `${name} should be a tensor of shape [${expected.shape}], got ${typeof got}` };
  if (got.shape.join() !== expected.shape.join()) {
    return { what: `${name} should have the shape [${expected.shape}], got [${got.shape}]` };
  }
  const right = dense(expected);
  const given = dense(got);
  const largest = Math.max(...right.map(Math.abs));
  const far = (i: number, share: number) => !(Math.abs(given[i] - right[i]) <= share * largest);
  const wrong = [...right.keys()].filter((i) => far(i, TOLERANCE));
  if (wrong.length === 0) return undefined;
  const [first] = wrong;
  const what =
    `${name} has the right shape [${expected.shape}], and ${right.length - wrong.length} of its ${right.length} values agree; ` +
    `first ${name}[${indexOf(first, expected.shape)}]: expected ${right[first]}, got ${given[first]}`;
  const rounded = wrong.every((i) => !far(i, FLOAT32));
  return rounded
    ? { what, hint: "that is float32's rounding: zeros(shape, 'float64') keeps all digits" }
    : { what };
}

const isTensor = (value: unknown): value is Tensor =>
  typeof value === 'object' && value !== null && 'shape' in value && 'data' in value;

/** The index of a flat place, as in y[0,2,1,3]. */
function indexOf(place: number, shape: readonly number[]): number[] {
  const index: number[] = [];
  for (let axis = shape.length - 1, rest = place; axis >= 0; axis--) {
    index.unshift(rest % shape[axis]);
    rest = Math.floor(rest / shape[axis]);
  }
  return index;
}
