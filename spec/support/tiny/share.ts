/** Something with two constants, for spec/bench/mutation-self.spec.ts: share.spec.ts looks at one of them. */
export const share = (x: number): number => x / 4;

export const rest = (x: number): number => 3 - x;
