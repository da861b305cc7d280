/** What a story is told with: steps of the calculation, and backward the values that read the one that it is about. */

/** A line of the calculation: what is computed, and what comes out. */
export interface Step {
  readonly what: string;
  readonly value: number;
}

/** A reader of the value: dy is its gradient, factor how it changes with the value, product what that adds. */
export interface Reader {
  readonly index: number;
  readonly dy: number;
  readonly factor: number;
  readonly product: number;
}
