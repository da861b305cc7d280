/**
 * The kernels of a matrix product C[row, column] = Σ_k A[row, k] · X[k, column], k ascending, one accumulator each.
 *
 * pack   gathers an operand through two tables of byte offsets, element (i, k) at base[i] + steps[k], into panels
 *        [panel][k][width]. Convolution, its groups, strides, pads and dilation, and both gradients are only tables:
 *        no im2col matrix exists.
 * tiles  multiplies one panel of A with many of X; a tile of the result stays in registers for `depth` terms.
 * store  adds the bias to finished tiles, rounds once, and scatters through a table.
 * block  drives them for the columns of one block (job.ts), keeping packed panels in the second-level cache.
 *
 * After Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS 34 (2008).
 */
import {
  type Code,
  doWhile,
  f32,
  f32x4,
  f64,
  f64x2,
  forTo,
  i32,
  ifElse,
  type Module,
  memory,
  seq,
  v128,
  when,
} from './assembler.ts';
import { read } from './job.ts';

/** What the sums are held in. 'fused': float64 with fused multiply-add, for operands whose products are exact. */
export type Arithmetic = 'fused' | 'float64' | 'float32';

/** A tile of the result: `rows` × `vectors` registers of 16 bytes. */
export interface Tile {
  readonly rows: number;
  readonly vectors: number;
  readonly arithmetic: Arithmetic;
}

/** Bytes of an accumulator. */
export const accumulatorBytes = ({ arithmetic }: Tile): number => (arithmetic === 'float32' ? 4 : 8);
/** Columns of a tile. */
export const columnsOf = (tile: Tile): number => (tile.vectors * 16) / accumulatorBytes(tile);

const times = <T>(count: number, f: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => f(i));
const c = i32.const;

/** pack(to, from, base, steps, depth, panels): panels of `width` elements, widened to float64 unless `bytes` is 4. */
export function definePack(module: Module, name: string, width: number, wide: boolean, bytes: 4 | 8) {
  return module.define(name, ['i32', 'i32', 'i32', 'i32', 'i32', 'i32'], [], (declare, params) => {
    const [to, from, base, steps, depth, panels] = params;
    const at = times(width, () => declare('i32'));
    const [k, end] = [declare('i32'), declare('i32')];
    const put = (i: number): Code => {
      const source = i32.add(at[i].get, i32.load(k.get));
      if (bytes === 4) return f32.store(to.get, f32.load(source), 4 * i);
      return f64.store(to.get, wide ? f64.load(source) : f64.loadF32(source), 8 * i);
    };
    return doWhile(
      seq(
        ...at.map((local, i) => local.set(i32.add(from.get, i32.load(base.get, 4 * i)))),
        k.set(steps.get),
        end.set(i32.add(steps.get, i32.shl(depth.get, c(2)))),
        doWhile(
          seq(...times(width, put), to.set(i32.add(to.get, c(width * bytes))), k.set(i32.add(k.get, c(4)))),
          i32.ltU(k.get, end.get),
        ),
        base.set(i32.add(base.get, c(4 * width))),
        panels.set(i32.sub(panels.get, c(1))),
      ),
      i32.gtS(panels.get, c(0)),
    );
  });
}

/** tiles(a, x, tiles, depth, panels): adds the products of one panel of A and `panels` panels of X to the tiles. */
export function defineTiles(module: Module, name: string, { rows, vectors, arithmetic }: Tile) {
  const single = arithmetic === 'float32';
  const { add, mul } = single ? f32x4 : f64x2;
  const bytes = single ? 4 : 8;
  return module.define(name, ['i32', 'i32', 'i32', 'i32', 'i32'], [], (declare, params) => {
    const [a, x, tile, depth, panels] = params;
    const sums = times(rows * vectors, () => declare('v128'));
    const columns = times(vectors, () => declare('v128'));
    const row = declare('v128');
    const [at, end] = [declare('i32'), declare('i32')];
    const splat = single ? v128.load32Splat : v128.load64Splat;
    const accumulate = (i: number, j: number): Code => {
      const sum = sums[i * vectors + j];
      if (arithmetic === 'fused') return sum.set(f64x2.relaxedMadd(row.get, columns[j].get, sum.get));
      return sum.set(add(sum.get, mul(row.get, columns[j].get)));
    };
    const step = seq(
      ...columns.map((column, j) => column.set(v128.load(x.get, 16 * j))),
      ...times(rows, (i) =>
        seq(row.set(splat(at.get, bytes * i)), ...times(vectors, (j) => accumulate(i, j))),
      ),
      at.set(i32.add(at.get, c(rows * bytes))),
      x.set(i32.add(x.get, c(vectors * 16))),
    );
    return doWhile(
      seq(
        ...sums.map((sum, i) => sum.set(v128.load(tile.get, 16 * i))),
        at.set(a.get),
        end.set(i32.add(x.get, i32.mul(depth.get, c(vectors * 16)))),
        doWhile(step, i32.ltU(x.get, end.get)),
        ...sums.map((sum, i) => v128.store(tile.get, sum.get, 16 * i)),
        tile.set(i32.add(tile.get, c(rows * vectors * 16))),
        panels.set(i32.sub(panels.get, c(1))),
      ),
      i32.gtS(panels.get, c(0)),
    );
  });
}

/**
 * store(tiles, out, row, columns): one panel's worth of finished tiles (all columns of its rows) into y, from row `row`
 * on: y[row, column] = round(sum + bias[row]) at y + row·rowBytes + out[column].
 */
export function defineStore(module: Module, name: string, tile: Tile, wide: boolean) {
  const bytes = accumulatorBytes(tile);
  const width = columnsOf(tile);
  return module.define(name, ['i32', 'i32', 'i32', 'i32'], [], (declare, [tiles, out, row, columns]) => {
    const [i, j, number, to, last] = times(5, () => declare('i32'));
    const bias = declare('f64');
    const target = i32.add(to.get, i32.load(i32.add(out.get, i32.shl(j.get, c(2)))));
    // column j of row i lies in tile ⌊j/width⌋ at i·width + j mod width
    const inTile = i32.add(i32.mul(i.get, c(width)), i32.and(j.get, c(width - 1)));
    const tileStart = i32.mul(i32.and(j.get, c(-width)), c(tile.rows));
    const source = i32.add(tiles.get, i32.mul(i32.add(tileStart, inTile), c(bytes)));
    const value = (): Code => {
      if (bytes === 4) {
        const single: Code = [...bias.get, 0xb6];
        return f32.store(target, f32.add(f32.load(source), single));
      }
      const sum = f64.add(f64.load(source), bias.get);
      return wide ? f64.store(target, sum) : f64.storeF32(target, sum);
    };
    return seq(
      last.set(i32.sub(read('rows'), row.get)),
      when(i32.gtS(last.get, c(tile.rows)), last.set(c(tile.rows))),
      forTo(
        i,
        c(0),
        last.get,
        c(1),
        seq(
          number.set(i32.add(row.get, i.get)),
          bias.set(f64.load(i32.add(read('bias'), i32.shl(number.get, c(3))))),
          to.set(i32.add(read('y'), i32.mul(number.get, read('rowBytes')))),
          forTo(j, c(0), columns.get, c(1), value()),
        ),
      ),
    );
  });
}

/** All kernels of one tile; the result computes one block of columns: block(index, thread). */
export function defineProduct(module: Module, tile: Tile) {
  const bytes = accumulatorBytes(tile);
  const width = columnsOf(tile);
  const { arithmetic } = tile;
  const pack = definePack(module, `packColumns_${arithmetic}`, width, false, bytes as 4 | 8);
  const packWide = definePack(module, `packWideColumns_${arithmetic}`, width, true, 8);
  definePack(module, `packRows_${arithmetic}`, tile.rows, false, bytes as 4 | 8);
  definePack(module, `packWideRows_${arithmetic}`, tile.rows, true, 8);
  const multiply = defineTiles(module, `tiles_${arithmetic}`, tile);
  const store = defineStore(module, `store_${arithmetic}`, tile, false);
  const storeWide = defineStore(module, `storeWide_${arithmetic}`, tile, true);

  return module.define(`product_${arithmetic}`, ['i32', 'i32'], [], (declare, [block, thread]) => {
    const [first, columns, panels, packed, tiles] = times(5, () => declare('i32'));
    const [k, depth, row, rowTiles] = times(4, () => declare('i32'));
    const tileBytes = i32.mul(panels.get, c(tile.rows * tile.vectors * 16));
    const table = (field: 'base' | 'out') => i32.add(read(field), i32.shl(first.get, c(2)));
    const least = (local: typeof k, bound: Code) => when(i32.gtS(local.get, bound), local.set(bound));
    const gather = (call: typeof pack) =>
      call(
        packed.get,
        read('x'),
        table('base'),
        i32.add(read('steps'), i32.shl(k.get, c(2))),
        depth.get,
        panels.get,
      );
    const eachRowPanel = (body: Code) =>
      seq(
        rowTiles.set(tiles.get),
        forTo(
          row,
          c(0),
          read('rows'),
          c(tile.rows),
          seq(body, rowTiles.set(i32.add(rowTiles.get, tileBytes))),
        ),
      );
    // row panel i begins at element i · tile.rows · depth = row · depth; within it, step k at k · tile.rows
    const a = i32.add(
      read('a'),
      i32.mul(i32.add(i32.mul(row.get, read('depth')), i32.mul(k.get, c(tile.rows))), c(bytes)),
    );
    return seq(
      first.set(i32.mul(block.get, read('blockColumns'))),
      columns.set(i32.sub(read('columns'), first.get)),
      least(columns, read('blockColumns')),
      panels.set(i32.divU(i32.add(columns.get, c(width - 1)), c(width))),
      packed.set(i32.add(read('scratch'), i32.mul(thread.get, read('scratchBytes')))),
      tiles.set(i32.add(packed.get, i32.mul(i32.mul(read('blockDepth'), panels.get), c(tile.vectors * 16)))),
      eachRowPanel(memory.fill(rowTiles.get, c(0), tileBytes)),
      forTo(
        k,
        c(0),
        read('depth'),
        read('blockDepth'),
        seq(
          depth.set(i32.sub(read('depth'), k.get)),
          least(depth, read('blockDepth')),
          ifElse(read('xWide'), gather(packWide), gather(pack)),
          eachRowPanel(multiply(a, packed.get, rowTiles.get, depth.get, panels.get)),
        ),
      ),
      eachRowPanel(
        ifElse(
          read('yWide'),
          storeWide(rowTiles.get, table('out'), row.get, columns.get),
          store(rowTiles.get, table('out'), row.get, columns.get),
        ),
      ),
    );
  });
}
