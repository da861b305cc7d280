import { expect } from 'chai';
import { classes } from '../../../lib/bounds/arithmetic.ts';
import type { Judged } from '../../../lib/bounds/bounds.ts';
import { lossBounds } from '../../../lib/bounds/loss.ts';
import { NORMWISE } from '../../../lib/bounds/normwise.ts';
import { judgedGradients } from '../../../lib/bounds/operations.ts';
import { judge } from '../../../lib/judge/judge.ts';
import { verify } from '../../../lib/verify/index.ts';
import type { Layer } from '../../../reference/networks/layers.ts';
import { dense, type Tensor, tensor } from '../../../reference/tensor.ts';
import { random } from '../../support/models.ts';
import { fourier, winograd } from '../../support/transforms.ts';

async function refusal(run: () => Promise<unknown>): Promise<string> {
  try {
    await run();
  } catch (error) {
    return (error as Error).message;
  }
  return 'nothing was refused';
}

const context = {
  device: 'cpu',
  operands: classes.float32,
  half: false,
  runningSum: false,
} as const;

type Lrn = Layer & { kind: 'lrn' };

/** Every operation of export/emit/normalise.ts's backward form in float32; s^β as √s·√√s, as there. */
function lrnInFloat32(x: Tensor, dy: Tensor, { attributes }: Lrn): Float32Array {
  const { size, alpha, k } = attributes;
  const f = Math.fround;
  const [N, C, H, W] = x.shape;
  const HW = H * W;
  const [X, DY] = [dense(x), dense(dy)];
  const mean = (V: ArrayLike<number>, i: number): number => {
    const c = Math.floor(i / HW) % C;
    const half = Math.floor(size / 2);
    let sum = 0;
    for (let j = Math.max(0, c - half); j <= Math.min(C - 1, c + half); j++)
      sum = f(sum + V[i + (j - c) * HW]);
    return f(sum / size);
  };
  const squares = Float32Array.from(X, (v) => f(v * v));
  const s = Float32Array.from(X, (_, i) => f(f(mean(squares, i) * f(alpha * size)) + f(k)));
  const power = s.map((v) => f(f(Math.sqrt(v)) * f(Math.sqrt(f(Math.sqrt(v))))));
  const t = Float32Array.from(DY, (d, i) => f(d / power[i]));
  const v = Float32Array.from(t, (d, i) => f(f(d * X[i]) / s[i]));
  const factor = f(2 * alpha * size * 0.75);
  return new Float32Array(N * C * HW).map((_, i) => f(t[i] - f(f(mean(v, i) * factor) * X[i])));
}

/** dx of a layer without weights. */
function gradientOf(layer: Layer, { x, y, dy }: { x: Tensor; y: Tensor; dy: Tensor }): Judged {
  const pass = { inputs: [x], weights: new Map(), y, dy, wanted: { dx: true } };
  return judgedGradients(layer, pass, context)[0]!;
}

describe('verify --graph: bounds', () => {
  it("LRN's hold for a float32 composition where both terms cancel, and are no looser than 100 times its error", () => {
    const layer: Lrn = {
      kind: 'lrn',
      name: 'norm',
      attributes: { size: 5, alpha: 0.5, beta: 0.75, k: 1, divide: false, even: 'above', groups: 1 },
    };
    const [x, dy] = [random([2, 7, 9, 8], 3, 2), random([2, 7, 9, 8], 4)];
    const { exact, bounds } = gradientOf(layer, { x, y: x, dy });
    const got = lrnInFloat32(x, dy, layer);
    const ratios = got.map((v, i) => Math.abs(v - dense(exact)[i]) / bounds.bound[i]);
    const largest = ratios.reduce((a, b) => Math.max(a, b), 0);
    expect(largest).to.be.within(0.01, 1);
  });

  it('a ReLU that lets a gradient through where y is 0 is beyond any bound', () => {
    const y = tensor(Float32Array.of(0, 1, 0), [1, 3]);
    const dy = tensor(Float32Array.of(1, 2, 3), [1, 3]);
    const { exact, bounds } = gradientOf({ kind: 'relu', name: 'relu' }, { x: y, y, dy });
    expect([...dense(exact)]).to.deep.equal([0, 2, 0]);
    expect([...bounds.bound]).to.deep.equal([0, 0, 0]);
  });

  it('the loss of even logits is log K, its gradient (1/K − onehot)/N, within roundings', () => {
    const logits = tensor(new Float32Array(8), [2, 4]);
    const { loss, dlogits } = lossBounds(logits, [0, 3], -0.5, 'cpu');
    expect(dense(loss.exact)[0]).to.be.closeTo(Math.log(4), 1e-15);
    expect(loss.bounds.bound[0]).to.be.within(2 ** -24, 40 * 2 ** -24);
    const wanted = [-0.75, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, -0.75].map((v) => (v * -0.5) / 2);
    expect([...dense(dlogits.exact)]).to.deep.equal(wanted);
    expect(Math.max(...dlogits.bounds.bound)).to.be.below(40 * 2 ** -24);
  });
});

describe('verify --graph: values too small to be told from 0', () => {
  it('a device that has 0 for gradients of 1e-87 is untested, one that has 0 for gradients of 1e-30 is wrong', () => {
    const verdictFor = (logit: number) => {
      const logits = tensor(Float32Array.of(logit, 0, -1, logit, 0, -1), [2, 3]);
      const { dlogits } = lossBounds(logits, [0, 0], 1, 'cpu');
      return judge(tensor(new Float32Array(6), [2, 3]), dlogits, classes.float32).verdict;
    };
    expect(verdictFor(200)).to.equal('untested');
    expect(verdictFor(69)).to.equal('fail');
  });
});

type Conv2d = Layer & { kind: 'conv2d' };
const convolution = (side: 3 | 5): Conv2d => {
  const p = (side - 1) / 2;
  const attributes = { stride: [1, 1], pad: [p, p, p, p], dilation: [1, 1], groups: 1 } as const;
  return { kind: 'conv2d', name: 'c', channels: 6, kernel: [side, side], attributes };
};

/** t's axes 0 and 1 exchanged; each map turned by 180° where `turn`. */
function exchanged(t: Tensor, turn: boolean): Tensor {
  const [A, B, R, S] = t.shape;
  const values = dense(t);
  const moved = new Float32Array(values.length);
  for (let i = 0; i < moved.length; i++) {
    const [b, a, tap] = [Math.floor(i / (A * R * S)), Math.floor(i / (R * S)) % A, i % (R * S)];
    moved[i] = values[(a * B + b) * R * S + (turn ? R * S - 1 - tap : tap)];
  }
  return tensor(moved, [B, A, R, S]);
}

describe('verify --graph: gradients of convolutions by transforms', () => {
  const sparse = (t: Tensor): Tensor =>
    tensor(
      Float32Array.from(dense(t), (v, i) => v * (i % 121 === 60 ? 1e5 : 1e-3)),
      t.shape,
    );
  const judged = (
    layer: Conv2d,
    part: 'dx' | 'dw',
    [dy, x, w]: readonly Tensor[],
    got: Tensor,
    device: 'cpu' | 'cuda',
  ) => {
    const pass = { inputs: [x], weights: new Map([['c.weight', w]]), y: dy, dy, wanted: { dx: true } };
    const [dx, dw] = judgedGradients(layer, pass, { ...context, device });
    return judge(got, (part === 'dx' ? dx : dw)!, classes.float32);
  };

  it("a kernel's dx by Winograd is not a sum of products: a fault on the CPU, named on CUDA; scaled by 1.01 a fault on both", () => {
    const layer = convolution(3);
    const [dy, x, w] = [
      sparse(random([1, 6, 11, 11], 1)),
      random([1, 5, 11, 11], 2),
      random([6, 5, 3, 3], 3),
    ];
    const got = winograd(dy, exchanged(w, true), tensor(new Float32Array(5), [5]), 1);
    expect(judged(layer, 'dx', [dy, x, w], got, 'cpu').verdict).to.equal('fail');
    const on = judged(layer, 'dx', [dy, x, w], got, 'cuda');
    expect([on.verdict, on.named]).to.deep.equal(['suspicious', NORMWISE]);
    const wrong = tensor(
      Float32Array.from(dense(got), (v) => v * 1.01),
      got.shape,
    );
    expect(judged(layer, 'dx', [dy, x, w], wrong, 'cuda').verdict).to.equal('fail');
  });

  it("a kernel's dw is a product of matrices: by Fourier transforms it is a fault on both", () => {
    const layer = convolution(5);
    const [dy, x, w] = [
      random([1, 6, 11, 11], 1),
      sparse(random([1, 5, 11, 11], 2)),
      random([6, 5, 5, 5], 3),
    ];
    const bias = tensor(new Float32Array(6), [6]);
    // image c of x's channels, kernels dy: (5,6,5,5), one channel at a time as the helper takes one image
    const maps = Array.from({ length: 5 }, (_, c) =>
      dense(
        fourier(
          tensor(dense(x).slice(c * 121, (c + 1) * 121), [1, 1, 11, 11]),
          exchanged(dy, false),
          bias,
          2,
        ),
      ),
    );
    const swapped = tensor(Float32Array.from(maps.flatMap((m) => [...m])), [5, 6, 5, 5]);
    const got = exchanged(swapped, false);
    expect(judged(layer, 'dw', [dy, x, w], got, 'cpu').verdict).to.equal('fail');
    expect(judged(layer, 'dw', [dy, x, w], got, 'cuda').verdict).to.equal('fail');
  });
});

describe('verify --graph: options', () => {
  it('options that do not go together are refused, by name', async () => {
    const cases = [
      [{ labels: [1] }, /--labels needs --graph/],
      [{ graph: 'gradients', steps: 2 }, /--steps needs --graph training/],
      [{ graph: 'gradients', learningRate: 1 }, /--learning-rate needs --graph training/],
      [{ graph: 'gradients', lrn: 'native' }, /--graph gradients and --lrn/],
      [{ graph: 'training', learningRate: 0 }, /--learning-rate must be above 0/],
      [{ graph: 'training', momentum: 1 }, /--momentum must be/],
      [{ graph: 'training', weightDecay: -1 }, /--weight-decay must be/],
    ] as const;
    for (const [options, message] of cases)
      expect(
        await refusal(() => verify({ network: 'cifar-alexnet', device: 'cpu', ...options } as never)),
      ).to.match(message);
  });
});
