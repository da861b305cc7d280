/**
 * The kernels of both normalisations with β = ¾: y = x · 1/(√s·√√s), s = k + α′·Σ x², the sum over
 * neighbouring maps (LRN) or over the window around a pixel (within its map).
 *
 * The operations and their order are those of ops/lrn.ts, ops/mapnorm.ts and math.ts; lanes are two
 * neighbouring pixels, and an odd last one is computed with the one before it. k and α′ lie at `bias`.
 */
import {
  advance,
  type Code,
  type Declare,
  f32x4,
  f64,
  f64x2,
  forTo,
  i32,
  ifElse,
  type Local,
  type Module,
  seq,
  times,
  v128,
} from './assembler.ts';
import { read } from './job.ts';
import { eachMap } from './maps.ts';

const c = i32.const;
const shiftOf = (wide: boolean): number => (wide ? 3 : 2);

/** Two neighbouring pixels in float64. */
const pixels = (wide: boolean, at: Code): Code =>
  wide ? v128.load(at) : f64x2.promoteLow(v128.load64Zero(at));

/** Normalises the pixels x by their sum of squares, and stores them as y's elements `index` and `index` + 1. */
function storeNormalised(declare: Declare, x: Local, sum: Local, index: Code): Code {
  const [root, to] = [declare('v128'), declare('i32')];
  const [k, alpha] = [v128.load64Splat(read('bias')), v128.load64Splat(read('bias'), 8)];
  return seq(
    root.set(f64x2.sqrt(f64x2.add(k, f64x2.mul(alpha, sum.get)))),
    root.set(f64x2.div(f64x2.splat(f64.const(1)), f64x2.mul(root.get, f64x2.sqrt(root.get)))),
    x.set(f64x2.mul(x.get, root.get)),
    to.set(index),
    ifElse(
      read('yWide'),
      v128.store(i32.add(read('y'), i32.shl(to.get, c(3))), x.get),
      v128.store64Lane(i32.add(read('y'), i32.shl(to.get, c(2))), f32x4.demoteZero(x.get)),
    ),
  );
}

/** two, for every pair of the `extent` ≥ 2 pixels. */
const eachPair = (p: Local, extent: Code, two: Code): Code =>
  seq(forTo(p, c(0), i32.sub(extent, c(2)), c(2), two), p.set(i32.sub(extent, c(2))), two);

/** LRN: `columns` maps of `rows` pixels; map m's window begins at byte base[m] of x and has steps[m] maps. */
export function defineLrn(module: Module, name: string, wide: boolean) {
  return module.define(name, ['i32', 'i32'], [], (declare, [block]) => {
    const [map, end, p, j, at, mapBytes] = times(6, () => declare('i32'));
    const [x, sum] = times(2, () => declare('v128'));
    const ofMap = (field: 'base' | 'steps') => i32.load(i32.add(read(field), i32.shl(map.get, c(2))));
    const add = seq(
      x.set(pixels(wide, at.get)),
      sum.set(f64x2.add(sum.get, f64x2.mul(x.get, x.get))),
      advance(at, mapBytes.get),
    );
    const offset = i32.add(i32.mul(map.get, mapBytes.get), i32.shl(p.get, c(shiftOf(wide))));
    const two = seq(
      at.set(i32.add(i32.add(read('x'), ofMap('base')), i32.shl(p.get, c(shiftOf(wide))))),
      sum.set(v128.zero),
      forTo(j, c(0), ofMap('steps'), c(1), add),
      x.set(pixels(wide, i32.add(read('x'), offset))),
      storeNormalised(declare, x, sum, i32.add(i32.mul(map.get, read('rows')), p.get)),
    );
    return seq(
      mapBytes.set(i32.shl(read('rows'), c(shiftOf(wide)))),
      eachMap(map, end, block.get, eachPair(p, read('rows'), two)),
    );
  });
}

/**
 * Within maps: `columns` maps of `rows` × `depth` pixels inside frames of zeros, `height` × `width`; the window is
 * `kernelRows` square and begins where the frame does.
 */
export function defineMapnorm(module: Module, name: string, wide: boolean) {
  return module.define(name, ['i32', 'i32'], [], (declare, [block]) => {
    const [map, end, h, p, u, v, at, line] = times(8, () => declare('i32'));
    const [x, sum] = times(2, () => declare('v128'));
    const shift = c(shiftOf(wide));
    const size = read('kernelRows');
    const before = i32.divU(size, c(2));
    const pixel = (row: Code, column: Code): Code => {
      const rows = i32.add(i32.mul(map.get, read('height')), row);
      return i32.add(read('x'), i32.shl(i32.add(i32.mul(rows, read('width')), column), shift));
    };
    const add = seq(
      x.set(pixels(wide, at.get)),
      sum.set(f64x2.add(sum.get, f64x2.mul(x.get, x.get))),
      advance(at, c(wide ? 8 : 4)),
    );
    const two = seq(
      line.set(pixel(h.get, p.get)),
      sum.set(v128.zero),
      forTo(
        u,
        c(0),
        size,
        c(1),
        seq(at.set(line.get), forTo(v, c(0), size, c(1), add), advance(line, i32.shl(read('width'), shift))),
      ),
      x.set(pixels(wide, pixel(i32.add(h.get, before), i32.add(p.get, before)))),
      storeNormalised(
        declare,
        x,
        sum,
        i32.add(i32.mul(i32.add(i32.mul(map.get, read('rows')), h.get), read('depth')), p.get),
      ),
    );
    const rows = forTo(h, c(0), read('rows'), c(1), eachPair(p, read('depth'), two));
    return eachMap(map, end, block.get, rows);
  });
}
