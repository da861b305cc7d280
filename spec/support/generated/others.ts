/** Steps of generated graphs that compute value by value, reduce or move. */
import { sizeOf } from '../../../reference/tensor.ts';
import type { Step } from './layers.ts';
import type { Made } from './maker.ts';

export const arithmetic: Step = (m, x) => {
  const op = m.pick(['Add', 'Sub', 'Mul', 'Div', 'Max', 'Min', 'Sum', 'Mean']);
  const same = m.values.filter((v) => v.dtype === x.dtype && v.shape.join() === x.shape.join());
  const partner = m.pick(same).name;
  if (op !== 'Div' && m.chance(0.6))
    return m.make(x.dtype, x.shape, op, m.chance(0.5) ? [x.name, partner] : [partner, x.name]);
  const shape = x.shape.map((size) => (m.chance(0.5) ? 1 : size)).slice(m.int(0, x.shape.length));
  return m.make(x.dtype, x.shape, op, [x.name, m.weights(shape, x.dtype, 0.5, op === 'Div' ? 1.5 : 0)]);
};

export const reduce: Step = (m, x) => {
  const rank = x.shape.length;
  const op = m.pick(['ReduceMean', 'ReduceMean', 'ReduceSum', 'ReduceMax', 'ReduceMin', 'ReduceSumSquare']);
  const axes = x.shape.map((_, axis) => axis).filter((axis) => axis > 0 && m.chance(0.5));
  if (axes.length === 0) return false;
  const keepdims = m.int(0, 1);
  const shape = keepdims
    ? x.shape.map((size, i) => (axes.includes(i) ? 1 : size))
    : x.shape.filter((_, i) => !axes.includes(i));
  const asInput = op === 'ReduceSum' || m.opset >= 18;
  const named = m.chance(0.5) ? axes : axes.map((axis) => axis - rank);
  return m.make(x.dtype, shape, op, asInput ? [x.name, m.ints(named)] : [x.name], {
    keepdims,
    ...(!asInput && { axes: named }),
  });
};

export const transpose: Step = (m, x) => {
  const perm = x.shape.map((_, i) => i);
  for (let i = perm.length - 1; i > 0; i--) {
    const j = m.int(0, i);
    const kept = perm[i];
    perm[i] = perm[j];
    perm[j] = kept;
  }
  return m.make(
    x.dtype,
    perm.map((axis) => x.shape[axis]),
    'Transpose',
    [x.name],
    { perm },
  );
};

export const split: Step = (m, x) => {
  const axis = m.int(0, x.shape.length - 1);
  const size = x.shape[axis];
  if (size < 2) return false;
  const first = m.int(1, size - 1);
  const parts = [first, size - first];
  const names = m.node(
    'Split',
    [x.name, m.ints(parts)],
    { axis: m.chance(0.5) ? axis : axis - x.shape.length },
    2,
  );
  const shapes = parts.map((part) => x.shape.map((own, i) => (i === axis ? part : own)));
  for (const [i, name] of names.entries()) m.add(name, shapes[i], x.dtype);
  if (m.chance(0.6))
    m.make(x.dtype, x.shape, 'Concat', m.chance(0.5) ? names : [...names].reverse(), { axis });
  return true;
};

export const slice: Step = (m, x) => {
  const axis = m.int(0, x.shape.length - 1);
  const start = m.int(0, x.shape[axis] - 1);
  const end = m.int(start + 1, x.shape[axis]);
  const step = m.int(1, 2);
  const shape = x.shape.map((size, i) => (i === axis ? Math.ceil((end - start) / step) : size));
  return m.make(x.dtype, shape, 'Slice', [
    x.name,
    m.ints([start]),
    m.ints([end]),
    m.ints([axis]),
    m.ints([step]),
  ]);
};

export const pad: Step = (m, x) => {
  const before = x.shape.map(() => (m.chance(0.5) ? 0 : m.int(0, 2)));
  const after = x.shape.map(() => (m.chance(0.5) ? 0 : m.int(0, 2)));
  const shape = x.shape.map((size, i) => size + before[i] + after[i]);
  if (sizeOf(shape) > 20_000) return false;
  const mode = m.pick(['constant', 'edge', 'reflect']);
  if (mode === 'reflect' && x.shape.some((size, i) => Math.max(before[i], after[i]) >= size)) return false;
  const value = mode === 'constant' && m.chance(0.5) ? [m.weights([], x.dtype, 0, 0.25)] : [];
  return m.make(x.dtype, shape, 'Pad', [x.name, m.ints([...before, ...after]), ...value], { mode });
};

export const concat: Step = (m, x) => {
  const axis = m.int(0, x.shape.length - 1);
  const fits = (v: Made) =>
    v.dtype === x.dtype &&
    v.shape.length === x.shape.length &&
    v.shape.every((size, i) => i === axis || size === x.shape[i]);
  const others = Array.from({ length: m.int(1, 2) }, () => m.pick(m.values.filter(fits)));
  const sum = others.reduce((total, v) => total + v.shape[axis], x.shape[axis]);
  const shape = x.shape.map((size, i) => (i === axis ? sum : size));
  return m.make(
    x.dtype,
    shape,
    'Concat',
    [x, ...others].map(({ name }) => name),
    { axis },
  );
};

export const squeeze: Step = (m, x) => {
  const axis = x.shape.findIndex((size, i) => i > 0 && size === 1);
  if (axis > 0)
    return m.make(
      x.dtype,
      x.shape.filter((_, i) => i !== axis),
      'Squeeze',
      [x.name, m.ints([axis])],
    );
  if (x.shape.length > 3) return false;
  return m.make(x.dtype, [...x.shape, 1], 'Unsqueeze', [x.name, m.ints([x.shape.length])]);
};

export const topK: Step = (m, x) => {
  const size = x.shape.at(-1) as number;
  if (x.shape.length === 0 || size > 500) return false;
  const k = m.int(1, Math.min(4, size));
  const [top] = m.node('TopK', [x.name, m.ints([k])], {}, 2);
  return m.add(top, [...x.shape.slice(0, -1), k], x.dtype);
};

export const power: Step = (m, x) => {
  const positive = m.node('Add', [m.node('Abs', [x.name])[0], m.weights([], x.dtype, 0, 0.5)])[0];
  const op = m.pick(['Sqrt', 'Log', 'Reciprocal', 'Pow']);
  return m.make(
    x.dtype,
    x.shape,
    op,
    op === 'Pow' ? [positive, m.weights([], x.dtype, 0, -0.75)] : [positive],
  );
};

/** To the other type, or there and back. */
export const cast: Step = (m, x) => {
  const other = x.dtype === 'float16' ? 'float32' : 'float16';
  const away = m.cast(x.name, other);
  return m.chance(0.5) ? m.add(m.cast(away, x.dtype), x.shape, x.dtype) : m.add(away, x.shape, other);
};

/** Large and small numbers: to where float16 overflows, and among its subnormals. */
export const scaled: Step = (m, x) => {
  const factor = m.weights([], x.dtype, 0, m.pick([2 ** -10, 2 ** -6, 2 ** 6, 2 ** 9]));
  return m.make(x.dtype, x.shape, 'Mul', [x.name, factor]);
};

/** Bools and integers on the way: what is larger, where the largest is, what a shape is. */
export const selected: Step = (m, x) => {
  const kind = m.pick(['where', 'argmax', 'shape', 'gather']);
  if (kind === 'where') {
    const [is] = m.node(m.pick(['Greater', 'LessOrEqual']), [x.name, m.weights([], x.dtype, 0, 0.125)]);
    return m.make(x.dtype, x.shape, 'Where', [is, x.name, m.weights([], x.dtype)]);
  }
  if (kind === 'shape') {
    const [shape] = m.node('Shape', [x.name]);
    const [flat] = m.node('Reshape', [x.name, m.ints([-1])]);
    return m.make(x.dtype, x.shape, 'Reshape', [flat, shape]);
  }
  if (x.shape.length === 0) return false;
  const axis = x.shape.length - 1;
  if (kind === 'gather') {
    const at = Array.from({ length: m.int(1, 4) }, () => m.int(0, x.shape[axis] - 1));
    return m.make(x.dtype, [...x.shape.slice(0, axis), at.length], 'Gather', [x.name, m.ints(at)], { axis });
  }
  const [at] = m.node('ArgMax', [x.name], { axis, keepdims: 1 });
  return m.add(m.cast(at, x.dtype), [...x.shape.slice(0, axis), 1], x.dtype);
};
