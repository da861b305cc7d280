/** The module with all kernels: three register tiles, the fully connected kernels, and the loop that shares out blocks. */
import { createModule, forTo, i32, type Local, type Module, memory, seq, type Type } from './assembler.ts';
import { defineDots } from './dots.ts';
import { claimLoop, finishJob, openJob, serveLoop } from './job.ts';
import { type Arithmetic, defineProduct, type Tile } from './product.ts';

export interface Features {
  /** Fused multiply-add (relaxed SIMD). */
  readonly fma: boolean;
  /** Tiles for V8's --experimental-wasm-revectorize, which joins pairs of registers to 256 bits. */
  readonly wide: boolean;
  /** A memory that workers can be given. */
  readonly shared: boolean;
}

/**
 * Register tiles: as many accumulators as 16 registers hold beside operands and temporaries. (6 × 2 with fused
 * multiply-add would save loads on paper, but Node 22 spills it and loses a third; 4 × 2 loses nothing on Node 24.)
 */
export function tilesFor({ fma, wide }: Features): Record<Arithmetic, Tile> {
  const shape = wide ? { rows: 6, vectors: 4 } : { rows: 4, vectors: 2 };
  return {
    fused: { ...shape, arithmetic: fma ? 'fused' : 'float64' },
    float64: { ...shape, arithmetic: 'float64' },
    float32: { ...shape, arithmetic: 'float32' },
  };
}

/** Kinds of job, in the order in which claimLoop is given their block functions. */
export const KINDS = ['fused', 'float64', 'float32', 'dots_float64', 'dots_float32'] as const;
export type Kind = (typeof KINDS)[number];

/**
 * frame(at, bytes, from, to, maps, rows, rowBytes, stepBytes, gapBytes): clears `bytes` at `at`, then copies maps of
 * `rows` rows to `to`, rows `stepBytes` apart, with a gap between maps.
 */
function defineFrame(module: Module): void {
  module.define('frame', new Array<Type>(9).fill('i32'), [], (declare, params) => {
    const [at, bytes, from, to, maps, rows, rowBytes, stepBytes, gapBytes] = params;
    const [map, row] = [declare('i32'), declare('i32')];
    const advance = (pointer: Local, by: Local) => pointer.set(i32.add(pointer.get, by.get));
    const copyRow = seq(
      memory.copy(to.get, from.get, rowBytes.get),
      advance(from, rowBytes),
      advance(to, stepBytes),
    );
    const one = i32.const(1);
    return seq(
      memory.fill(at.get, i32.const(0), bytes.get),
      forTo(
        map,
        i32.const(0),
        maps.get,
        one,
        seq(forTo(row, i32.const(0), rows.get, one, copyRow), advance(to, gapBytes)),
      ),
    );
  });
}

/** The bytes of the module. */
export function assemble(features: Features): Uint8Array<ArrayBuffer> {
  const module = createModule(features.shared);
  const tiles = tilesFor(features);
  const float64 = defineProduct(module, tiles.float64);
  const computes = {
    fused: features.fma ? defineProduct(module, tiles.fused) : float64,
    float64,
    float32: defineProduct(module, tiles.float32),
    dots_float64: defineDots(module, 'float64'),
    dots_float32: defineDots(module, 'float32'),
  };
  const blocks = KINDS.map((kind) => computes[kind]);
  const work = module.define('work', ['i32'], [], (declare, [thread]) =>
    claimLoop(thread.get, declare, blocks),
  );
  defineFrame(module);
  module.define('open', [], [], () => openJob);
  module.define('finish', [], [], finishJob);
  module.define('serve', ['i32'], [], (declare, [thread]) => serveLoop(declare, work(thread.get)));
  return module.bytes();
}
