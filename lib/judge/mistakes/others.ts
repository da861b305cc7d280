/** Wrong fully connected layers, softmax, dropout, activations and moves. */
import { dense, tensor } from '../../../reference/tensor.ts';
import { each, gather, keep, misread, mutantsOf, reverse, right, roll, rounded, transpose } from './tools.ts';

const linear = mutantsOf('linear');
linear.add('bias dropped', ({ inputs: { x, w }, attributes }, kernel) =>
  kernel({ inputs: { x, w }, attributes }),
);
linear.input('bias of the next neuron', 'b', (b) => roll(b, 0));
linear.input('bias subtracted', 'b', (b) => each(b, (v) => -v));
linear.input('bias added twice', 'b', (b) => each(b, (v) => 2 * v));
linear.add('bias along the batch', ({ inputs, attributes }, kernel) => {
  const { x, w, b } = inputs;
  const y = kernel({ inputs: { x, w }, attributes });
  if (!b) return y;
  return tensor(
    dense(y).map((v, i) => v + b.data[Math.floor(i / y.shape[1]) % b.data.length]),
    y.shape,
  );
});
linear.input('weights not transposed: memory read as (in, out)', 'w', (w) => misread(w, [1, 0]));
linear.input('input memory read as (in, batch)', 'x', (x) => misread(x, [1, 0]));
linear.input('first input left out', 'w', (w) => keep(w, 1, 1, w.shape[1]));
linear.input('last input left out', 'w', (w) => keep(w, 1, 0, w.shape[1] - 1));
linear.input('inputs in reverse order', 'x', (x) => reverse(x, 1));
linear.input('the first row for all', 'x', (x) => gather(x, x.shape, ([, i]) => [0, i]));
linear.input('weights rounded to bfloat16', 'w', (w) => rounded(w, 8));
linear.input('input rounded to TF32', 'x', (x) => rounded(x, 11));
linear.output('neurons in reverse order', (y) => reverse(y, 1));
linear.output('ReLU fused in', (y) => each(y, (v) => Math.max(v, 0)));

const softmax = mutantsOf('softmax');
softmax.add('over the batch instead of the classes', ({ inputs: { x }, attributes }, kernel) =>
  transpose(kernel({ inputs: { x: transpose(x, [1, 0]) }, attributes }), [1, 0]),
);
softmax.add('over batch and classes together', ({ inputs: { x }, attributes }, kernel) => {
  const flat = tensor(Float64Array.from(dense(x)), [1, x.data.length]);
  return tensor(dense(kernel({ inputs: { x: flat }, attributes })), x.shape);
});
softmax.add('maximum not subtracted: overflow', ({ inputs: { x } }) => {
  const e = each(x, Math.exp);
  const [, K] = x.shape;
  const sums = new Float64Array(x.shape[0]);
  for (let i = 0; i < e.data.length; i++) sums[Math.floor(i / K)] += e.data[i];
  return tensor(
    Float64Array.from(e.data, (v, i) => v / sums[Math.floor(i / K)]),
    x.shape,
  );
});
softmax.input('base 2 instead of e', 'x', (x) => each(x, (v) => v * Math.LN2));
softmax.input('a temperature of 2', 'x', (x) => each(x, (v) => v / 2));
softmax.input('softmin', 'x', (x) => each(x, (v) => -v));
softmax.output('logarithms', (y) => each(y, Math.log));
softmax.add('not normalised', ({ inputs: { x } }) => each(x, Math.exp));
softmax.add('logistic function of each logit', ({ inputs, attributes }) =>
  right('sigmoid', { inputs, attributes }),
);
softmax.output('one-hot of the largest (hardmax)', (y) => each(y, Math.round));
softmax.output('classes in reverse order', (y) => reverse(y, 1));

const dropout = mutantsOf('dropout');
dropout.attributes("the other convention's scaling", ({ convention }) => ({
  convention: convention === 'paper' ? 'inverted' : 'paper',
}));
dropout.attributes('ratio taken as the share that is kept', ({ ratio }) => ({
  ratio: ratio === 0 ? 0 : 1 - ratio,
}));
dropout.attributes('ratio 0.5 whatever is asked', () => ({ ratio: 0.5 }));
dropout.add('nothing dropped in training', ({ inputs: { x }, attributes }, kernel) =>
  kernel({ inputs: { x }, attributes }),
);
dropout.add('values dropped at test time', ({ inputs: { x, mask }, attributes }, kernel) => {
  const every = tensor(
    Float64Array.from(dense(x), (_, i) => i % 2),
    x.shape,
  );
  return kernel({ inputs: { x, mask: mask ?? every }, attributes });
});
dropout.input('mask inverted', 'mask', (mask) => each(mask, (v) => 1 - v));
dropout.input('mask of the next value', 'mask', (mask) => roll(mask, mask.dimension - 1));
dropout.input('one mask for the whole batch', 'mask', (mask) =>
  gather(mask, mask.shape, ([, ...rest]) => [0, ...rest]),
);
dropout.output('scaled once more', (y, { attributes: { ratio } }) => each(y, (v) => v / (1 - ratio)));

const flatten = mutantsOf('flatten');
flatten.attributes('the other order', ({ order }) => ({ order: order === 'CHW' ? 'HWC' : 'CHW' }));
flatten.input('rows and columns exchanged', 'x', (x) => (x.dimension === 4 ? transpose(x, [0, 1, 3, 2]) : x));
flatten.output('batch innermost', (y) => tensor(transpose(y, [1, 0]).data, y.shape));
flatten.output('images in reverse order', (y) => reverse(y, 0));

const concat = mutantsOf('concat');
concat.add('inputs in reverse order', ({ inputs, attributes }, kernel) =>
  kernel({ inputs: Object.fromEntries(Object.entries(inputs).reverse()), attributes }),
);
concat.add('memories put behind one another: images mixed', ({ inputs, attributes }, kernel) => {
  const all = Object.values(inputs).flatMap((x) => [...dense(x)]);
  return tensor(Float64Array.from(all), kernel({ inputs, attributes }).shape);
});
concat.output('channels interleaved', (y) => {
  const half = Math.ceil(y.shape[1] / 2);
  return gather(y, y.shape, ([n, c, ...rest]) => [n, c % 2 === 0 ? c / 2 : half + (c - 1) / 2, ...rest]);
});

const split = mutantsOf('split');
split.attributes('the first part whatever is asked', () => ({ part: 0 }));
split.attributes('the next part', ({ part, parts }) => ({ part: (part + 1) % parts }));
split.input('every second channel instead of a half', 'x', (x, { attributes: { parts } }) => {
  const width = x.shape[1] / parts;
  return gather(x, x.shape, ([n, c, ...rest]) => [n, (c % width) * parts + Math.floor(c / width), ...rest]);
});
split.input('images mixed', 'x', (x) => gather(x, x.shape, ([, ...rest]) => [0, ...rest]));

const relu = mutantsOf('relu');
relu.add('left out', ({ inputs: { x } }) => each(x, (v) => v));
relu.add('a leak of 0.01', ({ inputs: { x } }) => each(x, (v) => (v < 0 ? 0.01 * v : v)));
relu.add('absolute value', ({ inputs: { x } }) => each(x, Math.abs));
relu.add('logistic function', ({ inputs, attributes }) => right('sigmoid', { inputs, attributes }));
relu.add('NaN becomes 0', ({ inputs: { x } }) => each(x, (v) => (Number.isNaN(v) ? 0 : Math.max(v, 0))));
relu.add('capped at 6', ({ inputs: { x } }) => each(x, (v) => Math.min(Math.max(v, 0), 6)));

const tanh = mutantsOf('tanh');
tanh.add('logistic function', ({ inputs, attributes }) => right('sigmoid', { inputs, attributes }));
tanh.add('clipped line', ({ inputs: { x } }) => each(x, (v) => Math.min(Math.max(v, -1), 1)));
tanh.add('cancellation near 0: (e^2x - 1) / (e^2x + 1)', ({ inputs: { x } }) =>
  each(x, (v) => (Math.exp(2 * v) - 1) / (Math.exp(2 * v) + 1)),
);
tanh.output('in float16', (y) => rounded(y, 11));

const sigmoid = mutantsOf('sigmoid');
sigmoid.add('hyperbolic tangent', ({ inputs, attributes }) => right('tanh', { inputs, attributes }));
sigmoid.add('clipped line 0.2x + 0.5 (hard sigmoid)', ({ inputs: { x } }) =>
  each(x, (v) => Math.min(Math.max(0.2 * v + 0.5, 0), 1)),
);
sigmoid.add('overflow: e^x / (1 + e^x)', ({ inputs: { x } }) =>
  each(x, (v) => Math.exp(v) / (1 + Math.exp(v))),
);
sigmoid.input('sign of the exponent', 'x', (x) => each(x, (v) => -v));

const all = [linear, softmax, dropout, flatten, concat, split, relu, tanh, sigmoid];
export const mutants = all.flatMap(({ list }) => list);
