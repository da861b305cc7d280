/** Errors that name what they are about. */

/** The value of that name. Throws, naming those that are there. */
export function lookup<T>(values: ReadonlyMap<string, T>, name: string): T {
  const value = values.get(name);
  if (value === undefined)
    throw new Error(`there is no '${name}' (there are: ${[...values.keys()].join(', ')})`);
  return value;
}

/** Runs something for a layer; errors name it. */
export function atLayer<T>(name: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw new Error(`${name}: ${(error as Error).message}`);
  }
}
