/**
 * Kernels that work map by map, a block being `blockColumns` maps: max-pooling, and both normalisations with β = ¾,
 *
 *   y = x · 1/(√s·√√s),  s = k + α′·Σ x²,
 *
 * the sum over neighbouring maps (LRN) or over the window around a pixel (within its map). The operations and their
 * order are those of ops/lrn.ts, ops/mapnorm.ts and math.ts; lanes are two neighbouring pixels, and an odd last one
 * is computed with the one before it. k and α′ lie at `bias`.
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
  memory,
  seq,
  times,
  v128,
} from './assembler.ts';
import { read } from './sharing.ts';

const c = i32.const;

/** for every map of a block: body. */
function eachMap(map: Local, end: Local, block: Code, body: Code): Code {
  const first = i32.mul(block, read('blockColumns'));
  return seq(
    end.set(i32.add(first, read('blockColumns'))),
    end.set(i32.select(read('columns'), end.get, i32.gtS(end.get, read('columns')))),
    forTo(map, first, end.get, c(1), body),
  );
}

/**
 * Max-pooling of float32 maps `height` × `width`, every window inside: first along the rows, into scratch, then
 * down those, so that the first of equal maxima in row-major order wins (it tells +0 from −0). NaN wins.
 */
export function defineMaxpool(module: Module) {
  return module.define('maxpool', ['i32', 'i32'], [], (declare, [block, thread]) => {
    const [map, end, row, q, tap, at, to, lines, lineBytes, result] = times(10, () => declare('i32'));
    const [best, value] = times(2, () => declare('v128'));
    const P = read('rows');
    const Q = read('depth');
    // b where it is greater or NaN, a where it is NaN already
    const take = best.set(
      v128.bitselect(
        value.get,
        best.get,
        v128.andnot(f32x4.eq(best.get, best.get), f32x4.ge(best.get, value.get)),
      ),
    );
    const stride = i32.shl(read('strideColumns'), c(2));
    const every = (lane: 0 | 1 | 2 | 3): Code => i32.add(at.get, i32.mul(stride, c(lane)));
    const gather = value.set(
      ([1, 2, 3] as const).reduce<Code>(
        (vector, lane) => v128.load32Lane(every(lane), vector, lane),
        v128.load32Zero(at.get),
      ),
    );
    const along = seq(
      at.set(
        i32.add(
          read('x'),
          i32.shl(
            i32.add(
              i32.mul(i32.add(i32.mul(map.get, read('height')), row.get), read('width')),
              i32.mul(q.get, read('strideColumns')),
            ),
            c(2),
          ),
        ),
      ),
      gather,
      best.set(value.get),
      forTo(tap, c(1), read('kernelColumns'), c(1), seq(advance(at, c(4)), gather, take)),
      v128.store(
        i32.add(i32.add(lines.get, i32.mul(row.get, lineBytes.get)), i32.shl(q.get, c(2))),
        best.get,
      ),
    );
    const down = seq(
      at.set(
        i32.add(
          i32.add(lines.get, i32.mul(i32.mul(row.get, read('strideRows')), lineBytes.get)),
          i32.shl(q.get, c(2)),
        ),
      ),
      best.set(v128.load(at.get)),
      forTo(
        tap,
        c(1),
        read('kernelRows'),
        c(1),
        seq(advance(at, lineBytes.get), value.set(v128.load(at.get)), take),
      ),
      v128.store(i32.add(result.get, i32.shl(i32.add(i32.mul(row.get, Q), q.get), c(2))), best.get),
    );
    const mapBytes = i32.shl(i32.mul(P, Q), c(2));
    return seq(
      lines.set(i32.add(read('scratch'), i32.mul(thread.get, read('scratchBytes')))),
      lineBytes.set(i32.and(i32.add(i32.shl(Q, c(2)), c(15)), c(-16))),
      result.set(i32.add(lines.get, i32.mul(read('height'), lineBytes.get))),
      eachMap(
        map,
        end,
        block.get,
        seq(
          forTo(row, c(0), read('height'), c(1), forTo(q, c(0), Q, c(4), along)),
          forTo(row, c(0), P, c(1), forTo(q, c(0), Q, c(4), down)),
          to.set(i32.add(read('y'), i32.mul(map.get, mapBytes))),
          memory.copy(to.get, result.get, mapBytes),
        ),
      ),
    );
  });
}

const shiftOf = (wide: boolean): number => (wide ? 3 : 2);

/** Two neighbouring pixels in float64. */
const pixels = (wide: boolean, at: Code): Code =>
  wide ? v128.load(at) : f64x2.promoteLow(v128.load64Zero(at));

/** Normalises the pixels x by their sum of squares, and stores them as y's elements `index` and `index` + 1. */
function storeNormalised(declare: Declare, x: Local, sum: Local, index: Code): Code {
  const root = declare('v128');
  const to = declare('i32');
  const k = v128.load64Splat(read('bias'));
  const alpha = v128.load64Splat(read('bias'), 8);
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
