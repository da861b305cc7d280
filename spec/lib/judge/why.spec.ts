/** What is told of a wrong value: the window that it saw, the sum behind it, and the lines that say so. */
import { expect } from 'chai';
import { type Why, why, whyText } from '../../../lib/judge/why.ts';
import type { Layer } from '../../../reference/networks/layers.ts';
import { linear } from '../../../reference/networks/layers.ts';
import type { Tensor } from '../../../reference/tensor.ts';
import { t } from '../../support/hand.ts';

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

/** Taken apart at one element; what the device made of it does not matter here. */
function at(
  index: readonly number[],
  layer: Layer,
  x: Tensor,
  weights: ReadonlyMap<string, Tensor> = new Map(),
): Why {
  const y = t([2, 1], 1, 2);
  const suspect = { y, exact: y, bound: new Float64Array(2) };
  const worst = { index, device: 1, oracle: 2, error: 1, bound: 0.5 };
  return why({ name: layer.name, kind: layer.kind }, { layer, inputs: [x], weights }, suspect, worst);
}

// two images of four channels, 4 rows of 5 columns: image 0 counts from 1, image 1 from 81
const x = t([2, 4, 4, 5], ...range(160));
const attributes = { stride: [2, 1], pad: [1, 2, 0, 0], dilation: [1, 3], groups: 2 } as const;
const conv: Layer = { name: 'c', kind: 'conv2d', channels: 4, kernel: [3, 2], attributes };
// kernel k's weights are 10k + 1 … of two channels of 3×2, the second row negative
const weights = new Map([
  [
    'c.weight',
    t(
      [4, 2, 3, 2],
      ...range(48).map(
        (_, i) => (Math.floor(i / 12) * 10 + 1 + (i % 12)) * (i % 6 === 2 || i % 6 === 3 ? -1 : 1),
      ),
    ),
  ],
  ['c.bias', t([4], 100, 200, 300, 400)],
]);

describe('the window behind a value', () => {
  it('of a convolution by stride, padding and dilation, cut at the border of the input', () => {
    // rows 2p − 1 … 2p + 1 of 4, columns q − 2 and q + 1 of 5
    const seen = (p: number, q: number) => at([1, 0, p, q], conv, x, weights).receptiveField;
    expect(seen(0, 0)).to.deep.equal({ rows: [0, 1], columns: [0, 1] });
    expect(seen(1, 3)).to.deep.equal({ rows: [1, 3], columns: [1, 4] });
    expect(seen(1, 2)).to.deep.equal({ rows: [1, 3], columns: [0, 3] });
    expect(seen(2, 5)).to.deep.equal({ rows: [3, 3], columns: [3, 4] });
  });

  for (const kind of ['maxpool', 'avgpool'] as const)
    it(`of a ${kind} by its kernel`, () => {
      const about = {
        kernel: [3, 2],
        stride: [2, 1],
        pad: [1, 0, 0, 0],
        rounding: 'floor',
        divisor: 'window',
      };
      const pool = { name: 'p', kind, attributes: about } as unknown as Layer;
      expect(at([0, 1, 1, 3], pool, x).receptiveField).to.deep.equal({ rows: [1, 3], columns: [3, 4] });
      expect(at([0, 1, 0, 0], pool, x)).to.deep.include({
        receptiveField: { rows: [0, 1], columns: [0, 1] },
        sum: null,
      });
    });

  it('all of it where the layer reads all: no window is told', () => {
    const fc = new Map([['f.weight', t([1, 2], 3, 4)]]);
    expect(at([0, 0], linear('f', 1), t([1, 2], 1, 2), fc).receptiveField).to.equal(null);
    const relu = { name: 'r', kind: 'relu', attributes: {} } as unknown as Layer;
    expect(at([0, 0, 0, 0], relu, x)).to.deep.include({ receptiveField: null, sum: null });
  });
});

describe('the sum behind a value', () => {
  it('of a fully connected layer: its products, the largest five first, and how much cancels', () => {
    const fc = new Map([
      ['f.weight', t([2, 6], 9, 9, 9, 9, 9, 9, 1, -2, 3, 4, -5, 6)],
      ['f.bias', t([2], 7, 0.5)],
    ]);
    // image 1, neuron 1: products 2, −6, 12, 20, −30, 42; their sum is 40, of their sizes 112
    const { sum } = at([1, 1], linear('f', 2), t([2, 6], 1, 1, 1, 1, 1, 1, 2, 3, 4, 5, 6, 7), fc);
    expect(sum).to.deep.equal({
      terms: 6,
      value: 40.5,
      cancellation: 2.8,
      largest: [
        { at: [5], w: 6, x: 7, product: 42 },
        { at: [4], w: -5, x: 6, product: -30 },
        { at: [3], w: 4, x: 5, product: 20 },
        { at: [2], w: 3, x: 4, product: 12 },
        { at: [1], w: -2, x: 3, product: -6 },
      ],
    });
    fc.delete('f.bias');
    expect(at([1, 1], linear('f', 2), t([2, 6], 1, 1, 1, 1, 1, 1, 2, 3, 4, 5, 6, 7), fc).sum?.value).to.equal(
      40,
    );
  });

  it('of a convolution: the taps inside the image alone, of the kernel’s own group', () => {
    // kernel 2 is the first of group 1, which reads channels 2 and 3: weights 21 … 32.
    // At (0, 0) row −1 and column −2 are padding: taps (1, 1) and (2, 1) at rows 0, 1 of column 1
    const { sum } = at([1, 2, 0, 0], conv, x, weights);
    // channel 2 of image 1 begins at 121, channel 3 at 141
    expect(sum?.largest).to.deep.equal([
      { at: [1, 2, 1], w: 32, x: 147, product: 4704 },
      { at: [1, 1, 1], w: -30, x: 142, product: -4260 },
      { at: [0, 2, 1], w: 26, x: 127, product: 3302 },
      { at: [0, 1, 1], w: -24, x: 122, product: -2928 },
    ]);
    expect([sum?.terms, sum?.value]).to.deep.equal([4, 818 + 300]);
    expect(sum?.cancellation).to.equal(15194 / 818);
    // the last kernel in the last corner: row 3 and columns 3, 6: tap (0, 0) of each channel
    expect(at([0, 3, 2, 5], conv, x, weights).sum?.largest).to.deep.equal([
      { at: [1, 0, 0], w: 37, x: 79, product: 2923 },
      { at: [0, 0, 0], w: 31, x: 59, product: 1829 },
    ]);
    // a stride of two columns: (0, 1) sees columns 2 and 3
    const wide: Layer = {
      ...conv,
      kernel: [1, 2],
      attributes: { ...attributes, stride: [1, 2], pad: [0, 0, 0, 0], dilation: [1, 1] },
    };
    const ones = new Map([['c.weight', t([4, 2, 1, 2], ...new Array(16).fill(1))]]);
    expect(at([0, 0, 0, 1], wide, x, ones).sum?.largest.map((one) => one.x)).to.deep.equal([24, 23, 4, 3]);
    // in the middle all twelve
    expect(at([0, 1, 1, 3], conv, x, weights).sum?.terms).to.equal(12);
    // rows 1 … 3, columns 1 and 4 of channel 1, image 0, and the weights 11 … 16 and 17 … 22 of kernel 1
    expect(at([0, 1, 1, 3], conv, x, weights).sum?.largest[0]).to.deep.equal({
      at: [1, 2, 1],
      w: 22,
      x: 40,
      product: 880,
    });
  });
});

describe('the mistake behind a value', () => {
  it('is looked for in the image of the worst element', () => {
    const fc = {
      layer: linear('f', 1),
      inputs: [t([3, 1], 1, 2, 3)],
      weights: new Map([['f.weight', t([1, 1], 1)]]),
    };
    const suspect = { y: t([3, 1], 1, 2, 1), exact: t([3, 1], 1, 2, 3), bound: new Float64Array(3) };
    const worst = { index: [2, 0], device: 1, oracle: 3, error: 2, bound: 0 };
    expect(why({ name: 'f', kind: 'linear' }, fc, suspect, worst).explanation.matches).to.deep.equal([
      'the first row for all',
    ]);
  });
});

describe('what is no layer', () => {
  it('has neither window nor sum nor mistakes', () => {
    const y = t([1, 1], 1);
    const worst = { index: [0, 0], device: 1, oracle: 2, error: 1, bound: 0.5 };
    const found = why(
      { name: 'Exp_3', kind: 'Exp' },
      null,
      { y, exact: y, bound: new Float64Array(1) },
      worst,
    );
    expect(found).to.deep.equal({
      layer: 'Exp_3',
      kind: 'Exp',
      worst,
      receptiveField: null,
      sum: null,
      explanation: { matches: [], tried: 0, known: 0 },
    });
    expect(whyText(found)).to.deep.equal([]);
  });
});

describe('the lines about it', () => {
  const worst = { index: [1, 2, 0, 0], device: 1, oracle: 2, error: 1, bound: 0.5 };
  const largest = [{ at: [1, 2, 1], w: 32, x: 147, product: 4704.123 }];
  const about: Why = {
    layer: 'c',
    kind: 'conv2d',
    worst,
    receptiveField: { rows: [0, 1], columns: [0, 4] },
    sum: { terms: 4, value: 1118, cancellation: 18.5746, largest },
    explanation: { matches: ['bias dropped', 'bias subtracted'], tried: 3, known: 5 },
  };
  const lines = (change: Partial<Why>) => whyText({ ...about, ...change });

  it('say where, of how many products, and which mistakes match', () => {
    expect(lines({})).to.deep.equal([
      'c at [1,2,0,0]: rows 0–1, columns 0–4 of its input; 4 products, Σ|w·x|/|Σw·x| = 18.6, the largest 4704 at [1,2,1]',
      'c matches if: bias dropped; or: bias subtracted',
    ]);
    expect(lines({ receptiveField: null })[0]).to.match(/^c at \[1,2,0,0\]: 4 products, /);
  });

  it('say that none does, of how many, and how many were tried where the time ran out', () => {
    const none = (tried: number, known: number) =>
      lines({ sum: null, explanation: { matches: [], tried, known } });
    expect(none(5, 5)).to.deep.equal(['c: none of the 5 known mistakes explains it']);
    expect(none(3, 5)).to.deep.equal(['c: none of the 5 known mistakes explains it (3 were tried)']);
    expect(none(0, 0)).to.deep.equal([]);
  });
});
