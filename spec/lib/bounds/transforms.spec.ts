/** Convolutions by Winograd's and Fourier's transform, evaluated in float32, keep the norm-wise bound. */
import { expect } from 'chai';
import { classes } from '../../../lib/bounds/arithmetic.ts';
import type { BoundsContext } from '../../../lib/bounds/bounds.ts';
import { KAPPA, NORMWISE } from '../../../lib/bounds/normwise.ts';
import type { Comparison } from '../../../lib/judge/judge.ts';
import type { Layer } from '../../../reference/networks/layers.ts';
import { normals } from '../../../reference/random.ts';
import { dense, type Tensor, tensor } from '../../../reference/tensor.ts';
import { roundTo } from '../../support/float32.ts';
import { judgeLayer } from '../../support/judge-layer.ts';
import { AT, BT, fourier, G, winograd } from '../../support/transforms.ts';

const [C, K, EXTENT] = [8, 4, 13];

const conv = (kernel: 3 | 5, stride = 1): Layer => {
  const p = (kernel - 1) / 2;
  const attributes = { stride: [stride, stride], pad: [p, p, p, p], dilation: [1, 1], groups: 1 } as const;
  return { name: 'c', kind: 'conv2d', channels: K, kernel: [kernel, kernel], attributes };
};

const context = (device: BoundsContext['device']): BoundsContext => ({
  device,
  operands: classes.float32,
  half: false,
  runningSum: false,
});

interface Case {
  readonly x: Tensor;
  readonly w: Tensor;
  readonly b: Tensor;
}

/** What x looks like; behind a ReLU windows of small values lie beside large ones. */
const regimes: Record<string, (v: number, i: number) => number> = {
  ordinary: (v) => v,
  'one large pixel among small ones': (v, i) => (i % 169 === 84 ? 1e4 * v : 1e-3 * v),
  'sparse, as behind ReLU': (v, i) => (v > 1 && i % 13 < 6 ? 100 * v : 0),
  huge: (v) => 1e12 * v,
};

function makeCase(seed: number, kernel: number, regime: (v: number, i: number) => number): Case {
  const draw = (stream: number, count: number) => Float32Array.from(normals(seed, stream, count));
  return {
    x: tensor(draw(1, C * EXTENT * EXTENT).map(regime), [1, C, EXTENT, EXTENT]),
    w: tensor(draw(2, K * C * kernel * kernel), [K, C, kernel, kernel]),
    b: tensor(draw(3, K), [K]),
  };
}

const judge = (layer: Layer, { x, w, b }: Case, y: Tensor, device: BoundsContext['device']): Comparison =>
  judgeLayer(
    layer,
    [x],
    y,
    new Map([
      ['c.weight', w],
      ['c.bias', b],
    ]),
    context(device),
  );

describe('the norm-wise tier: convolutions by Winograd and FFT', () => {
  it('κ is the largest spectral norm of |Aᵀ||G||Bᵀ|, squared', () => {
    // power iteration on MᵀM for each output's M[r][u] = Σ_e |Aᵀ[o][e]·G[e][r]·Bᵀ[e][u]|
    const norms = AT.map((row) => {
      const M = [0, 1, 2].map((r) =>
        BT[0].map((_, u) => row.reduce((sum, a, e) => sum + Math.abs(a * G[e][r] * BT[e][u]), 0)),
      );
      let v = BT[0].map(() => 1);
      let norm = 0;
      for (let step = 0; step < 50; step++) {
        const Mv = M.map((m) => m.reduce((sum, value, u) => sum + value * v[u], 0));
        const next = v.map((_, u) => M.reduce((sum, m, r) => sum + m[u] * Mv[r], 0));
        const length = Math.hypot(...next);
        norm = Math.sqrt(length / Math.hypot(...v));
        v = next.map((value) => value / length);
      }
      return norm;
    });
    expect(Math.max(...norms) ** 2).to.be.within(0.99 * KAPPA, KAPPA);
  });

  for (const [name, regime] of Object.entries(regimes)) {
    it(`no right one fails on CUDA: ${name}`, () => {
      for (let seed = 0; seed < 12; seed++) {
        const three = makeCase(seed, 3, regime);
        const five = makeCase(seed, 5, regime);
        const found = [
          judge(conv(3), three, winograd(three.x, three.w, three.b, 1), 'cuda'),
          judge(conv(3), three, fourier(three.x, three.w, three.b, 1), 'cuda'),
          judge(conv(5), five, fourier(five.x, five.w, five.b, 2), 'cuda'),
        ];
        for (const one of found) {
          expect(one.verdict, `seed ${seed}: ${one.reason}`).to.not.equal('fail');
          if (one.verdict === 'suspicious' && one.named) expect(one.reason).to.include(NORMWISE);
        }
      }
    });
  }

  it('it is named where it was applied, and applied on CUDA at stride 1 alone', () => {
    const c = makeCase(1, 3, regimes['one large pixel among small ones']);
    const y = winograd(c.x, c.w, c.b, 1);
    expect(judge(conv(3), c, y, 'cuda')).to.include({ verdict: 'suspicious', named: NORMWISE });
    expect(judge(conv(3), c, y, 'cpu')).to.include({ verdict: 'fail', named: null });
    const every = tensor(
      dense(y).filter((_, i) => (i % 13) % 2 === 0 && Math.floor((i % 169) / 13) % 2 === 0),
      [1, K, 7, 7],
    );
    expect(judge(conv(3, 2), c, every, 'cuda').verdict).to.equal('fail');
  });

  it('TF32 operands and a wrong weight fail through it', () => {
    for (const regime of Object.values(regimes)) {
      const c = makeCase(2, 3, regime);
      expect(judge(conv(3), c, winograd(c.x, c.w, c.b, 1, roundTo(11)), 'cuda').verdict).to.equal('fail');
      const w = tensor(Float32Array.from(dense(c.w)), c.w.shape);
      w.data[4] = -w.data[4];
      expect(judge(conv(3), c, winograd(c.x, w, c.b, 1), 'cuda').verdict).to.equal('fail');
    }
  });
});
