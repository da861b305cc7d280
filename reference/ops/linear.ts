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
import {
  allocate,
  dense,
  type Precision,
  precisionOf,
  type Shape,
  sizeOf,
  type Tensor,
  tensor,
} from '../tensor.ts';
import type { Wanted } from './conv2d.ts';
import type { Terms } from './terms.ts';

/** (N,O). */
export function shape(x: Shape, w: Shape): Shape {
  if (x.length !== 2) throw new Error(`linear: x must have 2 dimensions (shape = [${x}])`);
  if (w.length !== 2) throw new Error(`linear: w must have 2 dimensions (shape = [${w}])`);
  if (w[1] !== x[1]) throw new Error(`linear: w must have ${x[1]} inputs, as x has (w = [${w}])`);
  return [x[0], w[0]];
}

export const macs = (x: Shape, w: Shape): number => sizeOf(shape(x, w)) * w[1];

/** y in `precision`: float64 accumulation in ascending i, then the bias, then one rounding. */
export function forward(
  x: Tensor,
  w: Tensor,
  b: Tensor | null,
  precision: Precision = precisionOf(x),
): { y: Tensor } {
  const [N, O] = shape(x.shape, w.shape);
  const I = w.shape[1];
  const X = dense(x);
  const F = dense(w);
  const B = b && dense(b);
  if (B && B.length !== O) throw new Error(`linear: b must have ${O} values (= ${B.length})`);
  const Y = allocate(N * O, precision);
  for (let n = 0; n < N; n++) {
    for (let o = 0; o < O; o++) {
      let sum = 0;
      for (let i = 0; i < I; i++) sum += F[o * I + i] * X[n * I + i];
      Y[n * O + o] = B ? sum + B[o] : sum;
    }
  }
  return { y: tensor(Y, [N, O]) };
}

export interface Gradients {
  /** (N,I); null where it was not wanted. */
  readonly dx: Tensor | null;
  /** (O,I). */
  readonly dw: Tensor;
  /** (O). */
  readonly db: Tensor;
}

/**
 * Gradients of y = b + Σ_i w·x, given dy (N,O); all in `precision`. Float64 accumulation, one rounding: dx
 * over ascending o, dw and db over ascending n.
 */
export function backward(
  dy: Tensor,
  x: Tensor,
  w: Tensor,
  precision: Precision = precisionOf(x),
  wanted: Wanted = { dx: true },
): Gradients {
  const [N, O] = shape(x.shape, w.shape);
  if (dy.shape.join() !== [N, O].join()) {
    throw new Error(`linear: dy must be shaped as y, [${N},${O}] (= [${dy.shape}])`);
  }
  return {
    dx: wanted.dx ? combineRows(dy, w, precision) : null,
    dw: weightGradient(dy, x, precision),
    db: biasGradient(dy, precision),
  };
}

// sum += F[o * I + i] * X[n * I + i], for one x: every neuron's weight of it
function combineRows(dy: Tensor, w: Tensor, precision: Precision): Tensor {
  const [N, O] = dy.shape;
  const I = w.shape[1];
  const DY = dense(dy);
  const F = dense(w);
  const DX = allocate(N * I, precision);
  const sums = new Float64Array(I);
  for (let n = 0; n < N; n++) {
    sums.fill(0);
    for (let o = 0; o < O; o++) for (let i = 0; i < I; i++) sums[i] += F[o * I + i] * DY[n * O + o];
    DX.set(sums, n * I);
  }
  return tensor(DX, [N, I]);
}

// sum += F[o * I + i] * X[n * I + i], for one w: every image's input to it
function weightGradient(dy: Tensor, x: Tensor, precision: Precision): Tensor {
  const [N, O] = dy.shape;
  const I = x.shape[1];
  const DY = dense(dy);
  const X = dense(x);
  const DW = allocate(O * I, precision);
  const sums = new Float64Array(I);
  for (let o = 0; o < O; o++) {
    sums.fill(0);
    for (let n = 0; n < N; n++) for (let i = 0; i < I; i++) sums[i] += DY[n * O + o] * X[n * I + i];
    DW.set(sums, o * I);
  }
  return tensor(DW, [O, I]);
}

/** Y[n * O + o] = sum + B[o]: each image adds its dy. */
export function biasGradient(dy: Tensor, precision: Precision): Tensor {
  const [N, O] = dy.shape;
  const DY = dense(dy);
  const sums = new Float64Array(O);
  for (let n = 0; n < N; n++) for (let o = 0; o < O; o++) sums[o] += DY[n * O + o];
  const DB = allocate(O, precision);
  DB.set(sums);
  return tensor(DB, [O]);
}

/** Per output: magnitude = Σ|w·x| + |b| and squares = Σ(w·x)² + b², both (N,O) in float64. */
export function terms(x: Tensor, w: Tensor, b: Tensor | null): Terms {
  const yShape = shape(x.shape, w.shape);
  const [N, O] = yShape;
  const I = w.shape[1];
  const X = dense(x);
  const F = dense(w);
  const magnitude = new Float64Array(N * O);
  const squares = new Float64Array(N * O);
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
      magnitude[n * O + o] = absolute + Math.abs(bias);
      squares[n * O + o] = square + bias * bias;
    }
  }
  return { magnitude: tensor(magnitude, yShape), squares: tensor(squares, yShape), count: I };
}
