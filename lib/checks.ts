/**
 * What arguments and options may be: small checks, of which each public function makes a table. TypeScript refuses
 * most wrong options; a caller without types, and a JSON file, get one line instead of an error from deep inside.
 */
import { networkNamed } from '../reference/networks/index.ts';
import type { Network } from '../reference/networks/layers.ts';
import { InputError } from './errors.ts';

/** What the value must be, in words that follow 'must be', or undefined where it is that. */
export type Check = (value: unknown) => string | undefined;

/** A check for each option that there is. */
export type Checks<T> = { readonly [K in keyof Required<T>]: Check };

export const number =
  (what: string, fits: (value: number) => boolean): Check =>
  (value) =>
    typeof value === 'number' && Number.isFinite(value) && fits(value) ? undefined : what;
export const whole = (least: number): Check =>
  number(`an integer of at least ${least}`, (v) => Number.isSafeInteger(v) && v >= least);
export const positive = number('above 0', (v) => v > 0);
export const least0 = number('at least 0', (v) => v >= 0);

export const among =
  (names: readonly (string | number)[]): Check =>
  (value) =>
    names.includes(value as string) ? undefined : `one of ${names.join(', ')}`;
export const text: Check = (value) => (typeof value === 'string' && value !== '' ? undefined : 'a text');
export const truth: Check = (value) => (typeof value === 'boolean' ? undefined : 'true or false');
export const texts: Check = (value) =>
  Array.isArray(value) && value.every((one) => typeof one === 'string') ? undefined : 'a list of texts';
export const called: Check = (value) => (typeof value === 'function' ? undefined : 'a function');
export const thing =
  (what: string): Check =>
  (value) =>
    typeof value === 'object' && value !== null ? undefined : what;
/** A network, by its name or written down. */
export const named: Check = (value) =>
  text(value) === undefined || (thing('')(value) === undefined && 'layers' in (value as object))
    ? undefined
    : "a network or a network's name";
/** Any of several; `what` names them. */
export const either =
  (what: string, ...checks: readonly Check[]): Check =>
  (value) =>
    checks.some((check) => check(value) === undefined) ? undefined : what;
export const record =
  (fields: Record<string, Check>): Check =>
  (value) => {
    const names = Object.keys(fields);
    const wrong =
      typeof value !== 'object' ||
      value === null ||
      Object.keys(value).sort().join() !== names.toSorted().join()
        ? names.join(', ')
        : names.find((name) => fields[name]((value as Record<string, unknown>)[name]) !== undefined);
    return wrong === undefined ? undefined : `an object with ${wrong}`;
  };

/** Throws InputError where an argument is not what it must be. */
export function checkArgument(name: string, value: unknown, check: Check): void {
  const wish = check(value);
  if (wish !== undefined) throw new InputError(`${name} must be ${wish} (= ${inShort(value)})`);
}

/**
 * Throws InputError at the first option that is unknown or has a value that it cannot have. `where` begins the
 * message.
 */
export function checkAgainst<T>(checks: Checks<T>, options: unknown, where = ''): asserts options is T {
  checkArgument(`${where}options`, options, thing('an object'));
  for (const [key, value] of Object.entries(options as object)) {
    if (value === undefined) continue;
    if (!Object.hasOwn(checks, key)) {
      throw new InputError(`${where}unknown option '${key}' (there are: ${Object.keys(checks).join(', ')})`);
    }
    checkArgument(`${where}${key}`, value, checks[key as keyof T]);
  }
}

/** A value for a message, in one short line. */
function inShort(value: unknown): string {
  try {
    const words = JSON.stringify(value) ?? String(value);
    return words.length > 80 ? `${words.slice(0, 80)}…` : words;
  } catch {
    // a bigint, or an object that holds itself
    return Object.prototype.toString.call(value);
  }
}

/** The network of that name, or the one that is given; alexnet2012 without either. Throws InputError. */
export function resolveNetwork(given: string | Network = 'alexnet2012'): Network {
  if (typeof given === 'object') return given;
  try {
    return networkNamed(given);
  } catch (error) {
    throw new InputError((error as Error).message);
  }
}
