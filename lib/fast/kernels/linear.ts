/**
 * The kernel of a fully connected layer for few images. Packing would cost more than it saves where a weight is used
 * once or twice, so rows of weights are read where they lie, eight at a time, and turned to columns in registers: the
 * lanes are neurons, and every sum still runs in ascending order in one accumulator.
 *
 * The sums are not fused: a chain of additions is shorter than one of fused operations, and memory sets the pace.
 */
import {
  advance,
  type Code,
  f32,
  f32x4,
  f64,
  f64x2,
  forTo,
  forWhile,
  i32,
  ifElse,
  type Module,
  seq,
  type Type,
  times,
  v128,
  when,
} from './assembler.ts';
import { turnFor } from './pack.ts';
import { read } from './sharing.ts';

/** Rows of weights at a time. */
const ROWS = 8;
const c = i32.const;

/**
 * eightRows(w, last, x, sums, depth): eight sums over rows of float32 values from w on; rows past `last`
 * repeat it.
 */
function defineEightRows(module: Module, arithmetic: 'float64' | 'float32') {
  const single = arithmetic === 'float32';
  const bytes = single ? 4 : 8;
  const { add, mul } = single ? f32x4 : f64x2;
  const { lanes, locals, load, column } = turnFor(bytes);
  return module.define(`rows_${arithmetic}`, new Array<Type>(5).fill('i32'), [], (declare, params) => {
    const [w, last, x, out, depth] = params;
    const at = times(ROWS, () => declare('i32'));
    const sums = times(ROWS / lanes, () => declare('v128'));
    const turned = times(locals, () => declare('v128'));
    const k = declare('i32');
    const end = declare('i32');
    const splat = (step: number): Code =>
      single ? v128.load32Splat(x.get, 4 * step) : v128.load64Splat(x.get, 8 * step);
    const group = (g: number): Code =>
      seq(
        load(
          turned,
          at.slice(g * lanes, (g + 1) * lanes).map((row) => i32.add(row.get, k.get)),
        ),
        ...times(lanes, (step) => sums[g].set(add(sums[g].get, mul(column(turned, step), splat(step))))),
      );
    const lane = (i: number): Code => {
      const from = i32.add(at[i].get, k.get);
      if (single)
        return f32.store(
          out.get,
          f32.add(f32.load(out.get, 4 * i), f32.mul(f32.load(from), f32.load(x.get))),
          4 * i,
        );
      return f64.store(
        out.get,
        f64.add(f64.load(out.get, 8 * i), f64.mul(f64.loadF32(from), f64.load(x.get))),
        8 * i,
      );
    };
    const lineBytes = i32.shl(depth.get, c(2));
    return seq(
      ...at.map((row, i) =>
        seq(
          row.set(i32.add(w.get, i32.mul(lineBytes, c(i)))),
          when(i32.gtU(row.get, last.get), row.set(last.get)),
        ),
      ),
      end.set(lineBytes),
      forWhile(
        i32.leU(i32.add(k.get, c(4 * lanes)), end.get),
        seq(...sums.map((_, g) => group(g)), advance(k, c(4 * lanes)), advance(x, c(bytes * lanes))),
      ),
      ...sums.map((sum, g) => v128.store(out.get, sum.get, 16 * g)),
      forWhile(i32.ltU(k.get, end.get), seq(...times(ROWS, lane), advance(k, c(4)), advance(x, c(bytes)))),
    );
  });
}

/**
 * block(index, thread): `blockColumns` neurons for every image, a(image, k) as packed float64 (or float32) lines,
 * x the rows of weights.
 */
export function defineDots(module: Module, arithmetic: 'float64' | 'float32') {
  const eightRows = defineEightRows(module, arithmetic);
  const bytes = arithmetic === 'float32' ? 4 : 8;
  return module.define(`dots_${arithmetic}`, ['i32', 'i32'], [], (declare, [block, thread]) => {
    const [first, end, image, row, i, lineBytes, sums, to] = times(8, () => declare('i32'));
    const bias = f64.load(i32.add(read('bias'), i32.shl(i32.add(row.get, i.get), c(3))));
    const sum = i32.add(sums.get, i32.mul(i.get, c(bytes)));
    const line = (index: Code): Code => i32.add(read('x'), i32.mul(index, lineBytes.get));
    const put: Code =
      bytes === 4
        ? f32.store(to.get, f32.add(f32.load(sum), f32.demote(bias)))
        : ifElse(
            read('yWide'),
            f64.store(to.get, f64.add(f64.load(sum), bias)),
            f64.storeF32(to.get, f64.add(f64.load(sum), bias)),
          );
    const column = i32.shl(i32.add(row.get, i.get), i32.add(c(2), read('yWide')));
    const eight = seq(
      eightRows(
        line(row.get),
        line(i32.sub(end.get, c(1))),
        i32.add(read('a'), i32.mul(i32.mul(image.get, read('depth')), c(bytes))),
        sums.get,
        read('depth'),
      ),
      forTo(
        i,
        c(0),
        i32.select(c(ROWS), i32.sub(end.get, row.get), i32.gtS(i32.sub(end.get, row.get), c(ROWS))),
        c(1),
        seq(to.set(i32.add(i32.add(read('y'), i32.mul(image.get, read('rowBytes'))), column)), put),
      ),
    );
    return seq(
      lineBytes.set(i32.shl(read('depth'), c(2))),
      sums.set(i32.add(read('scratch'), i32.mul(thread.get, read('scratchBytes')))),
      first.set(i32.mul(block.get, read('blockColumns'))),
      end.set(i32.add(first.get, read('blockColumns'))),
      when(i32.gtS(end.get, read('columns')), end.set(read('columns'))),
      forTo(row, first.get, end.get, c(ROWS), forTo(image, c(0), read('rows'), c(1), eight)),
    );
  });
}
