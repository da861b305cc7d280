/** The wrong kernels that test vectors are measured by. */
export { type Mutant, mutants } from '../lib/verify/wrong/index.ts';
