/** Wrong dropout, moves and activations. */
import { dense, reshape, tensor } from '../../../reference/tensor.ts';
import { arranged, each, mutantsOf, reverse, roll, transpose, withBits } from './tools.ts';

const dropout = mutantsOf('dropout');
dropout.attributes("the other convention's scaling", ({ convention }) => ({
  convention: convention === 'paper' ? 'inverted' : 'paper',
}));
dropout.attributes('ratio taken as the share that is kept', ({ ratio }) => ({
  ratio: ratio === 0 ? 0 : 1 - ratio,
}));
dropout.attributes('ratio 0.5 whatever is asked', () => ({ ratio: 0.5 }));
dropout.without('nothing dropped in training', 'mask');
dropout.add('values dropped at test time', ({ inputs: { x, mask }, attributes }, kernel) => {
  const every = mask ?? each(x, (_, i) => i % 2);
  return kernel({ inputs: { x, mask: every }, attributes });
});
dropout.input('mask inverted', 'mask', (mask) => each(mask, (v) => 1 - v));
dropout.input('mask of the next value', 'mask', (mask) => roll(mask, mask.dimension - 1));
dropout.input('one mask for the whole batch', 'mask', (mask) =>
  arranged(mask, mask.shape, ([, ...rest]) => [0, ...rest]),
);
dropout.output('scaled once more', (y, { attributes: { ratio } }) => each(y, (v) => v / (1 - ratio)));

const flatten = mutantsOf('flatten');
flatten.attributes('the other order', ({ order }) => ({ order: order === 'CHW' ? 'HWC' : 'CHW' }));
flatten.input('rows and columns exchanged', 'x', (x) => (x.dimension === 4 ? transpose(x, [0, 1, 3, 2]) : x));
flatten.output('batch innermost', (y) => reshape(transpose(y, [1, 0]), y.shape));
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
  return arranged(y, y.shape, ([n, c, ...rest]) => [n, c % 2 === 0 ? c / 2 : half + (c - 1) / 2, ...rest]);
});

const split = mutantsOf('split');
split.attributes('the first part whatever is asked', () => ({ part: 0 }));
split.attributes('the next part', ({ part, parts }) => ({ part: (part + 1) % parts }));
split.input('every second channel instead of a half', 'x', (x, { attributes: { parts } }) => {
  const width = x.shape[1] / parts;
  return arranged(x, x.shape, ([n, c, ...rest]) => [n, (c % width) * parts + Math.floor(c / width), ...rest]);
});
split.input('images mixed', 'x', (x) => arranged(x, x.shape, ([, ...rest]) => [0, ...rest]));

const relu = mutantsOf('relu');
relu.instead('left out', Number);
relu.instead('a leak of 0.01', (v) => (v < 0 ? 0.01 * v : v));
relu.instead('absolute value', Math.abs);
relu.confused('logistic function', 'sigmoid');
relu.instead('NaN becomes 0', (v) => (Number.isNaN(v) ? 0 : Math.max(v, 0)));
relu.instead('capped at 6', (v) => Math.min(Math.max(v, 0), 6));

const tanh = mutantsOf('tanh');
tanh.confused('logistic function', 'sigmoid');
tanh.instead('clipped line', (v) => Math.min(Math.max(v, -1), 1));
tanh.instead(
  'cancellation near 0: (e^2x - 1) / (e^2x + 1)',
  (v) => (Math.exp(2 * v) - 1) / (Math.exp(2 * v) + 1),
);
tanh.output('in float16', (y) => withBits(y, 11));

const sigmoid = mutantsOf('sigmoid');
sigmoid.confused('hyperbolic tangent', 'tanh');
sigmoid.instead('clipped line 0.2x + 0.5 (hard sigmoid)', (v) => Math.min(Math.max(0.2 * v + 0.5, 0), 1));
sigmoid.instead('overflow: e^x / (1 + e^x)', (v) => Math.exp(v) / (1 + Math.exp(v)));
sigmoid.input('sign of the exponent', 'x', (x) => each(x, (v) => -v));

const all = [dropout, flatten, concat, split, relu, tanh, sigmoid];
export const mutants = all.flatMap(({ list }) => list);
