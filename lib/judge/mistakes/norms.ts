/** Wrong normalisations: across channels (LRN) and within maps. */
import { dense, type Tensor, tensor } from '../../../reference/tensor.ts';
import type { Call } from './tools.ts';
import { each, mutantsOf, transpose } from './tools.ts';

const lrn = mutantsOf('lrn');

// ---- ONNX's node tests let the first seven pass
lrn.attributes('alpha not divided by the window, or divided', ({ divide }) => ({ divide: !divide }));
lrn.attributes('no normalisation: alpha = 0', () => ({ alpha: 0 }));
lrn.attributes('negative alpha', ({ alpha }) => ({ alpha: -alpha }));
lrn.attributes('window too wide', ({ size, alpha }) => ({
  size: size + 2,
  alpha: (alpha * (size + 2)) / size,
}));
lrn.attributes('window too narrow', ({ size, alpha }) =>
  size > 2 ? { size: size - 2, alpha: (alpha * (size - 2)) / size } : {},
);
lrn.attributes('window of one', ({ size, alpha, divide }) => ({
  size: 1,
  alpha: divide ? alpha / size : alpha,
}));
/** The kernel with another axis in the place of the channels. */
const along =
  (order: readonly number[]) =>
  ({ inputs: { x }, attributes }: Call, kernel: (call: Call) => Tensor): Tensor =>
    transpose(
      kernel({ inputs: { x: transpose(x, order) }, attributes: { ...attributes, groups: 1 } }),
      order,
    );
lrn.add('along the height instead of the channels', along([0, 2, 1, 3]));
lrn.add('along the width instead of the channels', along([0, 3, 2, 1]));
lrn.add("along the batch instead of the channels (onnx's reference evaluator)", along([1, 0, 2, 3]));
lrn.attributes('alpha ten times as large', ({ alpha }) => ({ alpha: 10 * alpha }));
lrn.attributes('alpha thirty times as large', ({ alpha }) => ({ alpha: 30 * alpha }));

// ---- others seen in ports of AlexNet
lrn.attributes('alpha divided by the square of the window', ({ alpha, size }) => ({ alpha: alpha / size }));
lrn.attributes('radius for width: a window of 2n + 1', ({ size, alpha, divide }) => ({
  size: 2 * size + 1,
  alpha: divide ? (alpha * (2 * size + 1)) / size : alpha,
}));
lrn.attributes('k = 1 whatever is asked', () => ({ k: 1 }));
lrn.attributes('k = 2 whatever is asked', () => ({ k: 2 }));
lrn.attributes('k left out', () => ({ k: 0 }));
lrn.attributes('k scaled by alpha', ({ k, alpha }) => ({ k: k * alpha }));
lrn.attributes('beta = 0.75 whatever is asked', () => ({ beta: 0.75 }));
lrn.attributes('beta = 0.5: a square root', () => ({ beta: 0.5 }));
lrn.attributes('beta = 1: a division', () => ({ beta: 1 }));
lrn.attributes('the extra channel of an even window on the other side', ({ even }) => ({
  even: even === 'above' ? 'below' : 'above',
}));
lrn.attributes('groups ignored: windows reach across towers', () => ({ groups: 1 }));
lrn.attributes('two groups where there is one', ({ groups }) => ({ groups: groups === 1 ? 2 : 1 }));
lrn.attributes('window grown to the next odd size', ({ size, alpha, divide }) => ({
  size: size + 1 - (size % 2),
  alpha: divide ? (alpha * (size + 1 - (size % 2))) / size : alpha,
}));
lrn.output('multiplied instead of divided', (y, { inputs }) => {
  const x = dense(inputs.x);
  return tensor(
    dense(y).map((v, i) => (v === 0 ? 0 : (x[i] * x[i]) / v)),
    y.shape,
  );
});
lrn.output('sign lost', (y) => each(y, Math.abs));
lrn.output('x left out: only s^-beta', (y, { inputs }) => {
  const x = dense(inputs.x);
  return tensor(
    dense(y).map((v, i) => v / x[i]),
    y.shape,
  );
});

/** s from a sum of f over the window's channels, which `pick` may alter; by a plain loop. */
function lrnBy(
  { inputs: { x }, attributes }: Call,
  f: (v: number) => number,
  pick: (j: number, c: number, C: number) => number | null = (j, _, C) => (j >= 0 && j < C ? j : null),
): Tensor {
  const { size, alpha, beta, k, divide, even, groups } = attributes;
  if (groups > 1) throw new Error('not for groups');
  const [N, C, H, W] = x.shape;
  const X = dense(x);
  const below = even === 'above' ? Math.floor((size - 1) / 2) : Math.floor(size / 2);
  const y = new Float64Array(X.length);
  for (let i = 0; i < y.length; i++) {
    const c = Math.floor(i / (H * W)) % C;
    let sum = 0;
    for (let j = c - below; j < c - below + size; j++) {
      const from = pick(j, c, C);
      if (from !== null) sum += f(X[i + (from - c) * H * W]);
    }
    y[i] = X[i] / (k + (divide ? alpha / size : alpha) * sum) ** beta;
  }
  return tensor(y, [N, C, H, W]);
}
const square = (v: number) => v * v;
lrn.add('absolute values instead of squares', (call) => lrnBy(call, Math.abs));
lrn.add('values instead of squares', (call) => lrnBy(call, (v) => v));
lrn.add('the channel itself left out of its window', (call) =>
  lrnBy(call, square, (j, c, C) => (j >= 0 && j < C && j !== c ? j : null)),
);
lrn.add('windows wrap around the channels', (call) => lrnBy(call, square, (j, _, C) => (j + 4 * C) % C));
lrn.add('the last channel repeated beyond the edge', (call) =>
  lrnBy(call, square, (j, _, C) => Math.min(Math.max(j, 0), C - 1)),
);
lrn.add('only lower channels', (call) => lrnBy(call, square, (j, c) => (j >= 0 && j <= c ? j : null)));

const mapnorm = mutantsOf('mapnorm');
mapnorm.attributes('alpha not divided by the window, or divided', ({ divide }) => ({ divide: !divide }));
mapnorm.attributes('alpha divided by the side, not the area', ({ alpha, size }) => ({ alpha: alpha * size }));
mapnorm.attributes('no normalisation', () => ({ alpha: 0 }));
mapnorm.attributes('window too wide', ({ size, alpha }) => ({
  size: size + 2,
  alpha: (alpha * (size + 2) ** 2) / size ** 2,
}));
mapnorm.attributes('window of one', ({ size, alpha }) => ({ size: 1, alpha: alpha / size ** 2 }));
mapnorm.attributes('k = 1 whatever is asked', () => ({ k: 1 }));
mapnorm.attributes('k = 2 whatever is asked', () => ({ k: 2 }));
mapnorm.attributes('beta = 0.75 whatever is asked', () => ({ beta: 0.75 }));
mapnorm.add('along channels instead of within maps', ({ inputs, attributes: { size, alpha, ...rest } }) =>
  lrnBy({ inputs, attributes: { ...rest, size, alpha: alpha / size, even: 'above', groups: 1 } }, square),
);
mapnorm.add('rows only', ({ inputs, attributes }, kernel) => {
  const { x } = inputs;
  const [N, C, H, W] = x.shape;
  const rows = { x: tensor(Float64Array.from(dense(x)), [N, C * H, 1, W]) };
  return tensor(dense(kernel({ inputs: rows, attributes })), [N, C, H, W]);
});
mapnorm.add('even windows reach the other way', ({ inputs: { x }, attributes }, kernel) => {
  const flip = (t: Tensor) => transpose(t, [0, 1, 3, 2]);
  const reversed = (t: Tensor) => tensor(Float64Array.from(dense(t)).reverse(), t.shape);
  return flip(reversed(kernel({ inputs: { x: reversed(flip(x)) }, attributes })));
});
mapnorm.add('the divisor counts only pixels inside the image', ({ inputs: { x }, attributes }, kernel) => {
  const { size, alpha, divide, k, beta } = attributes;
  // s of ones with k = 0, β = −1, α = 1 counts the pixels; s of x with β = −1 is k + Σ
  const raw = (t: Tensor, scale: number) =>
    dense(
      kernel({
        inputs: { x: t },
        attributes: { ...attributes, alpha: scale, k: 0, beta: -1, divide: false },
      }),
    );
  const X = dense(x);
  const counts = raw(
    each(x, () => 1),
    1,
  );
  const sums = raw(x, 1);
  return tensor(
    Float64Array.from(X, (v, i) => {
      const sum = v === 0 ? 0 : sums[i] / v;
      return v / (k + (divide ? alpha / counts[i] : alpha / size) * sum) ** beta;
    }),
    x.shape,
  );
});

export const mutants = [...lrn.list, ...mapnorm.list];
