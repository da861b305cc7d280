/** The fast convolution has the bits of the plain loops. */
import { expect } from 'chai';
import * as fast from '../../../lib/fast/conv2d.ts';
import { configure, unavailable, workers } from '../../../lib/fast/node.ts';
import * as plain from '../../../reference/ops/conv2d.ts';
import { cast, type Precision, tensor } from '../../../reference/tensor.ts';
import { awkward, firstDifference, type Mix } from '../../support/bits.ts';

interface Case {
  readonly title: string;
  readonly x: [number, number, number, number];
  /** K, R, S. */
  readonly w: [number, number, number];
  readonly attributes?: Partial<plain.Attributes>;
}

const cases: Case[] = [
  { title: 'one pixel', x: [1, 1, 1, 1], w: [1, 1, 1] },
  { title: 'an odd number of everything', x: [3, 5, 7, 9], w: [11, 3, 1] },
  { title: 'a depth of several blocks', x: [1, 70, 6, 5], w: [9, 3, 3], attributes: { pad: [1, 1, 1, 1] } },
  { title: 'more columns than a block', x: [2, 3, 17, 19], w: [5, 2, 3] },
  {
    title: 'strides, pads and dilations that differ',
    x: [2, 4, 15, 13],
    w: [6, 3, 2],
    attributes: { stride: [2, 3], pad: [2, 0, 1, 3], dilation: [2, 1] },
  },
  {
    title: 'three groups',
    x: [2, 9, 8, 7],
    w: [12, 2, 3],
    attributes: { groups: 3, pad: [0, 1, 2, 0], stride: [1, 2] },
  },
  {
    title: 'padding wider than the kernel',
    x: [1, 2, 3, 2],
    w: [3, 2, 2],
    attributes: { pad: [5, 4, 3, 6], stride: [1, 2], dilation: [3, 2] },
  },
];

function operands({ x, w, attributes }: Case, mix: Mix = {}) {
  const all: plain.Attributes = {
    stride: [1, 1],
    pad: [0, 0, 0, 0],
    dilation: [1, 1],
    groups: 1,
    ...attributes,
  };
  const wShape = [w[0], x[1] / all.groups, w[1], w[2]];
  const size = (shape: number[]) => shape.reduce((a, b) => a * b);
  return {
    x: tensor(awkward(size(x), 1, mix), x),
    w: tensor(awkward(size(wShape), 2, mix), wShape),
    b: tensor(awkward(w[0], 3), [w[0]]),
    all,
  };
}

describe('fast conv2d', () => {
  before(() => expect(unavailable()).to.equal(''));
  afterEach(() => configure({ threads: workers(1), wide: false }));

  const same = (item: Case, mix: Mix, bias: boolean, precision: Precision, storage: Precision) => {
    const { x, w, b, all } = operands(item, mix);
    const args = [[cast(x, storage), cast(w, storage), ...(bias ? [b] : [])], all, precision] as const;
    const difference = firstDifference(fast.forward(...args).data, plain.forward(...args).data);
    expect(difference, `${item.title}, ${storage} to ${precision}, first difference`).to.equal(-1);
  };

  for (const item of cases) {
    it(`has the bits of the plain loops for ${item.title}`, () => {
      for (const settings of [{}, { wide: true }]) {
        configure({ wide: false, ...settings });
        for (const bias of [true, false]) {
          same(item, {}, bias, 'float32', 'float32');
          same(item, {}, bias, 'float64', 'float32');
          same(item, {}, bias, 'float64', 'float64');
          same(item, {}, bias, 'float32', 'float64');
        }
        same(item, { nonFinite: true }, true, 'float32', 'float32');
      }
    });
  }

  it('has the bits of the plain loops for every number of kernels and pixels up to two tiles and one', () => {
    for (const wide of [false, true]) {
      configure({ wide });
      for (let n = 1; n <= (wide ? 17 : 9); n++) {
        same({ title: `${n} kernels`, x: [1, 3, 3, 4], w: [n, 2, 2] }, {}, true, 'float32', 'float32');
        same({ title: `${n} pixels`, x: [1, 3, 2, n + 1], w: [5, 2, 2] }, {}, true, 'float32', 'float32');
        same({ title: `${n} terms`, x: [1, n, 3, 4], w: [5, 1, 1] }, {}, true, 'float32', 'float32');
      }
    }
  });

  it('skips padding where a weight is infinite, as the plain loops do, instead of making NaN of 0 · ∞', () => {
    const x = tensor(Float32Array.of(1, 1, 1, 1), [1, 1, 2, 2]);
    const w = tensor(Float32Array.of(Infinity, 1, 1, 1), [1, 1, 2, 2]);
    const attributes: plain.Attributes = { stride: [1, 1], pad: [1, 1, 0, 0], dilation: [1, 1], groups: 1 };
    expect([...fast.forward([x, w], attributes).data]).to.deep.equal([1, 2, 2, Infinity]);
  });

  it('gives the bounds the same sums', () => {
    const { x, w, b, all } = operands(cases[5]);
    const [a, e] = [fast.terms([x, w, b], all), plain.terms([x, w, b], all)];
    expect(firstDifference(a.magnitude.data, e.magnitude.data)).to.equal(-1);
    expect(firstDifference(a.squares.data, e.squares.data)).to.equal(-1);
    expect(a.count).to.equal(e.count);
  });

  it('refuses a bias of the wrong length', () => {
    const { x, w, all } = operands(cases[1]);
    const b = tensor(new Float32Array(3), [3]);
    expect(() => fast.forward([x, w, b], all)).to.throw('conv2d: b must have 11 values (= 3)');
  });
});
