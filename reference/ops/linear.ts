/**
 * Fully connected layer.
 *
 *   y[n,o] = b[o] + Σ_i w[o,i] · x[n,i]
 *
 * Paper   section 3.5: fc6, fc7 (4096 neurons) and fc8 (1000) "are connected to all neurons in the previous layer".
 * ONNX    Gemm(x, w, b, transB = 1).
 * Clash   w is (out, in), as in Caffe, PyTorch and ONNX; TensorFlow and cuda-convnet store (in, out).
 * Letters x (N,I), w (O,I), b (O), y (N,O).
 */
import { dense, type Precision, precisionOf, type Shape, sizeOf, type Tensor, zeros } from '../tensor.ts';
import { type Backward, type Forward, gradientOf, type ShapeOf, type Terms } from './operation.ts';

/** What a layer says about its weights. */
export interface LinearSizes {
  /** Number of neurons. */
  readonly channels: number;
}

/** (O,I) and (O). */
export const parameters = (x: Shape, { channels }: LinearSizes): readonly [Shape, Shape] => [
  [channels, x[1]],
  [channels],
];

/** (N,O). */
export const shape: ShapeOf = ([x, w]) => {
  if (x.length !== 2) throw new RangeError(`linear: x must have 2 dimensions (shape = [${x}])`);
  if (w.length !== 2) throw new RangeError(`linear: w must have 2 dimensions (shape = [${w}])`);
  if (w[1] !== x[1]) throw new RangeError(`linear: w must have ${x[1]} inputs, as x has (w = [${w}])`);
  return [x[0], w[0]];
};

export const macs = ([x, w]: readonly Shape[]): number => sizeOf(shape([x, w])) * w[1];

/** Float64 accumulation in ascending i, then the bias, then one rounding. */
export const forward: Forward = ([x, w, b], _, precision = precisionOf(x)) => {
  const y = zeros(shape([x.shape, w.shape]), precision);
  const Y = y.data;
  const [N, O] = y.shape;
  const I = w.shape[1];
  const X = dense(x);
  const F = dense(w);
  const B = b && dense(b);
  if (B && B.length !== O) throw new RangeError(`linear: b must have ${O} values (= ${B.length})`);
  for (let n = 0; n < N; n++) {
    for (let o = 0; o < O; o++) {
      let sum = 0;
      for (let i = 0; i < I; i++) sum += F[o * I + i] * X[n * I + i];
      Y[n * O + o] = B ? sum + B[o] : sum;
    }
  }
  return y;
};

/**
 * Gradients of y = b + Σ_i w·x: dx (N,I), dw (O,I), db (O). Float64 accumulation, one rounding: dx over ascending o,
 * dw and db over ascending n.
 */
export const backward: Backward = (dy, [x, w], _y, _, how = {}) => {
  const { precision = precisionOf(x), dx = true, dw = true } = how;
  gradientOf('linear', dy, shape([x.shape, w.shape]));
  return [
    dx ? combineRows(dy, w, precision) : null,
    dw ? weightGradient(dy, x, precision) : null,
    dw ? biasGradient(dy, precision) : null,
  ];
};

// sum += F[o * I + i] * X[n * I + i], for one x: every neuron's weight of it
function combineRows(dy: Tensor, w: Tensor, precision: Precision): Tensor {
  const [N, O] = dy.shape;
  const I = w.shape[1];
  const DY = dense(dy);
  const F = dense(w);
  const dx = zeros([N, I], precision);
  const sums = new Float64Array(I);
  for (let n = 0; n < N; n++) {
    sums.fill(0);
    for (let o = 0; o < O; o++) for (let i = 0; i < I; i++) sums[i] += F[o * I + i] * DY[n * O + o];
    dx.data.set(sums, n * I);
  }
  return dx;
}

// sum += F[o * I + i] * X[n * I + i], for one w: every image's input to it
function weightGradient(dy: Tensor, x: Tensor, precision: Precision): Tensor {
  const [N, O] = dy.shape;
  const I = x.shape[1];
  const DY = dense(dy);
  const X = dense(x);
  const dw = zeros([O, I], precision);
  const sums = new Float64Array(I);
  for (let o = 0; o < O; o++) {
    sums.fill(0);
    for (let n = 0; n < N; n++) for (let i = 0; i < I; i++) sums[i] += DY[n * O + o] * X[n * I + i];
    dw.data.set(sums, o * I);
  }
  return dw;
}

/** Y[n * O + o] = sum + B[o]: each image adds its dy. */
export function biasGradient(dy: Tensor, precision: Precision): Tensor {
  const [N, O] = dy.shape;
  const DY = dense(dy);
  const db = zeros([O], precision);
  const sums = new Float64Array(O);
  for (let n = 0; n < N; n++) for (let o = 0; o < O; o++) sums[o] += DY[n * O + o];
  db.data.set(sums);
  return db;
}

/** magnitude and squares are (N,O). */
export function terms([x, w, b]: readonly Tensor[]): Terms {
  const [N, O] = shape([x.shape, w.shape]);
  const I = w.shape[1];
  const X = dense(x);
  const F = dense(w);
  const magnitude = zeros([N, O], 'float64');
  const squares = zeros([N, O], 'float64');
  for (let n = 0; n < N; n++) {
    for (let o = 0; o < O; o++) {
      let absolute = 0;
      let square = 0;
      for (let i = 0; i < I; i++) {
        const product = F[o * I + i] * X[n * I + i];
        absolute += Math.abs(product);
        square += product * product;
      }
      const bias = b ? dense(b)[o] : 0;
      magnitude.data[n * O + o] = absolute + Math.abs(bias);
      squares.data[n * O + o] = square + bias * bias;
    }
  }
  return { magnitude, squares, count: I };
}
