/** Steps of generated graphs that are layers: the forms in which exporters write them. */
import { type Shape, sizeOf } from '../../../reference/tensor.ts';
import type { Attributes, Made, Maker } from './maker.ts';

/** Adds nodes that read x; false where they cannot. */
export type Step = (m: Maker, x: Made) => boolean;

const isMap = ({ shape }: Made): boolean => shape.length === 4;
/** Output extent of a window. */
const extent = (
  size: number,
  [before, after]: readonly number[],
  kernel: number,
  stride: number,
  dilation = 1,
  ceil = false,
): number => {
  const steps = (size + before + after - dilation * (kernel - 1) - 1) / stride;
  return (ceil ? Math.ceil(steps) : Math.floor(steps)) + 1;
};

/** Kernel, stride, pads and dilation over a plane, and what comes of it; null where nothing would. */
function window(m: Maker, [H, W]: Shape, dilates: boolean) {
  const kernel = [m.int(1, Math.min(4, H)), m.int(1, Math.min(4, W))];
  const strides = [m.int(1, 3), m.int(1, 3)];
  const dilations = dilates ? [m.int(1, 2), m.int(1, 2)] : [1, 1];
  const same = [0, 1].every((i) => dilations[i] === 1 && strides[i] <= kernel[i]); // all that onnxruntime takes
  const auto = m.pick(['', '', 'VALID', ...(same ? ['SAME_UPPER', 'SAME_LOWER'] : [])]);
  const pads =
    auto === '' && m.chance(0.6)
      ? kernel.concat(kernel).map((k) => m.int(0, Math.floor(k / 2)))
      : [0, 0, 0, 0];
  const out = [H, W].map((size, i) =>
    auto.startsWith('SAME')
      ? Math.ceil(size / strides[i])
      : extent(size, [pads[i], pads[2 + i]], kernel[i], strides[i], dilations[i]),
  );
  if (out.some((size) => size < 1)) return null;
  const attributes: Attributes = { kernel_shape: kernel };
  if (strides.some((s) => s > 1) || m.chance(0.5)) attributes.strides = strides;
  if (dilations.some((d) => d > 1)) attributes.dilations = dilations;
  if (auto !== '') attributes.auto_pad = auto;
  else if (pads.some((p) => p > 0)) attributes.pads = pads;
  return { kernel, out, attributes };
}

export const conv: Step = (m, x) => {
  if (!isMap(x)) return false;
  const [N, C, ...plane] = x.shape;
  const found = window(m, plane, true);
  if (!found) return false;
  const group = m.pick([1, 2, C].filter((g) => C % g === 0));
  const K = group * m.int(1, 3);
  const { kernel, out, attributes } = found;
  const w = m.weights([K, C / group, ...kernel], x.dtype, Math.sqrt(6 / ((C / group) * sizeOf(kernel))));
  const bias = m.chance(0.6) ? [m.weights([K], x.dtype, 0.3)] : [];
  return m.make(
    x.dtype,
    [N, K, ...out],
    'Conv',
    [x.name, w, ...bias],
    group > 1 ? { ...attributes, group } : attributes,
  );
};

export const pool: Step = (m, x) => {
  if (!isMap(x)) return false;
  const op = m.pick(['MaxPool', 'AveragePool', 'GlobalAveragePool', 'GlobalMaxPool']);
  const [N, C, ...plane] = x.shape;
  // onnxruntime 1.30 fuses a Pad into a MaxPool, whose own padding is −∞ and not 0
  if (op === 'MaxPool' && m.nodes.some((node) => node.op === 'Pad' && node.outputs?.includes(x.name)))
    return false;
  if (op.startsWith('Global')) return m.make(x.dtype, [N, C, 1, 1], op, [x.name]);
  const found = window(m, plane, op === 'MaxPool' && m.chance(0.3));
  if (!found) return false;
  const { out, attributes } = found;
  if (op === 'AveragePool' && m.chance(0.4))
    return m.make(x.dtype, [N, C, ...out], op, [x.name], { ...attributes, count_include_pad: 1 });
  if (op === 'AveragePool' || m.chance(0.8)) return m.make(x.dtype, [N, C, ...out], op, [x.name], attributes);
  const [y] = m.node(op, [x.name], attributes, 2);
  return m.add(y, [N, C, ...out], x.dtype);
};

export const normalise: Step = (m, x) => {
  if (!isMap(x)) return false;
  const C = x.shape[1];
  if (m.chance(0.5)) {
    const attributes = {
      size: m.pick([1, 3, 5]),
      alpha: { float: m.pick([1e-4, 0.1, 1]) },
      beta: { float: m.pick([0.5, 0.75]) },
      bias: { float: m.pick([1, 2]) },
    };
    return m.make(x.dtype, x.shape, 'LRN', [x.name], attributes);
  }
  const vector = (scale: number, offset: number) => m.weights([C], x.dtype, scale, offset);
  const vectors = [vector(1, 0), vector(1, 0), vector(0.5, 0), vector(0.5, 1)];
  return m.make(
    x.dtype,
    x.shape,
    'BatchNormalization',
    [x.name, ...vectors],
    m.chance(0.5) ? { epsilon: { float: 1e-3 } } : {},
  );
};

export const activation: Step = (m, x) => {
  const op = m.pick([
    'Relu',
    'Relu',
    'Tanh',
    'Sigmoid',
    'LeakyRelu',
    'Clip',
    'Abs',
    'Neg',
    'Identity',
    'Exp',
  ]);
  if (op === 'Clip')
    return m.make(x.dtype, x.shape, op, [
      x.name,
      m.weights([], x.dtype, 0, -0.5),
      m.weights([], x.dtype, 0, 0.75),
    ]);
  if (op === 'Exp') {
    const bounded = m.node('Tanh', [x.name])[0];
    return m.make(x.dtype, x.shape, op, [bounded]);
  }
  return m.make(x.dtype, x.shape, op, [x.name], op === 'LeakyRelu' ? { alpha: { float: 0.125 } } : {});
};

export const dropout: Step = (m, x) => {
  const given = m.chance(0.5) ? [m.weights([], 'float32', 0, 0.5)] : [];
  return m.make(x.dtype, x.shape, 'Dropout', [
    x.name,
    ...given,
    ...(given.length > 0 && m.chance(0.4) ? [m.flag(false)] : []),
  ]);
};

export const flatten: Step = (m, x) => {
  const axis = m.int(0, x.shape.length);
  const two = [sizeOf(x.shape.slice(0, axis)), sizeOf(x.shape.slice(axis))];
  if (m.chance(0.6)) return m.make(x.dtype, two, 'Flatten', [x.name], { axis });
  const rest = sizeOf(x.shape.slice(1));
  return m.make(x.dtype, [x.shape[0], rest], 'Reshape', [
    x.name,
    m.ints(
      m.pick([
        [0, -1],
        [-1, rest],
        [x.shape[0], rest],
      ]),
    ),
  ]);
};

export const linear: Step = (m, x) => {
  if (x.shape.length !== 2 || x.shape[1] > 2000) return false;
  const [N, I] = x.shape;
  const O = m.int(2, 12);
  const scale = Math.sqrt(6 / I);
  if (m.chance(0.35)) {
    const [y] = m.node('MatMul', [x.name, m.weights([I, O], x.dtype, scale)]);
    if (m.chance(0.5)) return m.add(y, [N, O], x.dtype);
    return m.make(
      x.dtype,
      [N, O],
      'Add',
      m.chance(0.5) ? [y, m.weights([O], x.dtype)] : [m.weights([1, O], x.dtype), y],
    );
  }
  const transB = m.int(0, 1);
  const w = m.weights(transB ? [O, I] : [I, O], x.dtype, scale, m.chance(0.2) ? scale : 0);
  const c = m.chance(0.7) ? [m.weights(m.pick([[O], [1, O], [N, 1], [], [N, O]]), x.dtype, 0.5)] : [];
  const factors: Attributes = m.chance(0.4) ? { alpha: m.number(-2, 2), beta: m.number(-2, 2) } : {};
  const across = m.chance(0.15);
  const [a] = across ? m.node('Transpose', [x.name], { perm: [1, 0] }) : [x.name];
  return m.make(x.dtype, [N, O], 'Gemm', [a, w, ...c], {
    ...(transB && { transB }),
    ...(across && { transA: 1 }),
    ...factors,
  });
};

export const softmax: Step = (m, x) => {
  const axis: Attributes = m.chance(0.3) ? {} : { axis: m.int(-x.shape.length, x.shape.length - 1) };
  return m.make(x.dtype, x.shape, m.pick(['Softmax', 'LogSoftmax']), [x.name], axis);
};

/** A convolution over one dimension, or one that is transposed. */
export const otherConv: Step = (m, x) => {
  if (x.shape.length !== 3 && !isMap(x)) return false;
  const [N, C, ...plane] = x.shape;
  const isTransposed = isMap(x);
  const kernel = plane.map((size) => m.int(1, Math.min(3, size)));
  const strides = plane.map(() => m.int(1, 2));
  const K = m.int(1, 4);
  const out = plane.map((size, i) =>
    isTransposed ? (size - 1) * strides[i] + kernel[i] : extent(size, [0, 0], kernel[i], strides[i]),
  );
  if (sizeOf(out) * K > 6000) return false;
  const w = m.weights([isTransposed ? C : K, isTransposed ? K : C, ...kernel], x.dtype, 0.5);
  const op = isTransposed ? 'ConvTranspose' : 'Conv';
  return m.make(x.dtype, [N, K, ...out], op, [x.name, w], { strides, kernel_shape: kernel });
};

/** Dropout as it trains: its mask is the device's own. */
export const drawn: Step = (m, x) => {
  if (m.chance(0.8)) return false;
  const [y] = m.node(
    'Dropout',
    [x.name, m.weights([], 'float32', 0, m.pick([0.25, 0.5])), m.flag(true)],
    {},
    m.int(1, 2),
  );
  return m.add(y, x.shape, x.dtype);
};
