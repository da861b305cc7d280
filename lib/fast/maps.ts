/**
 * Kernels that work map by map, a block being `blockColumns` maps; here max-pooling, in norms.ts the
 * normalisations.
 */
import {
  advance,
  type Code,
  f32x4,
  forTo,
  i32,
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
export function eachMap(map: Local, end: Local, block: Code, body: Code): Code {
  const first = i32.mul(block, read('blockColumns'));
  return seq(
    end.set(i32.add(first, read('blockColumns'))),
    end.set(i32.select(read('columns'), end.get, i32.gtS(end.get, read('columns')))),
    forTo(map, first, end.get, c(1), body),
  );
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
