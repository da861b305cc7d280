/** How long runs of values pass through the engine's memory for the kernels of elements.ts. */
import type { Storage } from '../../reference/tensor.ts';
import { type Engine, isWide, openArena } from './engine.ts';

/** Values that pass through the engine's memory at a time: they stay in the second-level cache. */
const CHUNK = 1 << 15;

/** Calls `use` for `values` chunk by chunk: each lies at `at`, zeros behind it, and begins with value `first`. */
export function eachChunk(
  engine: Engine,
  values: Storage,
  use: (at: number, first: number, length: number) => void,
): void {
  const arena = openArena(engine);
  const at = arena.take(CHUNK * values.BYTES_PER_ELEMENT);
  for (let first = 0; first < values.length; first += CHUNK) {
    const chunk = values.subarray(first, first + CHUNK);
    arena.copy(at, chunk);
    new Uint8Array(engine.memory.buffer as ArrayBuffer, at + chunk.byteLength, 16).fill(0);
    use(at, first, chunk.length);
  }
}

/** Whether no value is infinite or NaN. */
export function allFinite(engine: Engine, values: Storage): boolean {
  const kernel = engine.kernels[isWide(values) ? 'finite_float64' : 'finite_float32'];
  let finite = true;
  eachChunk(engine, values, (at, _, length) => {
    finite &&= kernel(at, at + length * values.BYTES_PER_ELEMENT) === 1;
  });
  return finite;
}
