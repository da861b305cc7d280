import { expect } from 'chai';
import type { Squares } from '../../../lib/bounds/bounds.ts';
import { layerDetails, ulp } from '../../../lib/judge/details.ts';
import { tensor } from '../../../reference/tensor.ts';

/** The float32 number after x > 0, by its bits. */
function next(x: number): number {
  const bits = new Uint32Array(Float32Array.of(x).buffer);
  bits[0]++;
  return new Float32Array(bits.buffer)[0];
}

const count = ({ counts }: { counts: readonly number[] }): number => counts.reduce((sum, n) => sum + n, 0);

/** The histogram's cells that hold something: [upper edge, how many]. */
const cells = (histogram: { edges: readonly number[]; counts: readonly number[] }): [number, number][] =>
  histogram.counts.flatMap((n, i) =>
    n > 0 ? [[histogram.edges[i] ?? Infinity, n] as [number, number]] : [],
  );

describe('details of a layer', () => {
  it('one ULP is the distance to the next float32 number, from subnormals to the largest', () => {
    for (const x of [1, 1.5, 2, 3, 0.75, 2 ** -126, 2 ** -149, 1e-40, 1e30, 2 ** 24 - 1, 16777215.5 / 2]) {
      const y = Math.fround(x);
      expect(ulp(y), `${y}`).to.equal(next(y) - y);
    }
    expect(ulp(1 - 2 ** -53)).to.equal(2 ** -24);
    expect(ulp(0)).to.equal(2 ** -149);
  });

  it('one ULP of float16 is 2⁻¹⁰ at 1 and 2⁻²⁴ below the normal numbers', () => {
    expect([ulp(1, true), ulp(2047, true), ulp(1e-7, true)]).to.deep.equal([2 ** -10, 1, 2 ** -24]);
  });

  it('what is no number has the least of all', () => {
    for (const x of [Infinity, -Infinity, Number.NaN])
      expect([ulp(x), ulp(x, true)]).to.deep.equal([2 ** -149, 2 ** -24]);
  });

  // (N,C,H,W) = (2,3,4,5): errors at two elements, the bound is 2⁻²⁰ everywhere
  const shape = [2, 3, 4, 5];
  const exact = new Float64Array(120).fill(1);
  const at = (n: number, c: number, p: number, q: number): number => ((n * 3 + c) * 4 + p) * 5 + q;
  const values = Float32Array.from(exact);
  values[at(1, 2, 3, 1)] = 1 + 2 ** -21;
  values[at(0, 1, 0, 4)] = 1 + 2 ** -19;
  const details = layerDetails(
    tensor(values, shape),
    tensor(exact, shape),
    { bound: new Float64Array(120).fill(2 ** -20) },
    false,
  );

  it('histograms hold every element once, powers of two in the lower cell', () => {
    expect(count(details.ulps)).to.equal(120);
    expect(cells(details.ulps)).to.deep.equal([
      [0, 118],
      [4, 1],
      [16, 1],
    ]);
    expect(cells(details.overBound)).to.deep.equal([
      [0, 118],
      [0.5, 1],
      [2, 1],
    ]);
  });

  it('each cell holds what lies between its edges, from a thousandth of an ULP to beyond the last', () => {
    const n = 4000;
    const e = new Float64Array(n).fill(1);
    // errors over many powers of two, and powers of two themselves
    const y = new Float64Array(e).map(
      (_, i) => 1 + (i % 3 === 0 ? 2 ** ((i % 70) - 40) : 2 ** ((i % 71) - 41) * 1.37),
    );
    const [Y, X] = [tensor(y, [1, n]), tensor(e, [1, n])];
    const { ulps, overBound } = layerDetails(Y, X, { bound: new Float64Array(n).fill(2 ** -10) }, false);
    for (const [{ edges, counts }, unit] of [
      [ulps, 2 ** -23],
      [overBound, 2 ** -10],
    ] as const) {
      const values = Array.from(y, (v) => Math.abs(v - 1) / unit);
      const found = [...edges, Infinity].map(
        (edge, i) => values.filter((v) => v <= edge && (i === 0 || v > edges[i - 1])).length,
      );
      expect(counts).to.deep.equal(found);
    }
  });

  it('channels and positions are those of the errors', () => {
    expect(details.channels).to.deep.equal({ per: 1, overBound: [0, 2, 0.5] });
    const { shape: blocks, overBound } = details.positions!;
    expect(blocks).to.deep.equal([4, 5]);
    expect(overBound[0 * 5 + 4]).to.equal(2);
    expect(overBound[3 * 5 + 1]).to.equal(0.5);
    expect(overBound.filter((ratio) => ratio > 0)).to.have.lengthOf(2);
  });

  it('the worst elements come worst first, with their indices', () => {
    expect(details.worst.map(({ index }) => index)).to.deep.equal([
      [0, 1, 0, 4],
      [1, 2, 3, 1],
    ]);
    expect(details.worst[0]).to.include({
      device: 1 + 2 ** -19,
      oracle: 1,
      error: 2 ** -19,
      bound: 2 ** -20,
    });
  });

  it('many channels and a large plane are put together in blocks, none is lost', () => {
    const large = [1, 1000, 33, 2];
    const y = new Float32Array(66_000);
    y[y.length - 1] = 3;
    const found = layerDetails(
      tensor(y, large),
      tensor(new Float64Array(66_000), large),
      { bound: new Float64Array(66_000).fill(1) },
      false,
    );
    expect(found.channels?.per).to.equal(3);
    expect(found.channels?.overBound).to.have.lengthOf(334);
    expect(found.channels?.overBound.at(-1)).to.equal(3);
    expect(found.positions).to.deep.include({ shape: [11, 2], per: [3, 1] });
    expect(found.positions?.overBound.at(-1)).to.equal(3);
  });

  it('NaN on the device is beyond every edge and the worst of all; what has no bound is counted apart', () => {
    const y = tensor(Float32Array.of(Number.NaN, 1, 1), [1, 3]);
    const bound = Float64Array.of(1, Number.POSITIVE_INFINITY, 1);
    const found = layerDetails(y, tensor(Float64Array.of(0, 0, 0.75), [1, 3]), { bound }, false);
    expect(found.unbounded).to.equal(1);
    expect(cells(found.overBound)).to.deep.equal([
      [0.25, 1],
      [Number.POSITIVE_INFINITY, 1],
    ]);
    expect(found.worst[0].index).to.deep.equal([0, 0]);
    expect(found.worst).to.have.lengthOf(2);
    expect(found.positions).to.equal(null);
  });

  it('of a thousand errors the ten largest are kept', () => {
    const y = new Float32Array(1000).map((_, i) => (i * 7919) % 1009);
    const found = layerDetails(
      tensor(y, [1, 1000]),
      tensor(new Float64Array(1000), [1, 1000]),
      { bound: new Float64Array(1000).fill(1) },
      false,
    );
    const largest = [...y].sort((a, b) => b - a).slice(0, 10);
    expect(found.worst.map(({ error }) => error)).to.deep.equal(largest);
  });

  /** Details of zeros that are off by `y`, with a bound of 3. */
  const of = (extents: readonly number[], y: readonly number[], squares?: Squares) => {
    const bound = new Float64Array(y.length).fill(3);
    const exact = tensor(new Float64Array(y.length), extents);
    return layerDetails(tensor(Float64Array.from(y), extents), exact, { bound, squares }, false);
  };

  it('a matrix has channels and no plane, a row neither, a plane of one value none; four digits are told', () => {
    expect(of([2, 2], [0, 1, 2, 0])).to.deep.include({
      channels: { per: 1, overBound: [0.6667, 0.3333] },
      positions: null,
    });
    expect(of([2], [0, 1])).to.deep.include({ channels: null, positions: null });
    expect(of([1, 2, 1, 1], [0, 1]).positions).to.equal(null);
    expect(of([1, 1, 1, 2], [0, 1]).positions).to.deep.equal({
      shape: [1, 2],
      per: [1, 1],
      overBound: [0, 0.3333],
    });
    expect(of([1, 1, 2, 1], [0, 1]).positions).to.deep.equal({
      shape: [2, 1],
      per: [1, 1],
      overBound: [0, 0.3333],
    });
  });

  it('the products’ share is a mean over the elements that have any', () => {
    const share = (products: readonly number[], total: readonly number[]) => {
      const noise = new Float64Array(products.length);
      const squares = { products: Float64Array.from(products), total: Float64Array.from(total), noise };
      return of([1, products.length], new Array(products.length).fill(0), squares).share;
    };
    // ½ and ¼; no products, and a sum that overflows
    expect(share([1, 4, 0, 5], [2, 16, 3, Infinity])).to.equal(0.375);
    expect(share([0, 5], [3, Infinity])).to.equal(null);
    expect(of([1, 1], [0]).share).to.equal(null);
  });

  it('of equal ratios the larger error is the worse', () => {
    const exact = tensor(new Float64Array(3), [3]);
    const y = tensor(Float64Array.of(1, 4, 2), [3]);
    const { worst } = layerDetails(y, exact, { bound: Float64Array.of(2, 8, 4) }, false);
    expect(worst.map(({ error }) => error)).to.deep.equal([4, 2, 1]);
  });
});
