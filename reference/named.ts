/**
 * Errors that name what they are about: TypeError for an argument that is another kind of thing, RangeError for values
 * and shapes that do not fit.
 */

/** The value of that name. Throws, naming those that are there. */
export function lookup<T>(values: ReadonlyMap<string, T>, name: string): T {
  const value = values.get(name);
  if (value === undefined)
    throw new RangeError(`there is no '${name}' (there are: ${[...values.keys()].join(', ')})`);
  return value;
}

/** Runs something for a layer; errors name it. */
export function atLayer<T>(name: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    (error as Error).message = `${name}: ${(error as Error).message}`;
    throw error;
  }
}

// ---- for callers without types: one line, and not an error from deep inside ----------------------------------------

export function must(holds: boolean, argument: string, wish: string, value: unknown): void {
  if (holds) return;
  const plain = value === null || ['undefined', 'number', 'boolean', 'bigint'].includes(typeof value);
  const given = plain ? String(value) : Array.isArray(value) ? 'a list' : `a ${typeof value}`;
  throw new TypeError(`${argument} must be ${wish} (= ${given})`);
}

type Fields = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isTensor = (value: unknown): boolean =>
  isObject(value) &&
  Array.isArray(value.shape) &&
  Array.isArray(value.stride) &&
  ArrayBuffer.isView(value.data);
const isLayer = (value: unknown): boolean =>
  isObject(value) && typeof value.name === 'string' && typeof value.kind === 'string';

export const mustBeObject = (argument: string, value: unknown): void =>
  must(isObject(value), argument, 'an object', value);
export const mustBeTensor = (argument: string, value: unknown): void =>
  must(isTensor(value), argument, 'a tensor', value);
export const mustBeLayer = (argument: string, value: unknown): void =>
  must(isLayer(value), argument, 'a layer', value);
export const mustBeMap = (argument: string, value: unknown): void =>
  must(value instanceof Map, argument, 'a Map by name', value);
export function mustBeWeights(argument: string, value: unknown): void {
  mustBeMap(argument, value);
  for (const [name, one] of value as Map<unknown, unknown>) mustBeTensor(`${argument}: ${name}`, one);
}
export const mustBeShape = (argument: string, value: unknown): void =>
  must(
    Array.isArray(value) && value.every((extent) => typeof extent === 'number'),
    argument,
    'a list of extents',
    value,
  );
export function mustBeNetwork(argument: string, value: unknown): void {
  const { layers, input } = (value ?? {}) as Fields;
  must(isObject(value) && Array.isArray(layers) && layers.every(isLayer), argument, 'a network', value);
  mustBeShape(`${argument}: input`, input);
}
