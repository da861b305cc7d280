/**
 * Wrong convolutions, those that ONNX's node tests let pass (all but one of the first dozen) and others seen, and
 * wrong fully connected layers.
 */
import { dense, reshape, type Tensor } from '../../../reference/tensor.ts';
import {
  arranged,
  each,
  keep,
  misread,
  mutantsOf,
  type NamedCall,
  reverse,
  roll,
  transpose,
  withBits,
} from './tools.ts';

const conv = mutantsOf('conv2d');

// ---- groups
conv.add('groups ignored: every kernel sees the first group', ({ inputs, attributes }, kernel) => {
  const { x, w } = inputs;
  const shape = [x.shape[0], w.shape[1], ...x.shape.slice(2)];
  const first = arranged(x, shape, (index) => index);
  return kernel({ inputs: { ...inputs, x: first }, attributes: { ...attributes, groups: 1 } });
});
conv.input('input channels of the groups interleaved', 'x', (x, { attributes: { groups } }) =>
  arranged(x, x.shape, ([n, c, ...hw]) => {
    const width = x.shape[1] / groups;
    return [n, (c % width) * groups + Math.floor(c / width), ...hw];
  }),
);
conv.add('kernels of the groups interleaved', ({ inputs, attributes }, kernel) => {
  const { groups } = attributes;
  const K = inputs.w.shape[0];
  // kernel k belongs to group k mod G: put it there, and its map back
  const home = (k: number) => (k % groups) * (K / groups) + Math.floor(k / groups);
  const kernels = Array.from({ length: K }, (_, k) => home(k));
  const moved = (t: Tensor) => arranged(t, t.shape, ([j, ...rest]) => [kernels.indexOf(j), ...rest]);
  const moves = Object.entries(inputs).map(([name, t]) => [name, name === 'x' ? t : moved(t)]);
  const y = kernel({ inputs: Object.fromEntries(moves), attributes });
  return arranged(y, y.shape, ([n, k, ...rest]) => [n, home(k), ...rest]);
});
conv.input('groups in reverse order', 'x', (x, { attributes: { groups } }) => {
  const width = x.shape[1] / groups;
  return arranged(x, x.shape, ([n, c, ...hw]) => [
    n,
    (groups - 1 - Math.floor(c / width)) * width + (c % width),
    ...hw,
  ]);
});

conv.input('kernels of the groups exchanged', 'w', (w, { attributes: { groups } }) =>
  roll(w, 0, w.shape[0] / groups),
);

// ---- dilation
conv.attributes('dilation ignored', () => ({ dilation: [1, 1] }));
conv.attributes('dilation of the axes exchanged', ({ dilation: [h, w] }) => ({ dilation: [w, h] }));
conv.attributes('one dilation for both axes', ({ dilation: [h] }) => ({ dilation: [h, h] }));

// ---- bias
conv.without('bias dropped', 'b');
conv.input('bias of the next kernel', 'b', (b) => roll(b, 0));
conv.input('bias subtracted', 'b', (b) => each(b, (v) => -v));
conv.input('bias added twice', 'b', (b) => each(b, (v) => 2 * v));
conv.input("bias indexed by the kernel's place in its group", 'b', (b, { attributes: { groups } }) =>
  arranged(b, b.shape, ([k]) => [k % (b.shape[0] / groups)]),
);
conv.input('bias of the first kernel everywhere', 'b', (b) => arranged(b, b.shape, () => [0]));

// ---- kernel
conv.input('kernel flipped: a true convolution', 'w', (w) => reverse(w, 2, 3));
conv.input('kernel flipped upside down', 'w', (w) => reverse(w, 2));
conv.input('kernel flipped left to right', 'w', (w) => reverse(w, 3));
conv.input('kernel rows and columns exchanged', 'w', (w) =>
  arranged(w, w.shape, ([k, c, r, s]) => [k, c, s, r]),
);
conv.input('kernel read with the height as row length', 'w', (w) => {
  const [, , R, S] = w.shape;
  return arranged(w, w.shape, ([k, c, r, s]) => {
    const at = (r * R + s) % (R * S);
    return [k, c, Math.floor(at / S), at % S];
  });
});
conv.input('kernel memory read as (C/G,K,R,S)', 'w', (w) => misread(w, [1, 0, 2, 3]));
conv.input('kernel memory read as (R,S,C/G,K)', 'w', (w) => misread(w, [2, 3, 1, 0]));
conv.input('last column of the kernel left out', 'w', (w) => keep(w, 3, 0, w.shape[3] - 1));
conv.input('first row of the kernel left out', 'w', (w) => keep(w, 2, 1, w.shape[2]));
conv.input("sign of the kernel's largest weight", 'w', (w) => {
  const W = dense(w) as Float64Array;
  const largest = W.reduce((at, v, i) => (Math.abs(v) > Math.abs(W[at]) ? i : at), 0);
  return each(w, (v, i) => (i === largest ? -v : v));
});

// ---- padding
const pads = (name: string, change: (pad: readonly number[]) => readonly number[]): void =>
  conv.attributes(name, ({ pad }) => ({ pad: change(pad) }));
/** SAME_UPPER and SAME_LOWER: an odd row or column of padding goes to one side. */
const same = (name: string, half: (total: number) => number): void =>
  pads(name, ([top, left, bottom, right]) => {
    const h = top + bottom;
    const w = left + right;
    return [half(h), half(w), h - half(h), w - half(w)];
  });
pads('begin and end pads exchanged', ([top, left, bottom, right]) => [bottom, right, top, left]);
pads('pads of the axes exchanged', ([top, left, bottom, right]) => [left, top, right, bottom]);
pads('pads read as [top, bottom, left, right]', ([top, left, bottom, right]) => [top, bottom, left, right]);
same('SAME_UPPER: the larger half of the pads at the end', (total) => Math.floor(total / 2));
same('SAME_LOWER: the larger half of the pads at the start', (total) => Math.ceil(total / 2));
pads('no padding', () => [0, 0, 0, 0]);
pads('all padding at the beginning', ([top, left, bottom, right]) => [top + bottom, left + right, 0, 0]);
pads('all padding at the end', ([top, left, bottom, right]) => [0, 0, top + bottom, left + right]);
pads('begin pads on both sides', ([top, left]) => [top, left, top, left]);
conv.add('padding repeats the border', ({ inputs, attributes }, kernel) => {
  const [top, left, bottom, right] = attributes.pad;
  const [N, C, H, W] = inputs.x.shape;
  const clamp = (v: number, extent: number) => Math.min(Math.max(v, 0), extent - 1);
  const x = arranged(inputs.x, [N, C, H + top + bottom, W + left + right], ([n, c, h, w]) => [
    n,
    c,
    clamp(h - top, H),
    clamp(w - left, W),
  ]);
  return kernel({ inputs: { ...inputs, x }, attributes: { ...attributes, pad: [0, 0, 0, 0] } });
});

// ---- stride
conv.attributes("the height's stride for both axes", ({ stride: [h] }) => ({ stride: [h, h] }));
conv.attributes("the width's stride for both axes", ({ stride: [, w] }) => ({ stride: [w, w] }));
conv.attributes('strides of the axes exchanged', ({ stride: [h, w] }) => ({ stride: [w, h] }));

// ---- input and output
conv.input('first input channel of each group only', 'w', (w) => keep(w, 1, 0, 1));
conv.input('last input channel left out', 'w', (w) => keep(w, 1, 0, w.shape[1] - 1));
conv.input('input channels in reverse order (BGR for RGB)', 'x', (x) => reverse(x, 1));
conv.input('input memory read as N,H,W,C', 'x', (x) => misread(x, [0, 2, 3, 1]));
conv.input('input rows and columns exchanged', 'x', (x) => misread(x, [0, 1, 3, 2]));
conv.input('the first image for all', 'x', (x) => arranged(x, x.shape, ([, ...rest]) => [0, ...rest]));
conv.input('the image replaced by zeros', 'x', (x) => arranged(x, x.shape, () => null));
conv.input('kernels rounded to bfloat16', 'w', (w) => withBits(w, 8));
conv.input('input rounded to TF32', 'x', (x) => withBits(x, 11));
conv.output('ReLU fused in', (y) => each(y, (v) => Math.max(v, 0)));
conv.output('output memory written as N,P,Q,K', (y) => reshape(transpose(y, [0, 2, 3, 1]), y.shape));
conv.output('output kernels in reverse order', (y) => reverse(y, 1));

const linear = mutantsOf('linear');
linear.without('bias dropped', 'b');
linear.input('bias of the next neuron', 'b', (b) => roll(b, 0));
linear.input('bias subtracted', 'b', (b) => each(b, (v) => -v));
linear.input('bias added twice', 'b', (b) => each(b, (v) => 2 * v));
linear.add('bias along the batch', ({ inputs, attributes }, kernel) => {
  const { x, w, b } = inputs;
  const y = kernel({ inputs: { x, w }, attributes });
  return b ? each(y, (v, i) => v + b.data[Math.floor(i / y.shape[1]) % b.data.length]) : y;
});
linear.input('weights not transposed: memory read as (in, out)', 'w', (w) => misread(w, [1, 0]));
linear.input('input memory read as (in, batch)', 'x', (x) => misread(x, [1, 0]));
linear.input('first input left out', 'w', (w) => keep(w, 1, 1, w.shape[1]));
linear.input('last input left out', 'w', (w) => keep(w, 1, 0, w.shape[1] - 1));
linear.input('inputs in reverse order', 'x', (x) => reverse(x, 1));
linear.input('the first row for all', 'x', (x) => arranged(x, x.shape, ([, i]) => [0, i]));
/** The columns of a matrix as if its maps lay in the order H,W,C; maps that nobody tells of are taken for square. */
const flattenedLast = (t: Tensor, { attributes }: NamedCall): Tensor => {
  const I = t.shape[1];
  const side = [16, 13, 8, 7, 6, 5, 4, 3, 2].find((n) => I % (n * n) === 0 && I > n * n);
  const area: number | undefined = attributes.maps
    ? attributes.maps[1] * attributes.maps[2]
    : side && side * side;
  if (area === undefined) throw new Error('no maps make such a row');
  const C = I / area;
  return arranged(t, t.shape, ([row, at]) => [row, (at % C) * area + Math.floor(at / C)]);
};
linear.input('weights for inputs in the order H,W,C', 'w', flattenedLast);
linear.input('inputs flattened in the order H,W,C', 'x', flattenedLast);
linear.input('weights rounded to bfloat16', 'w', (w) => withBits(w, 8));
linear.input('input rounded to TF32', 'x', (x) => withBits(x, 11));
linear.output('neurons in reverse order', (y) => reverse(y, 1));
linear.output('ReLU fused in', (y) => each(y, (v) => Math.max(v, 0)));

export const mutants = [...conv.list, ...linear.list];
