/**
 * The kernels of a matrix product C[row, column] = Σ_k A[row, k] · X[k, column], k ascending, one accumulator each.
 *
 * pack   gathers an operand into panels (pack.ts).
 * tiles  multiplies one panel of A with many of X; a tile of the result stays in registers for `depth` terms.
 * store  adds the bias to finished tiles, rounds once, and scatters through a table.
 * block  drives them for the columns of one block (sharing.ts), keeping packed panels in the second-level cache.
 *
 * After Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS 34 (2008).
 */
import {
  advance,
  type Code,
  doWhile,
  f32,
  f32x4,
  f64,
  f64x2,
  forTo,
  forWhile,
  i32,
  ifElse,
  type Module,
  memory,
  seq,
  type Type,
  times,
  v128,
  when,
} from './assembler.ts';
import { definePack, SOURCES } from './pack.ts';
import { read } from './sharing.ts';

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

const c = i32.const;

/** tiles(a, x, tiles, depth, panels): adds the products of one panel of A and `panels` panels of X to the tiles. */
function defineTiles(module: Module, name: string, { rows, vectors, arithmetic }: Tile) {
  const single = arithmetic === 'float32';
  const { add, mul } = single ? f32x4 : f64x2;
  const bytes = single ? 4 : 8;
  return module.define(name, ['i32', 'i32', 'i32', 'i32', 'i32'], [], (declare, params) => {
    const [a, x, tile, depth, panels] = params;
    const sums = times(rows * vectors, () => declare('v128'));
    const columns = times(vectors, () => declare('v128'));
    const row = declare('v128');
    const at = declare('i32');
    const end = declare('i32');
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
 * store(tiles, out, row, column, columns): a row of finished tiles into y, from row `row` on:
 * y[row, column] = round(sum + bias) at y + row·rowBytes + out[column].
 */
function defineStore(module: Module, name: string, tile: Tile, wide: boolean) {
  const bytes = accumulatorBytes(tile);
  const width = columnsOf(tile);
  return module.define(name, new Array<Type>(5).fill('i32'), [], (declare, params) => {
    const [tiles, out, row, column, columns] = params;
    const [i, from, to, o, end, bias, last] = times(7, () => declare('i32'));
    const put = (j: number): Code => {
      const target = i32.add(to.get, i32.load(o.get, 4 * j));
      const b = f64.load(bias.get);
      if (bytes === 4) return f32.store(target, f32.add(f32.load(from.get, 4 * j), f32.demote(b)));
      const sum = f64.add(f64.load(from.get, 8 * j), b);
      return wide ? f64.store(target, sum) : f64.storeF32(target, sum);
    };
    const nextBias = advance(bias, read('biasColumn'));
    const whole = seq(
      ...times(width, (j) => seq(put(j), nextBias)),
      advance(o, c(4 * width)),
      advance(from, c(tile.rows * tile.vectors * 16)),
    );
    const single = seq(put(0), nextBias, advance(o, c(4)), advance(from, c(bytes)));
    const line = seq(
      from.set(i32.add(tiles.get, i32.mul(i.get, c(width * bytes)))),
      o.set(out.get),
      end.set(i32.add(out.get, i32.shl(columns.get, c(2)))),
      forWhile(i32.leU(i32.add(o.get, c(4 * width)), end.get), whole),
      forWhile(i32.ltU(o.get, end.get), single),
    );
    const index = i32.add(row.get, i.get);
    const bias0 = i32.add(i32.mul(index, read('biasRow')), i32.mul(column.get, read('biasColumn')));
    return seq(
      last.set(i32.sub(read('rows'), row.get)),
      when(i32.gtS(last.get, c(tile.rows)), last.set(c(tile.rows))),
      forTo(
        i,
        c(0),
        last.get,
        c(1),
        seq(
          bias.set(i32.add(read('bias'), bias0)),
          to.set(i32.add(read('y'), i32.mul(index, read('rowBytes')))),
          line,
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
  // sums in float32 are of float32 values as they are
  const readable = SOURCES.filter((source) => bytes === 8 || source === 'float32' || source === 'lines');
  const packs = readable.map((source) =>
    definePack(module, `columns_${arithmetic}_${source}`, width, source, bytes),
  );
  for (const source of readable) definePack(module, `rows_${arithmetic}_${source}`, tile.rows, source, bytes);
  const multiply = defineTiles(module, `tiles_${arithmetic}`, tile);
  const store = defineStore(module, `store_${arithmetic}`, tile, false);
  const storeWide = defineStore(module, `storeWide_${arithmetic}`, tile, true);

  return module.define(`product_${arithmetic}`, ['i32', 'i32'], [], (declare, [block, thread]) => {
    const [first, columns, panels, packed, tiles] = times(5, () => declare('i32'));
    const [k, depth, row, rowTiles] = times(4, () => declare('i32'));
    const tileBytes = i32.mul(panels.get, c(tile.rows * tile.vectors * 16));
    const table = (field: 'base' | 'out') => i32.add(read(field), i32.shl(first.get, c(2)));
    const least = (local: typeof k, bound: Code) => when(i32.gtS(local.get, bound), local.set(bound));
    const gather = (call: (typeof packs)[number]) =>
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
      when(read('sums'), tiles.set(i32.add(read('sums'), i32.mul(block.get, read('sumsBytes'))))),
      when(read('begins'), eachRowPanel(memory.fill(rowTiles.get, c(0), tileBytes))),
      forTo(
        k,
        c(0),
        read('depth'),
        read('blockDepth'),
        seq(
          depth.set(i32.sub(read('depth'), k.get)),
          least(depth, read('blockDepth')),
          ...packs.map((pack, i) => {
            const chosen = i32.eqz(i32.sub(read('source'), c(SOURCES.indexOf(readable[i]))));
            return when(chosen, gather(pack));
          }),
          eachRowPanel(multiply(a, packed.get, rowTiles.get, depth.get, panels.get)),
        ),
      ),
      when(
        read('ends'),
        eachRowPanel(
          ifElse(
            read('yWide'),
            storeWide(rowTiles.get, table('out'), row.get, first.get, columns.get),
            store(rowTiles.get, table('out'), row.get, first.get, columns.get),
          ),
        ),
      ),
    );
  });
}
