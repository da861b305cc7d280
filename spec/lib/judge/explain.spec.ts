/** Which mistakes are said to be behind a wrong value, in their words; and near misses, of which nothing is said. */
import { expect } from 'chai';
import { type Explanation, explanationOf } from '../../../lib/judge/explain.ts';
import { type Layer, linear } from '../../../reference/networks/layers.ts';
import { type Tensor, tensor } from '../../../reference/tensor.ts';
import { t } from '../../support/hand.ts';

const layer = (kind: Layer['kind'], attributes: object = {}): Layer =>
  ({ name: 'l', kind, attributes }) as Layer;
const f64 = (...values: number[]) => Float64Array.from(values);

interface Case {
  readonly layer: Layer;
  readonly inputs: readonly Tensor[];
  readonly weights?: ReadonlyMap<string, Tensor>;
  readonly maps?: readonly [number, number, number];
  readonly exact: Tensor;
}

function explained(
  { exact, weights = new Map(), ...call }: Case,
  y: readonly number[],
  { bound = new Float64Array(y.length), image = 0, seconds = 20 } = {},
): Explanation {
  const suspect = { y: tensor(Float32Array.from(y), exact.shape), exact, bound };
  return explanationOf({ ...call, weights }, suspect, image, seconds);
}
const matches = (...given: Parameters<typeof explained>) => explained(...given).matches;

// w·x = (7, 3, 6, 4), (8, −5, 6, −3)
const fc: Case = {
  layer: linear('l', 4),
  inputs: [t([2, 3], 1, 2, 3, 4, -1, 2)],
  weights: new Map([
    ['l.weight', t([4, 3], 1, 0, 2, 0, 3, -1, 2, 2, 0, -1, 1, 1)],
    ['l.bias', t([4], 10, 20, 30, 40)],
  ]),
  exact: t([2, 4], 17, 23, 36, 44, 18, 15, 36, 37),
};

describe('a mistake is named', () => {
  const wrong: Record<string, readonly number[]> = {
    'bias dropped': [7, 3, 6, 4, 8, -5, 6, -3],
    'bias of the next neuron': [27, 33, 46, 14, 28, 25, 46, 7],
    'bias subtracted': [-3, -17, -24, -36, -2, -25, -24, -43],
    'bias added twice': [27, 43, 66, 84, 28, 35, 66, 77],
    'bias along the batch': [17, 13, 16, 14, 28, 15, 26, 17],
    'weights not transposed: memory read as (in, out)': [17, 15, 39, 47, 11, 19, 38, 40],
    'first input left out': [16, 23, 34, 45, 14, 15, 28, 41],
    'last input left out': [11, 26, 36, 41, 14, 17, 36, 35],
    'inputs in reverse order': [15, 25, 40, 40, 20, 13, 32, 41],
    'the first row for all': [17, 23, 36, 44, 17, 23, 36, 44],
    'neurons in reverse order': [44, 36, 23, 17, 37, 36, 15, 18],
  };
  for (const [name, y] of Object.entries(wrong))
    it(name, () => {
      expect(explained(fc, y)).to.deep.equal({ matches: [name], tried: 17, known: 17 });
    });

  it('right values have none, and no other layer’s is tried', () => {
    expect(matches(fc, [17, 23, 36, 44, 18, 15, 36, 37])).to.deep.equal([]);
    const relu = { layer: layer('relu'), inputs: [t([1, 2], -1, 2)], exact: t([1, 2], 0, 2) };
    expect(explained(relu, [1, 2])).to.deep.equal({ matches: ['absolute value'], tried: 6, known: 6 });
  });

  it('of several inputs, and by the maps that a row was made of', () => {
    const concat = {
      layer: layer('concat', { axis: 1 }),
      inputs: [t([1, 2], 1, 2), t([1, 1], 3)],
      exact: t([1, 3], 1, 2, 3),
    };
    expect(matches(concat, [3, 1, 2])).to.deep.equal(['inputs in reverse order']);
    // two maps of three pixels: 1 2 3 and 4 5 6 become 1 4, 2 5, 3 6
    const flat: Case = {
      layer: linear('l', 1),
      inputs: [t([1, 6], 1, 2, 3, 4, 5, 6)],
      weights: new Map([['l.weight', t([1, 6], 1, 10, 100, 1000, 10000, 100000)]]),
      maps: [2, 1, 3],
      exact: t([1, 1], 654321),
    };
    expect(matches(flat, [635241])).to.deep.equal(['inputs flattened in the order H,W,C']);
    expect(matches(flat, [642531])).to.deep.equal(['weights for inputs in the order H,W,C']);
    expect(matches({ ...flat, maps: undefined }, [635241])).to.deep.equal([]);
  });

  it('what overflows on a device overflows here', () => {
    const exact = t([1, 2], 1, 0);
    const softmax = { layer: layer('softmax'), inputs: [t([1, 2], 100, 0)], exact };
    expect(matches(softmax, [Infinity, 1])).to.deep.equal(['not normalised']);
    const relu = {
      layer: layer('relu'),
      inputs: [t([1, 2], Number.NaN, 1)],
      exact: t([1, 2], Number.NaN, 1),
    };
    expect(matches(relu, [0, 1])).to.deep.equal(['NaN becomes 0']);
  });

  it('the better comes first, and 99.9 % of the values are enough', () => {
    // one row below a row of padding, windows of 2×3; the last reaches two columns beyond: Caffe counts 2·1 there
    const averages = (count: number, last: number) => {
      const about = { kernel: [2, 3], stride: [1, 3], pad: [1, 0, 0, 0], rounding: 'onnx', divisor: 'valid' };
      const x = t([1, 1, 1, 3 * count - 2], ...new Array(3 * count - 2).fill(6));
      const exact = t([1, 1, 1, count], ...new Array(count).fill(6));
      return matches({ layer: layer('avgpool', about), inputs: [x], exact }, [
        ...new Array(count - 1).fill(3),
        last,
      ]);
    };
    const full = ['pads counted, or not', 'always the full window as divisor'];
    const caffe = "Caffe's divisor everywhere";
    expect(averages(1001, 3)).to.deep.equal([caffe, ...full]);
    expect(averages(1001, 1)).to.deep.equal([...full, caffe]);
    expect(averages(999, 3)).to.deep.equal([caffe]);
    expect(averages(999, 1)).to.deep.equal(full);
  });
});

describe('a near miss is not', () => {
  const relu = (x: readonly number[]): Case => ({
    layer: layer('relu'),
    inputs: [t([1, x.length], ...x)],
    exact: t([1, x.length], ...x.map((v) => Math.max(0, v))),
  });
  const leftOut = ['left out'];

  it('values agree to the bound, 2⁻¹⁴ of themselves and 2⁻¹⁸ of their rms', () => {
    // −1 and −3 have an rms of √5
    const within = [2 ** -14 + 2 ** -18 * Math.sqrt(5), 3 * 2 ** -14 + 2 ** -18 * Math.sqrt(5)];
    for (const sign of [1, -1]) {
      const off = (a: number, b: number, bound = f64(0, 0)) =>
        matches(relu([-1, -3]), [-1 + sign * a * within[0], -3 + sign * b * within[1]], { bound });
      expect(off(0.99, 0.99)).to.deep.equal(leftOut);
      expect(off(1.01, 0)).to.deep.equal([]);
      expect(off(0, 1.01)).to.deep.equal([]);
      expect(off(1.01, 1.01, f64(0.02 * within[0], 0.02 * within[1]))).to.deep.equal(leftOut);
    }
  });

  it('one wrong value among many is not explained by what changes nothing here', () => {
    const y = new Array(2000).fill(5);
    y[77] = 4;
    expect(matches(relu(new Array(2000).fill(5)), y)).to.deep.equal([]);
  });

  it('the mistake must leave at most half of the distance', () => {
    // −3 in the place of 0: −2 is 2 from the right one, 1 from the wrong one
    const half = (y: number) => matches(relu([-3]), [y], { bound: f64(9) });
    expect(half(-2)).to.deep.equal(leftOut);
    expect(half(-1.99)).to.deep.equal([]);
    // √26 = 5.1 from the right ones, 2.5 or 2.6 from the wrong ones
    const two = (x: number) => matches(relu([-1, x]), [-1, -5], { bound: f64(0, 9) });
    expect(two(-7.5)).to.deep.equal(leftOut);
    expect(two(-7.6)).to.deep.equal([]);
  });

  it('an infinity must be its own, and hides no wrong number', () => {
    const of = (x: readonly number[], y: readonly number[], bound = new Float64Array(y.length)) =>
      matches(relu(x), y, { bound });
    expect(of([-1, -Infinity], [-1, -Infinity])).to.deep.equal(leftOut);
    expect(of([-1, -Infinity], [-1.5, -Infinity])).to.deep.equal([]);
    expect(of([-1, -Infinity], [-1, 5])).to.deep.equal([]);
    expect(of([-1, -Infinity, -Infinity], [-1, 5, -Infinity], f64(0, Infinity, 0))).to.deep.equal([]);
  });

  it('another shape is another result, though the numbers be the same', () => {
    const about = {
      layer: layer('adaptiveavgpool', { size: [1, 2] }),
      inputs: [t([1, 1, 2, 2], 1, 2, 3, 4)],
    };
    expect(matches({ ...about, exact: t([1, 1, 1, 2], 2, 3) }, [1.5, 3.5])).to.deep.equal([
      'input rows and columns exchanged',
    ]);
  });
});

describe('where is looked', () => {
  const batch: Case = {
    layer: linear('l', 1),
    inputs: [t([3, 1], 1, 2, 3)],
    weights: new Map([['l.weight', t([1, 1], 1)]]),
    exact: t([3, 1], 1, 2, 3),
  };

  it('at the first image and the worst, or at the first two', () => {
    const first = ['the first row for all'];
    expect(matches(batch, [1, 2, 1], { image: 2 })).to.deep.equal(first);
    expect(matches(batch, [1, 2, 1], { image: 1 })).to.deep.equal([]);
    expect(matches(batch, [1, 1, 3], { image: 0 })).to.deep.equal(first);
    expect(matches(batch, [1, 1, 3], { image: 2 })).to.deep.equal([]);
    // each image has its own bounds
    expect(matches(batch, [1, 2, 1.25], { image: 2, bound: f64(0, 0, 0.25) })).to.deep.equal(first);
    expect(matches(batch, [1, 2, 1.25], { image: 2, bound: f64(0, 0.25, 0) })).to.deep.equal([]);
  });

  it('as long as there is time', () => {
    expect(explained(batch, [1, 2, 1], { seconds: -1 })).to.deep.equal({ matches: [], tried: 0, known: 17 });
  });
});
