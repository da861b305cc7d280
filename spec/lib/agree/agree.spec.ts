import { AssertionError } from 'node:assert';
import { readFileSync } from 'node:fs';
import { expect, use } from 'chai';
import ndarray from 'ndarray';
import * as ort from 'onnxruntime-node';
import {
  assertAgrees,
  disagreement,
  InputError,
  oracleOf,
  type TensorLike,
} from '../../../lib/agree/agree.ts';
import agree from '../../../lib/agree/chai.ts';
import { floatTensor } from '../../../lib/agree/tensors.ts';
import { runLayer } from '../../../lib/fast/oracle.ts';
import { conv, linear, lrn, relu } from '../../../reference/networks/layers.ts';
import { dense, map, tensor } from '../../../reference/tensor.ts';
import { random } from '../../support/models.ts';

use(agree);

interface Case {
  readonly shape: number[];
  readonly rtol: number;
  readonly atol: number;
  readonly actual: number[];
  readonly expected: number[];
  readonly torch: null | {
    readonly count: number;
    readonly percentage: string;
    readonly absolute: { readonly value: number; readonly index: number[] };
    readonly relative: { readonly value: number; readonly index: number[] };
  };
}
const cases = JSON.parse(
  readFileSync(new URL('../../../fixtures/agree/cases.json', import.meta.url), 'utf8'),
) as Case[];
const floats = (values: readonly number[], shape: number[]): TensorLike => ({
  data: Float32Array.from(values),
  shape,
});

describe('agreement of tensors', () => {
  for (const [at, { shape, rtol, atol, actual, expected, torch }] of cases.entries()) {
    it(`case ${at}: count, greatest differences and their places are those that PyTorch names`, () => {
      const message = disagreement(floats(actual, shape), floats(expected, shape), { rtol, atol });
      if (!torch) return expect(message).to.equal(null);
      const { count, percentage, absolute, relative } = torch;
      expect(message).to.include(`Mismatched elements: ${count} / ${actual.length} (${percentage}%)`);
      for (const [what, { value, index }] of Object.entries({ absolute, relative })) {
        const found = new RegExp(`Greatest ${what} difference: (\\S+) at index \\[(.*?)\\]`).exec(message!);
        expect(found?.[2]).to.equal(index.join(', '));
        // PyTorch computes in float32
        expect(Number(found?.[1])).to.be.closeTo(value, 1e-5 * value);
      }
    });
  }

  const x = random([1, 4, 9, 8], 1);
  const layer = conv('conv', 6, 3, { pad: [1, 0, 1, 2], groups: 2 });
  const weights = new Map([
    ['conv.weight', random([6, 2, 3, 3], 2)],
    ['conv.bias', random([6], 3)],
  ]);
  const right = runLayer(layer, [x], weights, 'float32');

  it('a right convolution agrees with its oracle, within bounds that follow from the layer', () => {
    expect(right).to.agreeWith(oracleOf(layer, [x], weights));
    expect(right).to.agreeWith(right, { layer, inputs: [x], weights });
    assertAgrees(right, oracleOf(layer, [x], weights));
  });

  it('an expectation that was rounded to float32 itself is allowed that rounding', () => {
    const u = 2 ** -24;
    const one = linear('one', 1);
    // a product just below 2, whose float32 is below it: bound 2u·|wx| < 4u, and 4u above the rounded product
    for (let i = 0; ; i++) {
      const [a, b] = [Math.fround(1.4121 + i * 1e-6), Math.fround(1.4133)];
      const rounded = Math.fround(a * b);
      if (a * b - rounded < 0.5 * u || a * b > 1.999) continue;
      const options = {
        layer: one,
        inputs: [{ data: Float32Array.of(a), shape: [1, 1] }],
        weights: new Map([['one.weight', { data: Float32Array.of(b), shape: [1, 1] }]]),
      };
      const y = floats([rounded + 4 * u], [1, 1]);
      expect(y).to.agreeWith(oracleOf(one, options.inputs, options.weights));
      expect(y).to.agreeWith(floats([rounded], [1, 1]), options);
      expect(floats([rounded + 6 * u], [1, 1])).not.to.agreeWith(floats([rounded], [1, 1]), options);
      break;
    }
  });

  it('one wrong element in thousands is found, with its index and its bound', () => {
    const wrong = tensor(Float32Array.from(dense(right)), right.shape);
    dense(wrong)[right.shape[3]] += 1e-3;
    const message = disagreement(wrong, oracleOf(layer, [x], weights));
    expect(message).to.match(/^The tensors do not agree\n\nMismatched elements: 1 \/ \d+ \(0\.\d%\)/);
    expect(message).to.match(
      /absolute difference: 0\.00\d+ at index \[0, 0, 1, 0\] \(up to [\d.]+e-\d allowed\)/,
    );
    expect(() => expect(wrong).to.agreeWith(oracleOf(layer, [x], weights))).to.throw(
      /Mismatched elements: 1 /,
    );
    expect(wrong).not.to.agreeWith(oracleOf(layer, [x], weights));
    expect(() => assertAgrees(wrong, oracleOf(layer, [x], weights))).to.throw(AssertionError, /Mismatched/);
  });

  it('how the wrong elements lie: in words of the layer, else of the axes', () => {
    const wrong = tensor(dense(right).slice(), right.shape);
    const [, K, P, Q] = right.shape;
    for (let p = 0; p < P * Q; p++) dense(wrong)[5 * P * Q + p] += 1;
    expect(K).to.equal(6);
    expect(disagreement(wrong, oracleOf(layer, [x], weights))).to.match(/%\), all in output channel 5\n/);
    expect(disagreement(wrong, right, { atol: 1e-3 })).to.match(/%\), all in axis-1 position 5\n/);
  });

  it('any number of layers by their names: each that fails is listed', () => {
    const act = relu('relu');
    const expected = new Map([
      ['conv', oracleOf(layer, [x], weights)],
      ['relu', oracleOf(act, [right])],
      ['again', oracleOf(act, [right])],
    ]);
    const rectified = runLayer(act, [right], new Map(), 'float32');
    const all = new Map([
      ['conv', right],
      ['relu', rectified],
      ['again', rectified],
      ['more', right],
    ]);
    expect(all).to.agreeWith(expected);
    assertAgrees(all, expected);
    all.set('conv', rectified).delete('again');
    const message = disagreement(all, expected);
    expect(message).to.match(/^2 of 3 do not agree: conv again\n\nconv: The tensors do not agree\n/);
    expect(message).to.match(/\n\nagain: There is no such tensor$/);
    expect(() => disagreement(right, expected)).to.throw(InputError, 'tensors by name');
    expect(() => disagreement(all, new Map())).to.throw(InputError, 'nothing can be compared');
  });

  it('of all weights the layer’s own are looked at, and what lies in order is not copied', () => {
    const others = new Map<string, TensorLike>([
      ...weights,
      ['fc6.weight', { data: Int32Array.of(1), shape: [1] }],
    ]);
    expect(right).to.agreeWith(oracleOf(layer, [x], others));
    const big = new Float32Array(8).fill(1);
    const view = floatTensor(ndarray(big, [2, 2], [2, 1], 3), 'w');
    expect(dense(view).buffer).to.equal(big.buffer);
    expect([...dense(view)]).to.deep.equal([1, 1, 1, 1]);
    expect(dense(floatTensor(ndarray(big, [2, 2], [1, 2], 3), 'w')).buffer).not.to.equal(big.buffer);
  });

  it('an activation in place over the input does not change what was expected', () => {
    const input = tensor(dense(x).slice(), x.shape);
    const oracle = oracleOf(layer, [input], weights);
    dense(input).fill(0);
    expect(right).to.agreeWith(oracle);
  });

  it('a negated assertion fails where they agree', () => {
    expect(() => expect(right).not.to.agreeWith(right, { bound: 0 })).to.throw(/tensors agree/);
  });

  it('TF32 products within the bound are found by their bits, unless they are allowed', () => {
    const fc = linear('fc', 40);
    const input = random([1, 4000], 5);
    const w = new Map([
      ['fc.weight', random([40, 4000], 6)],
      ['fc.bias', random([40], 7, 0.01)],
    ]);
    /** Significands of 11 bits, by Veltkamp's splitting. */
    const short = (v: number): number => {
      const big = Math.fround(v * (2 ** 13 + 1));
      return Math.fround(big - Math.fround(big - v));
    };
    const rounded = new Map([...w].map(([k, t]) => [k, k.endsWith('weight') ? map(t, short) : t]));
    const y = runLayer(fc, [map(input, short)], rounded, 'float32');
    expect(disagreement(y, oracleOf(fc, [input], w))).to.match(
      /Mismatched|effective bits, float32 has at least/,
    );
    expect(y).to.agreeWith(oracleOf(fc, [input], w, { require: 'tf32' }));
  });

  it("onnxruntime's tensors, ndarrays in any order and arrays with a shape are one and the same", () => {
    const values = Float32Array.from(dense(right));
    const [, K, P, Q] = right.shape;
    const turned = new Float32Array(values.length);
    for (let k = 0; k < K; k++)
      for (let at = 0; at < P * Q; at++) turned[at * K + k] = values[k * P * Q + at];
    const forms: TensorLike[] = [
      new ort.Tensor('float32', values, right.shape),
      { data: values, shape: right.shape },
      { data: [...values], dims: right.shape },
      ndarray(turned, [1, P, Q, K]).transpose(0, 3, 1, 2),
    ];
    for (const form of forms) expect(form).to.agreeWith(right, { bound: 0 });
  });

  it('float16 tensors are widened, and compared with what float16 can hold', () => {
    const halves = new ort.Tensor('float16', Uint16Array.of(0x3c00, 0x4000, 0xc200), [1, 3]);
    const one = { data: Float64Array.of(1.0002, 2, -3), shape: [1, 3] };
    expect(halves).to.agreeWith(one, { bound: 2.1e-4 });
    const act = relu('relu');
    expect(halves).to.agreeWith(oracleOf(act, [{ data: Float32Array.of(1, 2, -3), shape: [1, 3] }]), {
      rtol: 0,
      atol: 3,
    });
  });

  it('NaN never agrees, not with NaN and not where the bound is infinite; equal infinities do', () => {
    const [nan, inf] = [floats([Number.NaN], [1]), floats([Number.POSITIVE_INFINITY], [1])];
    for (const bound of [0, 1, Number.POSITIVE_INFINITY]) {
      expect(nan).not.to.agreeWith(nan, { bound });
      expect(nan).not.to.agreeWith(floats([1], [1]), { bound });
      expect(floats([1], [1])).not.to.agreeWith(nan, { bound });
    }
    expect(inf).to.agreeWith(inf, { bound: 0 });
    expect(inf).not.to.agreeWith(floats([Number.NEGATIVE_INFINITY], [1]), { bound: 1 });
    expect(floats([-0], [1])).to.agreeWith(floats([0], [1]), { bound: 0 });
  });

  it('shapes and types that differ are named, and nothing compared does not agree', () => {
    const a = floats([1, 2], [1, 2]);
    expect(disagreement(a, floats([1, 2], [2, 1]), { bound: 1 })).to.match(
      /shapes.*\[1, 2\] instead of \[2, 1\]/,
    );
    const doubles = { data: Float64Array.of(1, 2), shape: [1, 2] };
    expect(disagreement(doubles, a, { bound: 1 })).to.match(/types.*float64 instead of float32/);
    expect(disagreement(a, doubles, { bound: 0 })).to.equal(null);
    expect(disagreement({ data: Int32Array.of(1, 2), shape: [1, 2] }, doubles, { bound: 0 })).to.match(
      /int32/,
    );
    expect(disagreement(floats([], [0, 2]), floats([], [0, 2]), { bound: 1 })).to.match(
      /Nothing was compared/,
    );
  });

  it('integers agree only exactly, 64-bit ones beyond 2⁵³ too', () => {
    const long = (value: bigint): TensorLike => ({ data: BigInt64Array.of(value), shape: [1] });
    expect(long(2n ** 60n)).to.agreeWith(long(2n ** 60n));
    expect(long(2n ** 60n + 1n)).not.to.agreeWith(long(2n ** 60n));
  });

  const misuse: readonly (readonly [string, () => unknown, RegExp])[] = [
    ['no tolerance', () => disagreement(right, right), /how far may they be apart/],
    ['a bound and atol', () => disagreement(right, right, { bound: 1, atol: 1 }), /neither atol nor rtol/],
    ['a bound of another size', () => disagreement(right, right, { bound: [1] }), /bound has 1 values/],
    [
      'what is not a tensor',
      () => disagreement({ data: 'abc' }, right, { bound: 1 }),
      /actual is not a tensor/,
    ],
    ['too few values', () => disagreement(floats([1], [2]), right, { bound: 1 }), /needs 2 values, it has 1/],
    [
      'data on a GPU',
      () => disagreement({ data: null, dims: [1], location: 'gpu-buffer' }, right, { bound: 1 }),
      /gpu-buffer: await tensor\.getData/,
    ],
    [
      'inputs of another shape',
      () =>
        disagreement(floats([1, 2], [1, 2]), floats([1, 2], [1, 2]), { layer: relu('relu'), inputs: [x] }),
      /relu gives \[1,4,9,8\]/,
    ],
  ];
  for (const [what, call, message] of misuse) {
    it(`${what}: an InputError, whether negated or not`, () => {
      expect(call).to.throw(InputError, message);
    });
  }

  it('the running sum of LRN in onnxruntime has its own bound', () => {
    const norm = lrn('norm', { size: 5, alpha: 1e-4, beta: 0.75, k: 1, divide: true, groups: 1 });
    const y = runLayer(norm, [x], new Map(), 'float32');
    expect(y).to.agreeWith(oracleOf(norm, [x]));
    expect(y).to.agreeWith(oracleOf(norm, [x], new Map(), { runningSum: true }));
  });
});
