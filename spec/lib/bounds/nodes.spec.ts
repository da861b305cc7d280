/** Bounds of the nodes of any graph against docs/error-bounds.md, worked out by hand. */
import { expect } from 'chai';
import type { Value } from '../../../lib/array/value.ts';
import { arithmetic, classes } from '../../../lib/bounds/arithmetic.ts';
import type { Judged, Told } from '../../../lib/bounds/bounds.ts';
import { drawnDropout } from '../../../lib/bounds/elementwise.ts';
import { judgedNode } from '../../../lib/bounds/nodes.ts';
import type { Device } from '../../../lib/runtime/failures.ts';
import { g, near, SECOND_ORDER, t, u } from '../../support/hand.ts';
import { type AttributeValue, bool, f32, i64, open, single } from '../../support/onnx.ts';

/** What is known of a single node's output on a device. */
async function known(
  op: string,
  inputs: readonly Value[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
  device: Device = 'cpu',
  y?: Value,
): Promise<Judged | Told> {
  const { bytes, feeds } = single(op, inputs, attributes, { types: [y?.dtype ?? 'float32'] });
  const model = await open(bytes);
  const values = new Map([...feeds, ...(y ? [['y0', y] as const] : [])]);
  const call = { model, node: model.graph.nodes[0], values, device, operands: classes.float32 };
  return judgedNode(call, ['y0'])[0];
}
const limits = async (...call: Parameters<typeof known>) => [
  ...((await known(...call)) as Judged).bounds.bound,
];
const half = (...values: number[]): Value => ({ ...f32(values), dtype: 'float16' });

describe('bounds by hand: nodes', () => {
  it('what moves or selects is exact', async () => {
    for (const op of ['Relu', 'Neg', 'Abs', 'Identity'])
      expect(await limits(op, [f32([1, -2])]), op).to.deep.equal([0, 0]);
    expect(await limits('Relu', [f32([1, -2])], {}, 'webgpu')).to.deep.equal([2 ** -126, 2 ** -126]);
  });

  it('one product, sum or difference: one rounding; a quotient by its licence', async () => {
    const pair = [f32([3, 5]), f32([2, -4])];
    near(await limits('Add', pair), [5 * u, 1 * u]);
    near(await limits('Sub', pair), [1 * u, 9 * u]);
    near(await limits('Mul', pair), [6 * u, 20 * u]);
    near(await limits('Div', pair), [1.5 * u, 1.25 * u]);
    near(await limits('Div', pair, {}, 'cuda'), [1.5 * 4 * u, 1.25 * 4 * u]);
    near(await limits('Reciprocal', [f32([2, -4])], {}, 'webgpu'), [0.5 * 5 * u, 0.25 * 5 * u]);
    near(await limits('Mul', [f32([0]), f32([1])]), [2 ** -150]);
    near(await limits('Mul', [f32([0]), f32([1])], {}, 'webgpu'), [2 ** -125]);
    expect(await limits('Div', [f32([1]), f32([0])])).to.deep.equal([0]);
  });

  it('functions by their licences: exponential and its last rounding, logarithm, power, root, tanh, logistic', async () => {
    const on = async (device: Device) =>
      Promise.all(
        ['Exp', 'Log', 'Sqrt', 'Tanh', 'Sigmoid'].map(
          async (op) => (await limits(op, [f32([4])], {}, device))[0] / u,
        ),
      );
    const [e, log, tanh, sigmoid] = [Math.exp(4), Math.log(4), Math.tanh(4), 1 / (1 + Math.exp(-4))];
    near(await on('cpu'), [9 * e, 8 * log, 2 * 1, 16 * tanh, 16 * (sigmoid + 1)]);
    near(await on('cuda'), [5 * e, 2 * log, 2 * 4, 4 * tanh, 4 * (sigmoid + 1)]);
    // exp 2·(3 + 2·4) = 22, log 6 units; tanh's 10u absolute
    near(await on('webgpu'), [23 * e, 6 * log, 2 * 9, 64 * tanh + 10, 64 * (sigmoid + 1)]);
    near(await limits('Pow', [f32([3]), f32([2])]), [9 * 48 * u]);
    near(await limits('Pow', [f32([3]), f32([2])], {}, 'cuda'), [9 * 8 * u]);
  });

  it('sums of n terms: γ_{n+1}, of squares γ_{n+2}, averages γ_{n+4+d}', async () => {
    const x = f32([1, -2, 3, -4], [1, 1, 2, 2]);
    near(await limits('ReduceSum', [x, i64([2, 3])]), [10 * g(5)]);
    near(await limits('ReduceSumSquare', [x], { axes: [2, 3] }), [30 * g(6)]);
    for (const [op, attributes] of [
      ['ReduceMean', { axes: [2, 3] }],
      ['GlobalAveragePool', {}],
    ] as const) {
      near(await limits(op, [x], attributes), [2.5 * g(9)], op);
      near(await limits(op, [x], attributes, 'cuda'), [2.5 * g(12)], op);
    }
    near(await limits('Sum', [f32([1]), f32([-2]), f32([3])]), [6 * g(4)]);
    near(await limits('Mean', [f32([1]), f32([-2]), f32([3])]), [2 * g(8)]);
    near(await limits('Sum', [f32([0]), f32([0])], {}, 'webgpu'), [2 * 2 ** -125]);
    expect(await limits('Sum', [f32([1.8e38]), f32([-1.8e38])])).to.deep.equal([Infinity]);
  });

  it('MatMul has six roundings more, Gemm two', async () => {
    const [a, b] = [f32([1, 2, 3, 4, 5, 6], [2, 3]), f32([1, -1, 2], [3, 1])];
    // Σ|a·b| = 1 + 2 + 6, 4 + 5 + 12
    near(
      await limits('MatMul', [a, b]),
      [9, 21].map((m) => m * (g(10) + 10 * 2 ** -53)),
    );
    const c = f32([0.5, -0.5], [2, 1]);
    const gemm = { alpha: { float: 2 }, transA: 0 };
    near(
      await limits('Gemm', [f32([1, 2, 3, 4], [2, 2]), f32([1, -1], [2, 1]), c], gemm),
      [6.5, 14.5].map((m) => m * (g(5) + 5 * 2 ** -53)),
    );
  });

  it('batch normalisation: γ of seven roundings, a root and a division', async () => {
    const one = (v: number) => f32([v], [1]);
    const inputs = [f32([3], [1, 1, 1, 1]), one(-2), one(5), one(1), one(4)];
    // scale·(|x| + |mean|)/√var + |B| = 2·4/2 + 5; ε = 0
    const wanted = { cpu: 9 * g(9), cuda: 9 * g(15), webgpu: 9 * g(21) };
    for (const [device, limit] of Object.entries(wanted))
      near(
        await limits('BatchNormalization', inputs, { epsilon: { float: 0 } }, device as Device),
        [limit],
        device,
      );
  });

  it('log-softmax: softmax’s relative error made absolute, the logarithm’s, one rounding each of z, m + L and y', async () => {
    const [p, q] = [1 / (1 + Math.exp(-1)), 1 / (1 + Math.exp(1))];
    const L = Math.log1p(Math.exp(-1));
    const found = await limits('LogSoftmax', [f32([1, 0], [1, 2])]);
    const relative = p * 8 + q * 9 + 2;
    expect(found[0] / u).to.be.closeTo(relative + 8 * L + 0 + 1 + L + L, SECOND_ORDER);
    expect(found[1] / u).to.be.closeTo(relative + 8 * L + 1 + 1 + L + (1 + L), SECOND_ORDER);
    // x as float16: no y moves by more than twice the largest x does
    const halves = await limits('LogSoftmax', [{ ...f32([1, 0], [1, 2]), dtype: 'float16' }]);
    const step = 2 ** -11 + 2 ** -25;
    near(halves, [
      found[0] + 2 * step + L * 2 ** -11 + 2 ** -25,
      found[1] + 2 * step + (1 + L) * 2 ** -11 + 2 ** -25,
    ]);
  });

  it('integers must be equal', async () => {
    const told = async (device: Value, x = f32([1, 5, 3, 9, 2, 4], [2, 3])) =>
      known('ArgMax', [x], { axis: 1 }, 'cpu', device);
    expect(await told(i64([1, 0], [2, 1]))).to.deep.equal({ verdict: 'pass', reason: '' });
    const differ = '1 of 2 values differ';
    expect(await told(i64([1, 2], [2, 1]))).to.deep.equal({ verdict: 'fail', reason: differ });
    expect(await told(i64([1, 0], [2]))).to.deep.equal({
      verdict: 'fail',
      reason: 'shape [2] on the device, [2,1] in the oracle',
    });
    // of what is stored as float16 the kernel may have seen more
    const halves = { ...f32([1, 5, 3, 9, 2, 4], [2, 3]), dtype: 'float16' } as const;
    expect(await told(i64([1, 0], [2, 1]), halves)).to.deep.equal({ verdict: 'pass', reason: '' });
    expect(await told(i64([1, 2], [2, 1]), halves)).to.deep.equal({
      verdict: 'untested',
      reason: `${differ}: they hang on bits that float16 does not show`,
    });
  });

  it('an operator without a bound is not judged', async () => {
    expect(await known('ReduceL2', [f32([1])])).to.deep.equal({
      verdict: 'untested',
      reason: 'no bound is known for ReduceL2: not judged',
    });
  });

  it('the largest number is that of the type', async () => {
    const most = async (dtype: 'float32' | 'float64' | 'float16') => {
      const x: Value = { ...f32([1]), dtype, data: Float64Array.of(1) };
      return ((await known('Neg', [x], {}, 'cpu', { ...x })) as Judged).bounds.most;
    };
    expect([await most('float32'), await most('float64'), await most('float16')]).to.deep.equal([
      3.4028234663852886e38,
      Number.MAX_VALUE,
      65504,
    ]);
  });

  it('negative factors of Gemm, powers of negative numbers and transposed convolutions', async () => {
    const [a, b, c] = [f32([1, 2, 3, 4], [2, 2]), f32([1, -1], [2, 1]), f32([0.5, -0.5], [2, 1])];
    // |α|·Σ|a·b| + |β·c| = 2·3 + 3·½, 2·7 + 3·½
    near(
      await limits('Gemm', [a, b, c], { alpha: { float: -2 }, beta: { float: -3 } }),
      [7.5, 15.5].map((m) => m * (g(5) + 5 * 2 ** -53)),
    );
    // pow(2, e) with e = log₂ 27
    const e = Math.log2(27);
    near(await limits('Pow', [f32([-3]), f32([3])], {}, 'webgpu'), [
      27 * 2 * (3 + 2 * e + (3 + 8 * e) * e) * u,
    ]);
    // 2 channels and a kernel of 1×3 at most: γ_{6+1}; each of the outer values from one tap alone
    const kernel = f32([1, 2, 3, 4, 5, 6], [2, 1, 1, 3]);
    near(
      await limits('ConvTranspose', [f32([1, -1], [1, 2, 1, 1]), kernel]),
      [5, 7, 9].map((m) => m * (g(7) + 7 * 2 ** -53)),
    );
  });
});

describe('bounds by hand: nodes that read float16', () => {
  const h = (v: number) => 2 ** -11 * Math.abs(v) + 2 ** -25;
  const stored = (y: number) => h(y);
  const one = async (op: string, inputs: readonly Value[]) => {
    const y = half(...new Array(inputs[0].data.length).fill(0));
    return (await limits(op, inputs, {}, 'cpu', y))[0];
  };
  const close = (actual: number, wanted: number) => expect(actual / wanted).to.be.closeTo(1, 1e-9);

  it('sums, products and quotients: f(|x| + |δ|) − f(|x|), a divisor the other way', async () => {
    const [a, b] = [half(3), half(-2)];
    close(await one('Add', [a, b]), u + 2 ** -150 + stored(1) + h(3) + h(2));
    close(await one('Sub', [a, b]), 5 * u + stored(5) + h(3) + h(2));
    close(await one('Mul', [a, b]), 6 * u + stored(6) + (3 + h(3)) * (2 + h(2)) - 6);
    close(await one('Div', [a, b]), 1.5 * u + stored(1.5) + (3 + h(3)) / (2 - h(2)) - 1.5);
  });

  it('monotone functions: the larger of |f(x ± δ) − f(x)|', async () => {
    close(
      await one('Exp', [half(2)]),
      (8 + 1) * u * Math.exp(2) + stored(Math.exp(2)) + Math.exp(2 + h(2)) - Math.exp(2),
    );
    close(await one('Sqrt', [half(4)]), 2 * u + stored(2) + 2 - Math.sqrt(4 - h(4)));
  });
});

describe('nodes that are no layers', () => {
  it('float64 and other ranks have the same licences: logistic, tanh, softmax', async () => {
    const double = (...data: number[]): Value => ({
      dtype: 'float64',
      shape: [1],
      data: Float64Array.from(data),
    });
    near(await limits('Sigmoid', [double(4)], {}, 'cuda', double(0)), [4 * u * (1 / (1 + Math.exp(-4)) + 1)]);
    near(await limits('Tanh', [double(4)], {}, 'cuda', double(0)), [4 * u * Math.tanh(4)]);
    const rows = (dtype: 'float32' | 'float16'): Value => ({ ...f32([2, 0], [1, 1, 2]), dtype });
    const [wide, half] = await Promise.all(
      (['float32', 'float16'] as const).map((dtype) =>
        limits('Softmax', [rows(dtype)], {}, 'cpu', rows(dtype)),
      ),
    );
    const p = 1 / (1 + Math.exp(-2));
    const [h, eta] = [2 ** -11, 2 ** -25];
    near([half[0] - wide[0]], [p * Math.expm1(4 * (2 * h + eta)) + p * h + eta]);
  });
});

describe('nodes that draw', () => {
  const flag = (value: boolean): Value => bool([Number(value)], []);
  /** What is known of y and of the mask where nothing but 1.5 was fed, four times. */
  async function drawn(
    ratio: Value | undefined,
    training: Value | undefined,
    y: Value,
    mask?: readonly number[],
  ): Promise<readonly (Judged | Told)[]> {
    const x: Value = { ...y, data: Float32Array.of(1.5, 1.5, 1.5, 1.5) };
    const { bytes, feeds } = single(
      'Dropout',
      [x, ratio, training],
      {},
      { outputs: 2, types: [y.dtype, 'bool'] },
    );
    const model = await open(bytes);
    const values = new Map<string, Value>([
      ...feeds,
      ['y0', y],
      ...(mask ? [['y1', bool(mask)] as const] : []),
    ]);
    const call = {
      model,
      node: model.graph.nodes[0],
      values,
      device: 'cpu',
      operands: classes.float32,
    } as const;
    return judgedNode(call, mask ? ['y0', 'y1'] : ['y0']);
  }
  const exactOf = async (...given: Parameters<typeof drawn>) => [
    ...((await drawn(...given))[0] as Judged).exact.data,
  ];

  it('Dropout draws in training alone, and where its ratio is not 0', async () => {
    const y = f32([0, 3, 0, 3]);
    const same = [1.5, 1.5, 1.5, 1.5];
    expect(await exactOf(f32([0.5], []), flag(true), y)).to.deep.equal([0, 3, 0, 3]);
    expect(await exactOf(undefined, flag(true), y)).to.deep.equal([0, 3, 0, 3]);
    expect(await exactOf(f32([0.5], []), flag(false), y)).to.deep.equal(same);
    expect(await exactOf(f32([0.5], []), undefined, y)).to.deep.equal(same);
    expect(await exactOf(f32([0], []), flag(true), y)).to.deep.equal(same);
  });

  it('y is judged by the mask and the ratio, the mask by its rate', async () => {
    const y = f32([0, 2, 2, 2]);
    const [judged, rate] = await drawn(f32([0.25], []), flag(true), y, [0, 1, 1, 1]);
    expect([...(judged as Judged).exact.data]).to.deep.equal([0, 2, 2, 2]);
    near([...(judged as Judged).bounds.bound].slice(1), [2 * g(3), 2 * g(3), 2 * g(3)]);
    expect(rate).to.deep.equal({ verdict: 'pass', reason: '' });
    // four of four dropped at a ratio of 0.001: 2·10⁻¹²
    const wrong = await drawn(f32([0.001], []), flag(true), f32([0, 0, 0, 0]), [0, 0, 0, 0]);
    const told = { verdict: 'fail', reason: `4 of 4 values dropped, at a ratio of ${Math.fround(0.001)}` };
    expect(wrong).to.deep.equal([told, told]);
  });

  it('float16: one rounding more of y, and that of x over 1 − p', async () => {
    const y = half(0, 2, 2, 2);
    const [judged] = await drawn(f32([0.25], []), flag(true), y, [0, 1, 1, 1]);
    const h = (v: number) => 2 ** -11 * v + 2 ** -25;
    near([(judged as Judged).bounds.bound[1]], [2 * g(3) + h(2) + h(1.5) / 0.75]);
  });

  it('numbers that a device draws are untested; their type and shape are known', async () => {
    const random = (y: Value) => known('RandomNormalLike', [f32([1, 2])], {}, 'cpu', y);
    expect(await random(f32([5, 6]))).to.deep.equal({ verdict: 'untested', reason: 'random' });
    expect(await random(f32([5, 6, 7]))).to.deep.equal({
      verdict: 'fail',
      reason: 'float32 [3] on the device, float32 [2] in the oracle',
    });
  });
});

describe('dropout that draws its own mask', () => {
  const rate = (n: number, dropped: number, ratio = 0.5) => {
    const x = t([n], ...new Array(n).fill(2));
    const mask = new Uint8Array(n).map((_, i) => Number(i >= dropped));
    const y = t([n], ...Array.from(mask, (m) => (m ? 2 / (1 - ratio) : 0)));
    return drawnDropout(x, y, mask, ratio, arithmetic.cpu);
  };

  it('2·e^(−n·D) below 10⁻⁶ is a wrong rate', () => {
    // ln(2·10⁶) = 14.509; n·D = 100·(0.24·ln 0.48 + 0.76·ln 1.52) = 14.207 where 24 are dropped, 15.387 where 23 are
    expect(rate(100, 24).rate).to.deep.equal({ verdict: 'pass', reason: '' });
    expect(rate(100, 23).rate).to.deep.equal({
      verdict: 'fail',
      reason: '23 of 100 values dropped, at a ratio of 0.5',
    });
    expect(rate(100, 76).rate.verdict).to.equal('pass');
    expect(rate(100, 77).rate.verdict).to.equal('fail');
  });

  it('y is 0 or x/(1 − p), three roundings', () => {
    const { judged } = rate(4, 1, 0.25);
    near(judged.exact.data, [0, 8 / 3, 8 / 3, 8 / 3]);
    near([...judged.bounds.bound].slice(1), new Array(3).fill((8 / 3) * g(3)));
  });

  it('without a mask what is not 0 was kept, and what may be 0 by underflow is not counted', () => {
    const x = t([4], 1, 2 ** -21, 1, 0);
    const { judged, rate: told } = drawnDropout(x, t([4], 0, 0, 2, 0), undefined, 0.5, arithmetic.cpu);
    expect([...judged.exact.data]).to.deep.equal([0, 0, 2, 0]);
    expect(told.verdict).to.equal('pass');
    const none = t([30], ...new Array(30).fill(1));
    expect(
      drawnDropout(none, t([30], ...new Array(30).fill(0)), undefined, 0.5, arithmetic.cpu).rate.reason,
    ).to.equal('30 of 30 values dropped, at a ratio of 0.5');
  });
});
