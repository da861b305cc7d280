/** Known wrong gradients: each must disagree with PyTorch's on a case of fixtures/ops/<operation>/backward.json. */
import { reverse } from '../../lib/judge/mistakes/tools.ts';
import * as ops from '../../reference/ops/index.ts';
import { plain } from '../../reference/oracle.ts';
import { dense, map, type Tensor, tensor } from '../../reference/tensor.ts';
import { type BackwardCase, backwards, type Gradients } from './backwards.ts';

export interface WrongGradient {
  readonly operation: string;
  readonly mistake: string;
  readonly wrong: (test: BackwardCase) => Gradients;
}

export const wrongGradients: WrongGradient[] = [];

function add(operation: string, mistake: string, wrong: WrongGradient['wrong']): void {
  wrongGradients.push({ operation, mistake, wrong });
}

/** The right gradients of an altered case. */
function altered(operation: string, mistake: string, change: (test: BackwardCase) => object): void {
  add(operation, mistake, (test) => {
    const { dy, ...call } = { ...test, ...change(test) };
    return backwards[operation].run(call, dy, 'float64');
  });
}

// biome-ignore lint/suspicious/noExplicitAny: each operation has its own attributes
function attributes(operation: string, mistake: string, change: (attributes: any) => object): void {
  altered(operation, mistake, (test) => ({
    attributes: { ...test.attributes, ...change(test.attributes) },
  }));
}

/** Elementwise mistakes: dx = f(dy, x, y). */
function elementwise(
  name: 'relu' | 'tanh' | 'sigmoid' | 'softmax',
  mistake: string,
  f: (dy: number, x: number, y: number) => number,
): void {
  add(name, mistake, ({ dy, inputs: { x } }) => {
    const Y = dense(plain[name].forward([x], undefined, 'float64'));
    const DY = dense(dy);
    const X = dense(x);
    const dx = new Float64Array(Y).map((y, i) => f(DY[i], X[i], y));
    return { dx: tensor(dx, x.shape) };
  });
}

elementwise('relu', 'lets everything through', (dy) => dy);
elementwise('relu', "the mask is dy's sign", (dy) => Math.max(0, dy));
elementwise('relu', 'lets 0 through', (dy, x) => (x >= 0 ? dy : 0));
elementwise('tanh', '1 − y', (dy, _, y) => dy * (1 - y));
elementwise('tanh', '1 − x²', (dy, x) => dy * (1 - x * x));
elementwise('tanh', "sigmoid's y·(1 − y)", (dy, _, y) => dy * y * (1 - y));
elementwise('sigmoid', '1 − y²', (dy, _, y) => dy * (1 - y * y));
elementwise('sigmoid', '1 − y', (dy, _, y) => dy * (1 - y));
elementwise('sigmoid', 'y alone', (dy, _, y) => dy * y);
elementwise('softmax', 'the diagonal of the Jacobian alone', (dy, _, y) => dy * y * (1 - y));
elementwise('softmax', 'no sum', (dy, _, y) => dy * y);
altered('softmax', 'the classes in reverse', ({ inputs: { x } }) => ({ inputs: { x: reverse(x, 1) } }));

attributes('lrn', 'α divided or not', ({ divide }) => ({ divide: !divide }));
attributes('lrn', 'the towers forgotten', () => ({ groups: 1 }));
add('lrn', 'the window is not mirrored', ({ dy, inputs: { x }, attributes: a }) => {
  const even = a.even === 'above' ? 'below' : 'above';
  return { dx: ops.lrn.inputGradient(dy, x, ops.lrn.denominators(x, a), { ...a, even }, 'float64') };
});
attributes('mapnorm', 'α divided or not', ({ divide }) => ({ divide: !divide }));
add('mapnorm', 'the window is not mirrored', ({ dy, inputs: { x }, attributes: a }) => {
  const s = tensor(ops.mapnorm.denominators(x, a), x.shape);
  const [DY, X, S] = [dy, x, s].map((t) => reverse(t, 2, 3));
  const dx = ops.mapnorm.inputGradient(DY, X, dense(S) as Float64Array, a, 'float64');
  return { dx: reverse(dx, 2, 3) };
});
for (const [name, scale, mistake] of [
  ['lrn', 0, 's taken for a constant'],
  ['lrn', 0.5, 'the factor 2 of the square forgotten'],
  ['mapnorm', 0, 's taken for a constant'],
  ['mapnorm', 0.5, 'the factor 2 of the square forgotten'],
] as const) {
  add(name, mistake, ({ dy, inputs: { x }, attributes: a }) => {
    const { denominators, inputGradient } = name === 'lrn' ? ops.lrn : ops.mapnorm;
    const altered = { ...a, alpha: scale * a.alpha };
    return { dx: inputGradient(dy, x, denominators(x, a), altered, 'float64') };
  });
}

add('maxpool', 'every maximum for the first', (test) => {
  const { every } = backwards.maxpool.run(test, test.dy, 'float64');
  return { dx: every, every };
});
add('maxpool', 'the first maximum for every one', (test) => {
  const { dx } = backwards.maxpool.run(test, test.dy, 'float64');
  return { dx, every: dx };
});
add('maxpool', 'overlapping windows overwrite each other', ({ dy, inputs: { x }, attributes: a }) => {
  const dx = new Float64Array(x.size);
  ops.maxpool.winners(x, a).forEach((at, y) => {
    if (at >= 0) dx[at] = dense(dy)[y];
  });
  return { dx: tensor(dx, x.shape), every: tensor(dx, x.shape) };
});

for (const divisor of ['valid', 'window', 'caffe']) {
  attributes('avgpool', `the divisor is always '${divisor}'`, () => ({ divisor }));
}
altered('avgpool', 'dy upside down', ({ dy }) => ({ dy: reverse(dy, 2) }));
altered('adaptiveavgpool', 'dy upside down', ({ dy }) => ({ dy: reverse(dy, 2) }));
altered('adaptiveavgpool', 'images exchanged', ({ dy }) => ({ dy: reverse(dy, 0) }));
add('adaptiveavgpool', 'dy divided twice', ({ dy, inputs: { x }, attributes: a }) => {
  const shared = (d: Tensor) => dense(ops.adaptiveavgpool.backward(d, [x], d, a)[0] as Tensor);
  const sizes = shared(map(dy, () => 1));
  const twiceDivided = new Float64Array(shared(dy)).map((v, i) => v * sizes[i]);
  return { dx: tensor(twiceDivided, x.shape) };
});

altered('dropout', 'no mask', ({ inputs: { x } }) => ({ inputs: { x } }));
attributes('dropout', 'the other convention', ({ convention }) => ({
  convention: convention === 'paper' ? 'inverted' : 'paper',
}));
altered('dropout', 'keep and drop exchanged', ({ inputs }) => ({
  inputs: inputs.mask ? { ...inputs, mask: map(inputs.mask, (v) => 1 - v) } : inputs,
}));

attributes('flatten', 'the other order', ({ order }) => ({ order: order === 'CHW' ? 'HWC' : 'CHW' }));
attributes('split', 'another part', ({ parts, part }) => ({ part: (part + 1) % parts }));
altered('concat', 'channels in reverse', ({ dy }) => ({ dy: reverse(dy, 1) }));
const twice = (t: Tensor): Tensor => map(t, (v) => 2 * v);
for (const operation of ['flatten', 'concat', 'split']) {
  altered(operation, 'twice the gradient', ({ dy }) => ({ dy: twice(dy) }));
  altered(operation, 'images exchanged', ({ dy }) => ({ dy: reverse(dy, 0) }));
}
