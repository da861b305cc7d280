/** The exercises: a stub, a right solution written otherwise than ours, ours, and what people get wrong. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { check } from '../exercises/check.ts';
import { exercises, type Solution } from '../exercises/steps.ts';
import { dense, type Shape, sizeOf, type Tensor, tensor, zeros } from '../reference/tensor.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const load = (path: string): Promise<Partial<Solution>> => import(`${root}/${path}`);

type Given = { [name: string]: never } & {
  kernel: number[];
  stride: number[];
  pad: number[];
  dilation: number[];
  groups: number;
};

/** Solutions by other ways than ours. `Options` plant what people get wrong. */
const relu = (passes: (y: number, dy: number) => boolean = (y) => y > 0) => ({
  forward: ([x]: Tensor[]) => tensor(dense(x).map((v) => Math.max(v, 0)) as Float64Array, x.shape),
  backward: (dy: Tensor, _: unknown, y: Tensor) => {
    const [Y, DY] = [dense(y), dense(dy)];
    return [
      tensor(
        new Float64Array(DY).map((d, i) => (passes(Y[i], d) ? d : 0)),
        y.shape,
      ),
    ];
  },
});

/** Each pixel asks every window whether it is its maximum. */
function maxpool({ lowest = -Infinity, add = true, last = false } = {}) {
  const windows = (
    x: Tensor,
    { kernel, stride, pad }: Given,
    visit: (map: number, at: number[]) => void,
    [, , P, Q]: Shape,
  ) => {
    const [N, C, H, W] = x.shape;
    for (let map = 0; map < N * C; map++)
      for (let i = 0; i < P * Q; i++) {
        const at: number[] = [];
        for (let t = 0; t < kernel[0] * kernel[1]; t++) {
          const h = Math.floor(i / Q) * stride[0] - pad[0] + Math.floor(t / kernel[1]);
          const w = (i % Q) * stride[1] - pad[1] + (t % kernel[1]);
          if (h >= 0 && h < H && w >= 0 && w < W) at.push((map * H + h) * W + w);
        }
        visit(map * P * Q + i, at);
      }
  };
  return {
    forward([x]: Tensor[], attributes: Given & { rounding: string }) {
      const round = attributes.rounding === 'floor' ? Math.floor : Math.ceil;
      const { kernel, stride, pad } = attributes;
      const extent = (a: number) => 1 + round((x.shape[2 + a] + pad[a] + pad[2 + a] - kernel[a]) / stride[a]);
      const y = zeros([x.shape[0], x.shape[1], extent(0), extent(1)], 'float64');
      windows(
        x,
        attributes,
        (i, at) => (y.data[i] = Math.max(lowest, ...at.map((j) => dense(x)[j]))),
        y.shape,
      );
      return y;
    },
    backward(dy: Tensor, [x]: Tensor[], y: Tensor, attributes: Given) {
      const dx = zeros(x.shape, 'float64');
      const visit = (i: number, at: number[]) => {
        const winners = at.filter((j) => dense(x)[j] === dense(y)[i]);
        const j = winners[last ? winners.length - 1 : 0];
        dx.data[j] = (add ? dx.data[j] : 0) + dense(dy)[i];
      };
      windows(x, attributes, visit, y.shape);
      return [dx];
    },
  };
}

/** The whole Jacobian ∂y[j]/∂x[c] at each position, times dy. `across`: whether neighbours count. */
const lrn = ({ across = true, towers = true, even = true } = {}) => ({
  backward(
    dy: Tensor,
    [x]: Tensor[],
    _y: unknown,
    a: { size: number; alpha: number; beta: number; k: number; divide: boolean; groups: number },
  ) {
    const [N, C, H, W] = x.shape;
    const [X, DY] = [dense(x), dense(dy)];
    const dx = zeros(x.shape, 'float64');
    const scale = a.divide ? a.alpha / a.size : a.alpha;
    const tower = (c: number) => (towers ? Math.floor(c / (C / a.groups)) : 0);
    // c is read by j where it lies from ⌊(n−1)/2⌋ below to ⌈(n−1)/2⌉ above
    const reads = (j: number, c: number) => {
      const below = Math.floor((a.size - 1) / 2);
      const distance = even ? c - j : j - c;
      return tower(j) === tower(c) && distance >= -below && distance < a.size - below;
    };
    for (let n = 0; n < N; n++)
      for (let p = 0; p < H * W; p++) {
        const at = (c: number) => (n * C + c) * H * W + p;
        for (let j = 0; j < C; j++) {
          let s = a.k;
          const forward = lrnWindow(j, C, a.size).filter((c) => tower(c) === tower(j));
          for (const c of forward) s += scale * X[at(c)] ** 2;
          for (let c = 0; c < C; c++) {
            const own = c === j ? s ** -a.beta : 0;
            const other =
              reads(j, c) && (across || c === j)
                ? -2 * a.beta * scale * X[at(c)] * X[at(j)] * s ** (-a.beta - 1)
                : 0;
            dx.data[at(c)] += DY[at(j)] * (own + other);
          }
        }
      }
    return [dx];
  },
});
const lrnWindow = (j: number, C: number, size: number): number[] =>
  Array.from({ length: size }, (_, i) => j - Math.floor((size - 1) / 2) + i).filter((c) => c >= 0 && c < C);

/** Scatters each pixel into the outputs that read it. */
const conv = ({ grouped = true, flipped = false } = {}) => ({
  forward([x, w, b]: Tensor[], { stride, pad, dilation, groups }: Given) {
    const [N, C, H, W] = x.shape;
    const [K, CG, R, S] = w.shape;
    const extent = (a: number) =>
      1 +
      Math.floor((x.shape[2 + a] + pad[a] + pad[2 + a] - dilation[a] * (w.shape[2 + a] - 1) - 1) / stride[a]);
    const [P, Q] = [extent(0), extent(1)];
    const y = zeros([N, K, P, Q], 'float64');
    for (let i = 0; i < y.data.length; i++) y.data[i] = dense(b)[Math.floor(i / (P * Q)) % K];
    for (let i = 0; i < sizeOf(x.shape); i++) {
      const [n, c] = [Math.floor(i / (C * H * W)), Math.floor(i / (H * W)) % C];
      for (let j = 0; j < sizeOf(w.shape); j++) {
        const [k, r, s] = [Math.floor(j / (CG * R * S)), Math.floor(j / S) % R, j % S];
        const first = grouped ? Math.floor((k * groups) / K) * CG : 0;
        if (first + (Math.floor(j / (R * S)) % CG) !== c) continue;
        const p = ((Math.floor(i / W) % H) + pad[0] - dilation[0] * (flipped ? R - 1 - r : r)) / stride[0];
        const q = ((i % W) + pad[1] - dilation[1] * (flipped ? S - 1 - s : s)) / stride[1];
        if (Number.isInteger(p) && Number.isInteger(q) && p >= 0 && p < P && q >= 0 && q < Q)
          y.data[((n * K + k) * P + p) * Q + q] += dense(x)[i] * dense(w)[j];
      }
    }
    return y;
  },
});

/** Caffe's form, the momentum turned round; or PyTorch's. */
const sgd = (torch = false, sign = -1) => ({
  update: (_: string, w: Float64Array, v: Float64Array, g: Float64Array, c: Record<string, number>) => {
    const e = c.learningRate;
    const gradient = g.map((one, i) => one + c.weightDecay * w[i]);
    const next = v.map((old, i) => c.momentum * old + sign * (torch ? 1 : e) * gradient[i]);
    return { v: next, w: w.map((old, i) => old + (torch ? e : 1) * next[i]) };
  },
});

describe('exercises', () => {
  const right = [relu(), maxpool(), lrn(), conv(), sgd()] as Partial<Solution>[];

  for (const [i, { title, stub, solution }] of exercises.entries()) {
    it(`${i + 1}, ${title}: the stub is told to be one, ours and another right solution are done`, async () => {
      expect(check(i + 1, await load(stub)).line).to.equal(
        `exercise ${i + 1} (${title}): to be written in ${stub}`,
      );
      for (const yours of [await load(solution), right[i]])
        expect(check(i + 1, yours)).to.include({ done: true });
    });
  }

  const wrong: readonly [number, string, unknown, RegExp][] = [
    [1, 'dy passes where dy is positive', relu((_, dy) => dy > 0), /step 2 of 3 .* dx\[0,/],
    [1, 'dy passes at 0', relu((y) => y >= 0), /step 2 of 3/],
    [2, 'a maximum that begins as 0', maxpool({ lowest: 0 }), /step 2 of 6 .*expected -\d.*, got 0$/],
    [2, 'gradients that do not add up', maxpool({ add: false }), /step 5 of 6/],
    [2, 'the last of equal maxima', maxpool({ last: true }), /step 6 of 6/],
    [
      3,
      'no neighbours',
      lrn({ across: false }),
      /step 2 of 5 .* 1 of its 3 values agree; first dx\[0,0,0,0\]/,
    ],
    [3, 'one tower', lrn({ towers: false }), /step 4 of 5/],
    [3, 'the window and not its mirror image', lrn({ even: false }), /step 5 of 5/],
    [4, 'a kernel turned round', conv({ flipped: true }), /step 2 of 5 .* has the right shape \[1,3,3,3\]/],
    [
      4,
      'every kernel reads the first tower',
      conv({ grouped: false }),
      /step 4 of 5 .* first y\[0,2,0,0\]: expected/,
    ],
    [5, 'up the gradient', sgd(false, 1), /step 1 of 4 .* v has the right shape \[7\], and 0 of its 7/],
    [5, "PyTorch's momentum", sgd(true), /step 1 of 4/],
  ];
  for (const [number, mistake, yours, says] of wrong) {
    it(`${number}, wrong: ${mistake}`, () => {
      const verdict = check(number, yours as Solution);
      expect(verdict.line).to.match(says);
      expect(verdict.line).not.to.include('\n');
      expect(verdict).to.have.property('done', false);
      expect(verdict.hint).to.be.a('string');
    });
  }

  it('what is no tensor, another shape, float32, or an error is said in a line', () => {
    const forward = (f: (x: Tensor) => unknown) => check(1, { forward: ([x]: Tensor[]) => f(x) } as never);
    expect(forward(() => undefined).line).to.match(
      /y should be a tensor of shape \[2,3,2,5\], got undefined$/,
    );
    expect(forward(() => zeros([3], 'float64')).line).to.match(
      /should have the shape \[2,3,2,5\], got \[3\]$/,
    );
    expect(forward((x) => x.shape.at(9)!.toFixed()).line).to.match(/: TypeError: /);
    const rough = {
      backward: (...all: never[]) => (lrn().backward as (...given: never[]) => Tensor[])(...all).map(single),
    };
    expect(check(3, rough as never).hint).to.match(/float32's rounding/);
  });

  it('npm run exercise: exit code 1 and the hint for a file of your own that is wrong', () => {
    const run = (...words: string[]) =>
      spawnSync(process.execPath, ['--import=tsx', 'exercises/run.ts', ...words], {
        cwd: root,
        encoding: 'utf8',
      });
    const { status, stdout } = run('3', 'reference/ops/mapnorm.ts');
    expect(status).to.equal(1);
    expect(stdout).to.match(/^exercise 3 .*\nhint: .*\n$/);
    expect(run('6').status).to.equal(2);
  });
});

const single = (t: Tensor): Tensor => tensor(Float32Array.from(dense(t)), t.shape);
