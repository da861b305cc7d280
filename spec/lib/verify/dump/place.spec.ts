/** The shapes and the order of a dump's values: what their extents say, and what all others do. */
import { expect } from 'chai';
import type { NumericValue } from '../../../../lib/array/value.ts';
import { place, squeezed } from '../../../../lib/verify/dump/place.ts';
import { conv, flatten, linear, type Network } from '../../../../reference/networks/layers.ts';
import { f32, i64 } from '../../../support/onnx.ts';

// input [2,1,3] → conv [3,1,3] → flat [9] → fc [2]
const layers = [conv('conv', 3, 1), flatten('flat'), linear('fc', 2)];
const network = { name: 'n', input: [2, 1, 3], layers } as unknown as Network;
const range = (n: number, from = 0) => Array.from({ length: n }, (_, i) => i + from);

function placed(values: Record<string, NumericValue>, layout?: 'NCHW' | 'NHWC') {
  const names = new Map(Object.keys(values).map((name) => [name, name]));
  const { images, values: found, types } = place(new Map(Object.entries(values)), names, network, layout);
  const told = [...found].map(([name, { shape, data }]) => [name, shape, [...(data as Float32Array)]]);
  return { images, types: Object.fromEntries(types), told };
}
const v = (shape: readonly number[], from = 0) =>
  f32(
    range(
      shape.reduce((a, b) => a * b, 1),
      from,
    ),
    [...shape],
  ) as NumericValue;
/** Pixel and channel: 0 3 6 … of C,H,W in H,W,C. */
const turned = [0, 3, 6, 1, 4, 7, 2, 5, 8];

describe('values of a dump in our order', () => {
  it('maps lie as their shape says, extents of 1 aside', () => {
    expect(placed({ input: v([1, 2, 1, 3]) }).told).to.deep.equal([['input', [1, 2, 1, 3], range(6)]]);
    expect(placed({ input: v([2, 3]) }).told).to.deep.equal([['input', [1, 2, 1, 3], range(6)]]);
    expect(placed({ input: v([1, 1, 3, 2]) }).told).to.deep.equal([
      ['input', [1, 2, 1, 3], [0, 2, 4, 1, 3, 5]],
    ]);
  });

  it('where it says nothing they lie as those that do', () => {
    // conv is 3×3 either way
    expect(placed({ input: v([1, 2, 1, 3]), conv: v([1, 3, 1, 3]) }).told[1]).to.deep.equal([
      'conv',
      [1, 3, 1, 3],
      range(9),
    ]);
    expect(placed({ input: v([1, 1, 3, 2]), conv: v([1, 1, 3, 3]) }).told[1]).to.deep.equal([
      'conv',
      [1, 3, 1, 3],
      turned,
    ]);
    expect(placed({ conv: v([1, 3, 1, 3]) }).told[0][2]).to.deep.equal(range(9));
    expect(placed({ conv: v([1, 3, 1, 3]) }, 'NHWC').told[0][2]).to.deep.equal(turned);
  });

  it('a flattened value lies as the one that it was made of, whichever it is more like', () => {
    const last = { input: v([1, 1, 3, 2]), conv: v([1, 1, 3, 3]) };
    // flattened as it lay: channels last like conv, so it is turned as conv was
    expect(placed({ ...last, flat: v([1, 9]) }).told[2]).to.deep.equal(['flat', [1, 9], turned]);
    // flattened in our order: it is like conv as it is
    const ours = f32([0, 3, 6, 1, 4, 7, 2, 5, 8], [1, 9]) as NumericValue;
    expect(placed({ ...last, flat: ours }).told[2]).to.deep.equal(['flat', [1, 9], turned]);
    // nothing before it: as the layout says
    expect(placed({ input: v([1, 1, 3, 2]), flat: v([1, 9]) }).told[1][2]).to.deep.equal(turned);
  });

  it('a layout that cannot be is refused', () => {
    expect(() => placed({ input: v([1, 2, 1, 3]) }, 'NHWC')).to.throw(
      "'input' is [1,2,1,3], which is not NHWC",
    );
    expect(() => placed({ input: v([1, 1, 3, 2]) }, 'NCHW')).to.throw(
      "'input' is [1,1,3,2], which is not NCHW",
    );
    expect(placed({ input: v([1, 2, 1, 3]) }, 'NCHW').told[0][2]).to.deep.equal(range(6));
  });

  it('images are counted by most values; another shape is left as it is, integers are refused', () => {
    const two = placed({ input: v([2, 2, 1, 3]), fc: v([2, 2]), flat: v([1, 9]) });
    expect(two.images).to.equal(2);
    expect(two.told.map(([name, shape]) => [name, shape])).to.deep.equal([
      ['input', [2, 2, 1, 3]],
      ['flat', [1, 9]],
      ['fc', [2, 2]],
    ]);
    expect(placed({ flat: v([1, 9]), input: v([2, 2, 1, 3]), fc: v([2, 2]) }).images).to.equal(2);
    expect(placed({ fc: v([5]) }).images).to.equal(1);
    expect(placed({ fc: v([5]) }).told).to.deep.equal([['fc', [5], range(5)]]);
    expect(() => placed({ fc: i64([1, 2]) as NumericValue })).to.throw(
      "'fc' is int64: values are judged as floats, dequantise them first",
    );
  });

  it('types are those of the dump, values float32 or float64', () => {
    const half = { ...v([2]), dtype: 'float16' } as NumericValue;
    const double = { dtype: 'float64', shape: [9], data: Float64Array.from(range(9)) } as NumericValue;
    const names = new Map([
      ['fc', 'a'],
      ['flat', 'b'],
    ]);
    const found = place(
      new Map([
        ['a', half],
        ['b', double],
      ]),
      names,
      network,
    );
    expect(Object.fromEntries(found.types)).to.deep.equal({ fc: 'float16', flat: 'float64' });
    expect([...found.values].map(([name, { dtype }]) => [name, dtype])).to.deep.equal([
      ['flat', 'float64'],
      ['fc', 'float32'],
    ]);
  });

  it('a shape without its extents of 1', () => {
    expect([squeezed([1, 2, 1, 3]), squeezed([1, 1]), squeezed([12])]).to.deep.equal(['2,3', '', '12']);
  });
});
