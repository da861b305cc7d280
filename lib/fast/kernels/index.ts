/**
 * The module with all kernels: three register tiles, the fully connected kernels, and the loop that shares
 * out blocks.
 */
import {
  advance,
  type Code,
  createModule,
  doWhile,
  f32x4,
  f64x2,
  forTo,
  i32,
  type Local,
  type Module,
  memory,
  seq,
  type Type,
  v128,
} from './assembler.ts';
import { defineDots } from './linear.ts';
import { defineLrn, defineMapnorm, defineMaxpool } from './maps.ts';
import { type Arithmetic, defineProduct, type Tile } from './product.ts';
import { claimLoop, finishJob, openJob, serveLoop } from './sharing.ts';

export interface Features {
  /** Fused multiply-add (relaxed SIMD). */
  readonly fma: boolean;
  /** Tiles for V8's --experimental-wasm-revectorize, which joins pairs of registers to 256 bits. */
  readonly wide: boolean;
  /** A memory that workers can be given. */
  readonly shared: boolean;
}

/**
 * Register tiles: as many accumulators as 16 registers hold beside operands and temporaries; a product that
 * is not fused needs one register more. (6 × 2 with fused multiply-add would save loads on paper, but Node 22
 * spills it and loses a third; 4 × 2 loses nothing on Node 24.)
 */
export function tilesFor({ fma, wide }: Features): Record<Arithmetic, Tile> {
  const shape = { rows: 4, vectors: wide ? 4 : 2 };
  const unfused = {
    float64: { ...shape, arithmetic: 'float64' },
    float32: { ...shape, arithmetic: 'float32' },
  } as const;
  if (!fma) return { ...unfused, fused: unfused.float64 };
  return { ...unfused, fused: { ...shape, rows: wide ? 6 : 4, arithmetic: 'fused' } };
}

/** Kinds of job, in the order in which claimLoop is given their block functions. */
export const KINDS = [
  'fused',
  'float64',
  'float32',
  'dots_float64',
  'dots_float32',
  'lrn_float32',
  'lrn_float64',
  'mapnorm_float32',
  'mapnorm_float64',
  'maxpool',
] as const;
export type JobKind = (typeof KINDS)[number];

/**
 * frame(from, to, maps, rows, rowBytes, fromStep, toStep, fromMap, toMap): copies `rows` rows of every map,
 * with these many bytes from one row, and one map, to the next.
 */
function defineFrame(module: Module): void {
  module.define('frame', new Array<Type>(9).fill('i32'), [], (declare, params) => {
    const [from, to, maps, rows, rowBytes, fromStep, toStep, fromMap, toMap] = params;
    const map = declare('i32');
    const row = declare('i32');
    const at = (start: Local, mapBytes: Local, rowStep: Local) =>
      i32.add(start.get, i32.add(i32.mul(map.get, mapBytes.get), i32.mul(row.get, rowStep.get)));
    const zero = i32.const(0);
    const one = i32.const(1);
    const copy = memory.copy(at(to, toMap, toStep), at(from, fromMap, fromStep), rowBytes.get);
    return forTo(map, zero, maps.get, one, forTo(row, zero, rows.get, one, copy));
  });
}

/** finite(at, end): 0 if any value of whole registers is infinite or NaN, as only for those x · 0 ≠ 0. */
function defineFinite(module: Module, name: string, wide: boolean) {
  const { mul, ne } = wide ? f64x2 : f32x4;
  return module.define(name, ['i32', 'i32'], ['i32'], (declare, [at, end]) => {
    const found = declare('v128');
    const odd: Code = ne(mul(v128.load(at.get), v128.zero), v128.zero);
    return seq(
      doWhile(seq(found.set(v128.or(found.get, odd)), advance(at, i32.const(16))), i32.ltU(at.get, end.get)),
      i32.eqz(v128.anyTrue(found.get)),
    );
  });
}

/** A module with nothing but a fused multiply-add: valid where the engine has relaxed SIMD. */
export function fusedProbe(): Uint8Array<ArrayBuffer> {
  const module = createModule(false);
  module.define('fused', ['v128'], ['v128'], (_, [a]) => f64x2.relaxedMadd(a.get, a.get, a.get));
  return module.bytes();
}

/** The bytes of the module. */
export function assembleKernels(features: Features): Uint8Array<ArrayBuffer> {
  const module = createModule(features.shared);
  const tiles = tilesFor(features);
  const float64 = defineProduct(module, tiles.float64);
  const computes = {
    fused: features.fma ? defineProduct(module, tiles.fused) : float64,
    float64,
    float32: defineProduct(module, tiles.float32),
    dots_float64: defineDots(module, 'float64'),
    dots_float32: defineDots(module, 'float32'),
    lrn_float32: defineLrn(module, 'lrn_float32', false),
    lrn_float64: defineLrn(module, 'lrn_float64', true),
    mapnorm_float32: defineMapnorm(module, 'mapnorm_float32', false),
    mapnorm_float64: defineMapnorm(module, 'mapnorm_float64', true),
    maxpool: defineMaxpool(module),
  };
  const blocks = KINDS.map((kind) => computes[kind]);
  const work = module.define('work', ['i32'], [], (declare, [thread]) =>
    claimLoop(thread.get, declare, blocks),
  );
  defineFrame(module);
  for (const precision of ['float32', 'float64'] as const) {
    defineFinite(module, `finite_${precision}`, precision === 'float64');
  }
  module.define('open', [], [], () => openJob);
  module.define('finish', [], [], finishJob);
  module.define('serve', ['i32'], [], (declare, [thread]) => serveLoop(declare, work(thread.get)));
  return module.bytes();
}
