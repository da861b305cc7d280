/** Wrong pooling. */
import { dense, zeros } from '../../../reference/tensor.ts';
import { arranged, each, misread, mutantsOf, rightResult } from './tools.ts';

const max = mutantsOf('maxpool');
const average = mutantsOf('avgpool');

for (const pool of [max, average]) {
  pool.attributes('kernel axes exchanged', ({ kernel: [h, w] }) => ({ kernel: [w, h] }));
  pool.attributes('strides of the axes exchanged', ({ stride: [h, w] }) => ({ stride: [w, h] }));
  pool.attributes("the height's stride for both axes", ({ stride: [h] }) => ({ stride: [h, h] }));
  pool.attributes('stride = kernel: windows do not overlap', ({ kernel }) => ({ stride: kernel }));
  pool.attributes('begin and end pads exchanged', ({ pad: [top, left, bottom, right] }) => ({
    pad: [bottom, right, top, left],
  }));
  pool.attributes('pads of the axes exchanged', ({ pad: [top, left, bottom, right] }) => ({
    pad: [left, top, right, bottom],
  }));
  pool.attributes('no padding', () => ({ pad: [0, 0, 0, 0] }));
  pool.attributes('output size rounded down', () => ({ rounding: 'floor' }));
  pool.attributes('output size rounded up', ({ rounding }) =>
    rounding === 'floor' ? { rounding: 'onnx' } : {},
  );
  pool.attributes("ONNX's rounding for Caffe's", ({ rounding }) =>
    rounding === 'caffe' ? { rounding: 'onnx' } : {},
  );
  pool.attributes('window one column narrower', ({ kernel: [h, w], pad }) => ({ kernel: [h, w - 1], pad }));
  pool.attributes('window one row higher', ({ kernel: [h, w] }) => ({ kernel: [h + 1, w] }));
  pool.attributes('top left pixel of each window', () => ({ kernel: [1, 1] }));
  pool.input('input memory read as N,H,W,C', 'x', (x) => misread(x, [0, 2, 3, 1]));
  pool.input('input rows and columns exchanged', 'x', (x) => misread(x, [0, 1, 3, 2]));
  pool.input('the first channel for all', 'x', (x) => arranged(x, x.shape, ([n, , ...hw]) => [n, 0, ...hw]));
  pool.output('ReLU fused in', (y) => each(y, (v) => Math.max(v, 0)));
}

max.add('average instead of maximum', ({ inputs, attributes }) =>
  rightResult('avgpool', { inputs, attributes: { ...attributes, divisor: 'valid' } }),
);
max.add('minimum instead of maximum', ({ inputs: { x }, attributes }, kernel) =>
  each(kernel({ inputs: { x: each(x, (v) => -v) }, attributes }), (v) => -v),
);
max.input('maximum of the absolute values', 'x', (x) => each(x, Math.abs));
max.input('NaN dropped', 'x', (x) => each(x, (v) => (Number.isNaN(v) ? -Infinity : v)));
max.output('starts at 0: negative windows become 0', (y) => each(y, (v) => Math.max(v, 0)));
max.output('starts at -FLT_MAX: -inf is lost', (y) => each(y, (v) => Math.max(v, -3.4028234663852886e38)));
max.add('pads are zeros that can win', ({ inputs: { x }, attributes }, kernel) => {
  const [top, left, bottom, right_] = attributes.pad;
  const [N, C, H, W] = x.shape;
  const padded = arranged(x, [N, C, H + top + bottom, W + left + right_], ([n, c, h, w]) => [
    n,
    c,
    h - top,
    w - left,
  ]);
  return kernel({ inputs: { x: padded }, attributes: { ...attributes, pad: [0, 0, 0, 0] } });
});
max.add('dilated windows', ({ inputs: { x }, attributes }, kernel) => {
  // every second pixel of a window twice as large: the maximum over the pixels at even places
  const [N, C, H, W] = x.shape;
  const even = arranged(x, [N, C, H, W], ([n, c, h, w]) => [
    n,
    c,
    Math.min(2 * h, H - 1),
    Math.min(2 * w, W - 1),
  ]);
  return kernel({ inputs: { x: even }, attributes });
});

average.confused('maximum instead of average', 'maxpool');
/** The right sums, divided by something else. */
const divided = (name: string, divisor: (kernel: readonly number[]) => number): void =>
  average.add(name, ({ inputs, attributes }, kernel) => {
    const y = kernel({ inputs, attributes: { ...attributes, divisor: 'window' } });
    const [r, s] = attributes.kernel;
    return each(y, (v) => (v * r * s) / divisor(attributes.kernel));
  });
divided('sum instead of average', () => 1);
divided('divided by the height squared', ([r]) => r * r);
average.attributes('pads counted, or not', ({ divisor }) => ({
  divisor: divisor === 'valid' ? 'window' : 'valid',
}));
average.attributes('always the full window as divisor', () => ({ divisor: 'window' }));
average.attributes('only pixels inside the image as divisor', () => ({ divisor: 'valid' }));
average.attributes("Caffe's divisor everywhere", () => ({ divisor: 'caffe' }));

const adaptive = mutantsOf('adaptiveavgpool');
adaptive.attributes('output axes exchanged', ({ size: [p, q] }) => ({ size: [q, p] }));
adaptive.input('input rows and columns exchanged', 'x', (x) => misread(x, [0, 1, 3, 2]));
/** Means over bins of one's own: of `count` along `extent`, from `first` of each up to `end`. */
function bins(
  name: string,
  first: (i: number, count: number, extent: number) => number,
  end: (i: number, count: number, extent: number) => number,
): void {
  adaptive.add(name, ({ inputs: { x }, attributes: { size } }) => {
    const [N, C, H, W] = x.shape;
    const [P, Q] = size;
    const X = dense(x);
    return each(zeros([N, C, P, Q]), (_, i) => {
      const p = Math.floor(i / Q) % P;
      const [top, bottom] = [first(p, P, H), end(p, P, H)];
      const [left, right] = [first(i % Q, Q, W), end(i % Q, Q, W)];
      const map = Math.floor(i / (P * Q)) * H;
      let sum = 0;
      for (let h = top; h < bottom; h++) for (let w = left; w < right; w++) sum += X[(map + h) * W + w];
      return sum / ((bottom - top) * (right - left));
    });
  });
}
const start = (i: number, count: number, extent: number): number => Math.floor((i * extent) / count);
const step = (count: number, extent: number): number => Math.max(1, Math.floor(extent / count));
bins('bins that do not overlap', start, (i, ...rest) => start(i + 1, ...rest));
bins('nearest pixel instead of a mean', start, (i, ...rest) => start(i, ...rest) + 1);
bins(
  'a fixed window and stride of ⌊H/P⌋',
  (i, ...rest) => i * step(...rest),
  (i, ...rest) => (i + 1) * step(...rest),
);

export const mutants = [...max.list, ...average.list, ...adaptive.list];
