/**
 * Local response normalisation across channels.
 *
 *   y[n,c,h,w] = x[n,c,h,w] / s[n,c,h,w]^β
 *   s[n,c,h,w] = k + α′ · Σ_{j ∈ win(c)} x[n,j,h,w]²,   win(c) clipped to the channels of c's group
 *
 * Paper   section 3.3: n = 5 (here `size`), k = 2, α = 1e-4, β = 0.75, after ReLU.
 * ONNX    LRN, since opset 1.
 * Clash   α′ = α in the paper's formula and in TensorFlow; α′ = α/n in the authors' released code, Caffe, PyTorch,
 *         ONNX and MATLAB (`divide`).
 *         An even window reaches one channel further up (ONNX: ⌊(n−1)/2⌋ below, ⌈(n−1)/2⌉ above) or down
 *         (PyTorch and cuda-convnet: n/2 below).
 *         The authors normalised inside each tower (`groups` = 2); the paper's sum runs over "n “adjacent” kernel
 *         maps" of the N in the layer.
 * Letters x, y, s (N,C,H,W).
 */
import { invPow } from '../math.ts';
import { dense, type Precision, precisionOf, type Tensor, zeros } from '../tensor.ts';
import { type Backward, type Forward, gradientOf, type ShapeOf } from './operation.ts';

export interface Attributes {
  readonly size: number;
  readonly alpha: number;
  readonly beta: number;
  readonly k: number;
  /** Whether α is divided by the window's size. */
  readonly divide: boolean;
  /** On which side of c an even window has its extra channel. */
  readonly even: 'above' | 'below';
  readonly groups: number;
}

export const shape: ShapeOf<Attributes> = ([x], { size, groups }) => {
  if (x.length !== 4) throw new RangeError(`lrn: x must have 4 dimensions (shape = [${x}])`);
  if (!Number.isInteger(size) || size < 1)
    throw new RangeError(`lrn: size must be a positive integer (= ${size})`);
  if (!Number.isInteger(groups) || groups < 1 || x[1] % groups !== 0) {
    throw new RangeError(`lrn: groups must divide channels (groups = ${groups}, channels = ${x[1]})`);
  }
  return x;
};

/** The channels [first, last] of c's window. */
export function windowOf(c: number, C: number, { size, even, groups }: Attributes): [number, number] {
  const below = even === 'above' ? Math.floor((size - 1) / 2) : Math.floor(size / 2);
  const perGroup = C / groups;
  const start = Math.floor(c / perGroup) * perGroup;
  return [Math.max(start, c - below), Math.min(start + perGroup - 1, c - below + size - 1)];
}

/** α′. */
const scaleOf = ({ alpha, size, divide }: Attributes): number => (divide ? alpha / size : alpha);

/** y = x / s^β. */
export const forward: Forward<Attributes> = ([x], attributes, precision = precisionOf(x)) => {
  const y = zeros(shape([x.shape], attributes), precision);
  const Y = y.data;
  const X = dense(x);
  const s = denominators(x, attributes);
  for (let i = 0; i < X.length; i++) Y[i] = X[i] * invPow(s[i], attributes.beta);
  return y;
};

/** s, in float64. */
export function denominators(x: Tensor, attributes: Attributes): Float64Array {
  const [N, C, H, W] = x.shape;
  const HW = H * W;
  const scale = scaleOf(attributes);
  const X = dense(x);
  const s = new Float64Array(X.length);
  for (let n = 0; n < N; n++) {
    for (let c = 0; c < C; c++) {
      const [first, last] = windowOf(c, C, attributes);
      for (let p = 0; p < HW; p++) {
        let sum = 0;
        for (let j = first; j <= last; j++) sum += X[(n * C + j) * HW + p] * X[(n * C + j) * HW + p];
        s[(n * C + c) * HW + p] = attributes.k + scale * sum;
      }
    }
  }
  return s;
}

/**
 * dx = dy·s^−β − 2βα′·x·Σ_{j: c ∈ win(j)} dy[j]·x[j]·s[j]^−(β+1). The channels j whose windows hold c are the mirror
 * image of c's own window: of an even one the longer side changes.
 */
export const backward: Backward<Attributes> = (dy, [x], _y, attributes, how = {}) => [
  inputGradient(dy, x, denominators(x, attributes), attributes, how.precision),
];

/** dx for a given s. */
export function inputGradient(
  dy: Tensor,
  x: Tensor,
  s: Float64Array,
  attributes: Attributes,
  precision: Precision = precisionOf(dy),
): Tensor {
  const [N, C, H, W] = shape([x.shape], attributes);
  const HW = H * W;
  const { beta } = attributes;
  const scale = scaleOf(attributes);
  const mirrored: Attributes = { ...attributes, even: attributes.even === 'above' ? 'below' : 'above' };
  const DY = gradientOf('lrn', dy, x.shape);
  const X = dense(x);
  const dx = zeros(x.shape, precision);
  const DX = dx.data;
  // Y[i] = X[i] * invPow(s[i], beta), differentiated by s[i]: −β · through[i]
  const through = s.map((v, i) => (DY[i] * X[i] * invPow(v, beta)) / v);
  for (let n = 0; n < N; n++) {
    for (let c = 0; c < C; c++) {
      const [first, last] = windowOf(c, C, mirrored);
      for (let p = 0; p < HW; p++) {
        // s[j] = k + scale * sum, where sum += X[i] * X[i] for every j in whose window c lies
        let sum = 0;
        for (let j = first; j <= last; j++) sum += through[(n * C + j) * HW + p];
        const i = (n * C + c) * HW + p;
        DX[i] = DY[i] * invPow(s[i], beta) - 2 * beta * scale * X[i] * sum;
      }
    }
  }
  return dx;
}
