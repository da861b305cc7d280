/**
 * Kernels that work map by map: LRN across maps and max-pooling within them. A block is `blockColumns` maps.
 *
 * The operations and their order are those of ops/lrn.ts and ops/maxpool.ts; lanes are neighbouring pixels.
 */
import {
  advance,
  type Code,
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
import { read } from './job.ts';

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
 * LRN with β = ¾: y = x · 1/(√s·√√s), s = k + α′·Σ x². `columns` maps of `rows` ≥ 2 pixels; map m's window begins at
 * byte base[m] of x and has steps[m] maps; k and α′ lie at `bias`. An odd last pixel is computed with the one before it.
 */
export function defineLrn(module: Module, name: string, wide: boolean) {
  const shift = wide ? 3 : 2;
  const pixels = (at: Code): Code => (wide ? v128.load(at) : f64x2.promoteLow(v128.load64Zero(at)));
  return module.define(name, ['i32', 'i32'], [], (declare, [block]) => {
    const [map, end, p, j, at, mapBytes, to] = times(7, () => declare('i32'));
    const [x, sum, root] = times(3, () => declare('v128'));
    const ofMap = (field: 'base' | 'steps') => i32.load(i32.add(read(field), i32.shl(map.get, c(2))));
    const two = seq(
      at.set(i32.add(i32.add(read('x'), ofMap('base')), i32.shl(p.get, c(shift)))),
      x.set(pixels(at.get)),
      sum.set(f64x2.mul(x.get, x.get)),
      forTo(
        j,
        c(1),
        ofMap('steps'),
        c(1),
        seq(
          advance(at, mapBytes.get),
          x.set(pixels(at.get)),
          sum.set(f64x2.add(sum.get, f64x2.mul(x.get, x.get))),
        ),
      ),
      sum.set(
        f64x2.add(v128.load64Splat(read('bias')), f64x2.mul(v128.load64Splat(read('bias'), 8), sum.get)),
      ),
      root.set(f64x2.sqrt(sum.get)),
      root.set(f64x2.div(f64x2.splat(f64.const(1)), f64x2.mul(root.get, f64x2.sqrt(root.get)))),
      x.set(pixels(i32.add(read('x'), i32.add(i32.mul(map.get, mapBytes.get), i32.shl(p.get, c(shift)))))),
      x.set(f64x2.mul(x.get, root.get)),
      to.set(i32.add(i32.mul(map.get, read('rows')), p.get)),
      ifElse(
        read('yWide'),
        v128.store(i32.add(read('y'), i32.shl(to.get, c(3))), x.get),
        v128.store64Lane(i32.add(read('y'), i32.shl(to.get, c(2))), f32x4.demoteZero(x.get)),
      ),
    );
    const last = i32.sub(read('rows'), c(2));
    return seq(
      mapBytes.set(i32.shl(read('rows'), c(shift))),
      eachMap(map, end, block.get, seq(forTo(p, c(0), last, c(2), two), p.set(last), two)),
    );
  });
}

/**
 * Max-pooling of float32 maps `height` × `width`, every window inside: first along rows, `columns`ᵗʰ map's rows to
 * scratch, then down them, so that the first of equal maxima in row-major order wins (it tells +0 from −0). NaN wins.
 */
export function defineMaxpool(module: Module) {
  return module.define('maxpool', ['i32', 'i32'], [], (declare, [block, thread]) => {
    const [map, end, row, q, tap, at, to, lines, lineBytes, result] = times(10, () => declare('i32'));
    const [best, value] = times(2, () => declare('v128'));
    const [P, Q] = [read('rows'), read('depth')];
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
