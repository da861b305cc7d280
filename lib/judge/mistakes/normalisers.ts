/** Wrong normalisations: across channels (LRN), within maps, softmax. */
import * as ops from '../../../reference/ops/index.ts';
import { dense, map, reshape, type Tensor } from '../../../reference/tensor.ts';
import { each, mutantsOf, type NamedCall, reverse, rightResult, transpose } from './tools.ts';

const lrn = mutantsOf('lrn');

// ---- ONNX's node tests let the first seven pass
lrn.attributes('alpha not divided by the window, or divided', ({ divide }) => ({ divide: !divide }));
lrn.attributes('no normalisation: alpha = 0', () => ({ alpha: 0 }));
lrn.attributes('negative alpha', ({ alpha }) => ({ alpha: -alpha }));
/** Another window with the same factor on its squares. */
const sized = ({ size, alpha, divide }: ops.lrn.Attributes, other: number) => ({
  size: other,
  alpha: divide ? (alpha * other) / size : alpha,
});
lrn.attributes('window too wide', (own) => sized(own, own.size + 2));
lrn.attributes('window too narrow', (own) => (own.size > 2 ? sized(own, own.size - 2) : {}));
lrn.attributes('window too wide, alpha divided by it', ({ size }) => ({ size: size + 2, divide: true }));
lrn.attributes('window too narrow, alpha divided by it', ({ size }) =>
  size > 2 ? { size: size - 2, divide: true } : {},
);
lrn.attributes('window of one', (own) => sized(own, 1));
/** The kernel with another axis in the place of the channels. */
const along =
  (order: readonly number[]) =>
  ({ inputs: { x }, attributes }: NamedCall, kernel: (call: NamedCall) => Tensor): Tensor =>
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
lrn.attributes('alpha divided by the square of the window', ({ alpha, size }) => ({
  alpha: alpha / size,
  divide: true,
}));
lrn.attributes('radius for width: a window of 2n + 1', (own) => sized(own, 2 * own.size + 1));
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
lrn.attributes('window grown to the next odd size', (own) => sized(own, own.size + 1 - (own.size % 2)));
lrn.output('multiplied instead of divided', (y, { inputs }) => {
  const X = dense(inputs.x);
  return each(y, (v, i) => (v === 0 ? 0 : (X[i] * X[i]) / v));
});
lrn.output('sign lost', (y) => each(y, Math.abs));
lrn.output('x left out: only s^-beta', (y, { inputs }) => {
  const X = dense(inputs.x);
  return each(y, (v, i) => v / X[i]);
});

/** A mistake in the sum of s: f instead of squares, or channels that `pick` finds for those of the window. */
function ofSum(
  name: string,
  f: (v: number) => number,
  pick = (j: number, _c: number, C: number): number | null => (j >= 0 && j < C ? j : null),
): void {
  lrn.add(name, ({ inputs: { x }, attributes }) => {
    const { size, alpha, beta, k, divide, even, groups } = attributes;
    if (groups > 1) throw new Error('not for groups');
    const [, C, H, W] = x.shape;
    const X = dense(x);
    const below = even === 'above' ? Math.floor((size - 1) / 2) : Math.floor(size / 2);
    return each(x, (v, i) => {
      const c = Math.floor(i / (H * W)) % C;
      let sum = 0;
      for (let j = c - below; j < c - below + size; j++) {
        const from = pick(j, c, C);
        if (from !== null) sum += f(X[i + (from - c) * H * W]);
      }
      return v / (k + (divide ? alpha / size : alpha) * sum) ** beta;
    });
  });
}
const square = (v: number) => v * v;
ofSum('absolute values instead of squares', Math.abs);
ofSum('values instead of squares', Number);
ofSum('the channel itself left out of its window', square, (j, c, C) =>
  j >= 0 && j < C && j !== c ? j : null,
);
ofSum('windows wrap around the channels', square, (j, _, C) => (j + 4 * C) % C);
ofSum('the last channel repeated beyond the edge', square, (j, _, C) => Math.min(Math.max(j, 0), C - 1));
ofSum('only lower channels', square, (j, c) => (j >= 0 && j <= c ? j : null));

lrn.add('the divisor counts only channels that are there (OpenCV 4.6)', ({ inputs: { x }, attributes }) => {
  const { alpha, divide, size } = attributes;
  const ofMean = divide ? alpha : alpha * size;
  return countingInside(x, attributes, ofMean, (t, sums) => ops.lrn.denominators(t, sums));
});

type Normaliser = Pick<ops.lrn.Attributes, 'alpha' | 'beta' | 'k' | 'divide'>;

/** `alpha` times a mean of squares whose divisor leaves the padding out: count_include_pad ignored. */
function countingInside<A extends Normaliser>(
  x: Tensor,
  attributes: A,
  alpha: number,
  denominators: (t: Tensor, attributes: A) => Float64Array,
): Tensor {
  const { k, beta } = attributes;
  const sums = { ...attributes, alpha: 1, k: 0, divide: false };
  const S = denominators(x, sums);
  const counts = denominators(
    map(x, () => 1),
    sums,
  );
  return each(x, (v, i) => v / (k + (alpha / counts[i]) * S[i]) ** beta);
}

const mapnorm = mutantsOf('mapnorm');
mapnorm.attributes('alpha not divided by the window, or divided', ({ divide }) => ({ divide: !divide }));
mapnorm.attributes('alpha divided by the side, not the area', ({ alpha, size }) => ({
  alpha: alpha * size,
  divide: true,
}));
mapnorm.attributes('no normalisation', () => ({ alpha: 0 }));
/** Another window with the same factor on its squares. */
const sizedInMaps = ({ size, alpha, divide }: ops.mapnorm.Attributes, other: number) => ({
  size: other,
  alpha: divide ? (alpha * other ** 2) / size ** 2 : alpha,
});
mapnorm.attributes('window too wide', (own) => sizedInMaps(own, own.size + 2));
mapnorm.attributes('window of one', (own) => sizedInMaps(own, 1));
mapnorm.attributes('k = 1 whatever is asked', () => ({ k: 1 }));
mapnorm.attributes('k = 2 whatever is asked', () => ({ k: 2 }));
mapnorm.attributes('beta = 0.75 whatever is asked', () => ({ beta: 0.75 }));
mapnorm.add('along channels instead of within maps', ({ inputs, attributes: { size, alpha, ...rest } }) =>
  rightResult('lrn', {
    inputs,
    attributes: { ...rest, size, alpha: rest.divide ? alpha / size : alpha, even: 'above', groups: 1 },
  }),
);
mapnorm.add('rows only', ({ inputs: { x }, attributes }, kernel) => {
  const [N, C, H, W] = x.shape;
  return reshape(kernel({ inputs: { x: reshape(x, [N, C * H, 1, W]) }, attributes }), x.shape);
});
mapnorm.add('even windows reach the other way', ({ inputs: { x }, attributes }, kernel) =>
  reverse(kernel({ inputs: { x: reverse(x, 2, 3) }, attributes }), 2, 3),
);
mapnorm.add('the divisor counts only pixels inside the image', ({ inputs: { x }, attributes }) =>
  countingInside(x, attributes, attributes.alpha, (t, sums) => ops.mapnorm.denominators(t, sums)),
);

const softmax = mutantsOf('softmax');
softmax.add('over the batch instead of the classes', ({ inputs: { x }, attributes }, kernel) =>
  transpose(kernel({ inputs: { x: transpose(x, [1, 0]) }, attributes }), [1, 0]),
);
softmax.add('over batch and classes together', ({ inputs: { x }, attributes }, kernel) =>
  reshape(kernel({ inputs: { x: reshape(x, [1, x.size]) }, attributes }), x.shape),
);
softmax.add('maximum not subtracted: overflow', ({ inputs: { x } }) => {
  const e = each(x, Math.exp);
  const [N, K] = x.shape;
  const sums = new Float64Array(N);
  for (let i = 0; i < N * K; i++) sums[Math.floor(i / K)] += e.data[i];
  return each(e, (v, i) => v / sums[Math.floor(i / K)]);
});
softmax.input('base 2 instead of e', 'x', (x) => each(x, (v) => v * Math.LN2));
softmax.input('a temperature of 2', 'x', (x) => each(x, (v) => v / 2));
softmax.input('softmin', 'x', (x) => each(x, (v) => -v));
softmax.output('logarithms', (y) => each(y, Math.log));
softmax.instead('not normalised', Math.exp);
softmax.confused('logistic function of each logit', 'sigmoid');
softmax.output('one-hot of the largest (hardmax)', (y) => each(y, Math.round));
softmax.output('classes in reverse order', (y) => reverse(y, 1));

export const mutants = [...lrn.list, ...mapnorm.list, ...softmax.list];
