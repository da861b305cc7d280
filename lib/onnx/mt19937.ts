/**
 * The Mersenne Twister MT19937, seeded and read as numpy.random.seed(n) and numpy.random.uniform do.
 *
 * Source: Matsumoto and Nishimura, ACM TOMACS 8 (1998), reference implementation mt19937ar.c (init_genrand,
 * genrand_int32, genrand_res53). ONNX's backend tests draw Dropout's masks from it.
 */

const N = 624;
const M = 397;

/** Uniform numbers in [0, 1) with 53 bits, for a seed from 0 to 2^32 − 1. */
export function mt19937(seed: number): () => number {
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
    throw new Error(`the seed must be an integer from 0 to 4294967295 (= ${seed})`);
  }
  const state = new Uint32Array(N);
  state[0] = seed;
  for (let i = 1; i < N; i++) {
    state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
  }
  let next = N;
  const int32 = (): number => {
    if (next === N) {
      regenerate(state);
      next = 0;
    }
    let y = state[next++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
  return () => {
    const high = int32() >>> 5;
    const low = int32() >>> 6;
    return (high * 67108864 + low) / 9007199254740992;
  };
}

function regenerate(state: Uint32Array): void {
  for (let i = 0; i < N; i++) {
    const y = (state[i] & 0x80000000) | (state[(i + 1) % N] & 0x7fffffff);
    state[i] = state[(i + M) % N] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
  }
}
