/** What a stub calls until it is written. */
export class Todo extends Error {}

/** Says that there is nothing here yet. It takes the arguments, so that nothing complains that they are not used. */
export function todo(..._given: unknown[]): never {
  throw new Todo();
}
