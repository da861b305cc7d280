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
export const whole = (least: number, most = Number.MAX_SAFE_INTEGER): Check =>
  number(range(least, most), (v) => Number.isSafeInteger(v) && v >= least && v <= most);
export const range = (least: number, most: number): string =>
  most === Number.MAX_SAFE_INTEGER
    ? `an integer of at least ${least}`
    : `an integer from ${least} to ${most}`;
/** Threads that decode: each is an engine of its own, of some 30 MB. So many need 8 GB. */
export const MOST_THREADS = 256;
export const positive = number('above 0', (v) => v > 0);
export const least0 = number('at least 0', (v) => v >= 0);

export const among =
  (names: readonly (string | number)[]): Check =>
  (value) =>
    names.includes(value as string) ? undefined : `one of ${names.join(', ')}`;
export const text: Check = (value) => (typeof value === 'string' && value !== '' ? undefined : 'a text');
export const truth: Check = (value) => (typeof value === 'boolean' ? undefined : 'true or false');
export const called: Check = (value) => (typeof value === 'function' ? undefined : 'a function');
export const aborting: Check = (value) => (value instanceof AbortSignal ? undefined : 'an AbortSignal');
export const thing =
  (what: string): Check =>
  (value) =>
    typeof value === 'object' && value !== null && !Array.isArray(value) ? undefined : what;
export const numberList: Check = (value) =>
  (Array.isArray(value) && value.every((one) => typeof one === 'number')) || ArrayBuffer.isView(value)
    ? undefined
    : 'a list of numbers';
export const listOf =
  (what: string, check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every((one) => check(one) === undefined) ? undefined : what;
export const texts = listOf('a list of texts', (one) => (typeof one === 'string' ? undefined : 'a text'));
/** Any of several; `what` names them. */
export const either =
  (what: string, ...checks: readonly Check[]): Check =>
  (value) =>
    checks.some((check) => check(value) === undefined) ? undefined : what;
const holds =
  (what: string, test: (value: Record<string, unknown>) => boolean): Check =>
  (value) =>
    thing(what)(value) ?? (test(value as Record<string, unknown>) ? undefined : what);
/** A tensor, or a value as `readTensors` returns it. */
export const tensorLike = holds(
  'a tensor',
  ({ shape, data }) => numberList(shape) === undefined && ArrayBuffer.isView(data),
);
/** A network that is written down. */
export const definition = holds(
  'a network',
  ({ name, layers, input, preprocess }) =>
    text(name) === undefined &&
    listOf(
      '',
      holds('', (layer) => text(layer.name) === undefined && text(layer.kind) === undefined),
    )(layers) === undefined &&
    numberList(input) === undefined &&
    thing('')(preprocess) === undefined,
);
/** A network, by its name or written down. */
export const named = either("a network or a network's name", text, definition);
export const bytes: Check = (value) => (value instanceof Uint8Array ? undefined : 'bytes');

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

/** Throws InputError where an argument is not what it must be. `what`: function and argument, 'run: model'. */
export function checkArgument(what: string, value: unknown, check: Check): void {
  const wish = check(value);
  if (wish !== undefined) throw new InputError(`${what} must be ${wish} (= ${inShort(value)})`);
}

/**
 * Throws InputError at the first option that is unknown or has a value that it cannot have. `where`: the function, or
 * the file that holds them.
 */
export function checkAgainst<T>(checks: Checks<T>, options: unknown, where: string): asserts options is T {
  checkArgument(`${where}: options`, options, thing('an object'));
  for (const [key, value] of Object.entries(options as object)) {
    if (value === undefined) continue;
    if (!Object.hasOwn(checks, key)) {
      throw new InputError(
        `${where}: unknown option '${key}' (there are: ${Object.keys(checks).join(', ')})`,
      );
    }
    checkArgument(`${where}: ${key}`, value, checks[key as keyof T]);
  }
}

/** A value for a message, in one short line. */
function inShort(value: unknown): string {
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object')
    return typeof value === 'string' ? cut(JSON.stringify(value)) : String(value);
  try {
    return cut(JSON.stringify(value));
  } catch {
    // it holds itself, or a bigint
    return Object.prototype.toString.call(value);
  }
}

const cut = (words: string): string => (words.length > 80 ? `${words.slice(0, 80)}…` : words);

/** The network of that name, or the one that is given; alexnet2012 without either. Throws InputError. */
export function resolveNetwork(given: string | Network = 'alexnet2012'): Network {
  checkArgument('network', given, named);
  if (typeof given === 'object') return given;
  try {
    return networkNamed(given);
  } catch (error) {
    throw new InputError((error as Error).message);
  }
}
