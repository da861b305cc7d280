/**
 * 2-d convolution (cross-correlation, as in every framework: the kernel is not flipped), in G groups.
 *
 *   y[n,k,p,q] = b[k] + Σ_{c,r,s} w[k,c,r,s] · x[n, g·C/G + c, h, v]
 *   h = p·stride_h − top + r·dilation_h,   v = q·stride_w − left + s·dilation_w,   g = ⌊k / (K/G)⌋
 *   Taps outside the image contribute nothing.
 *
 * Paper   Krizhevsky, Sutskever, Hinton 2012, section 3.5: the kernels of conv2, conv4 and conv5 (here G = 2) "are
 *         connected only to those kernel maps in the previous layer which reside on the same GPU".
 * ONNX    Conv, since opset 1 (auto_pad is never used; pads are [top, left, bottom, right]).
 * Clash   cuda-convnet rounds the output size up; the same arithmetic is written here as pad [0,0,3,3] on a 224 input.
 * Letters x (N,C,H,W), w (K,C/G,R,S), b (K), y (N,K,P,Q).
 */
import {
  dense,
  magnitudes,
  type Precision,
  precisionOf,
  type Shape,
  squares,
  type Tensor,
  zeros,
} from '../tensor.ts';
import { type Backward, type Forward, gradientOf, type ShapeOf, type Terms } from './operation.ts';

export interface Attributes {
  readonly stride: readonly [number, number];
  /** [top, left, bottom, right], each ≥ 0. */
  readonly pad: readonly [number, number, number, number];
  readonly dilation: readonly [number, number];
  readonly groups: number;
}

const positive = (value: number): boolean => Number.isInteger(value) && value > 0;

/** What a layer says about its weights. */
export interface ConvSizes {
  /** K. */
  readonly channels: number;
  /** [R, S]. */
  readonly kernel: readonly [number, number];
  readonly attributes: Attributes;
}

/** (K,C/G,R,S) and (K). */
export const parameters = (
  x: Shape,
  { channels, kernel, attributes }: ConvSizes,
): readonly [Shape, Shape] => [[channels, x[1] / attributes.groups, ...kernel], [channels]];

/** (N,K,P,Q). */
export const shape: ShapeOf<Attributes> = ([x, w], { stride, pad, dilation, groups }) => {
  if (x.length !== 4) throw new RangeError(`conv2d: x must have 4 dimensions (shape = [${x}])`);
  if (w.length !== 4) throw new RangeError(`conv2d: w must have 4 dimensions (shape = [${w}])`);
  if (!stride.every(positive))
    throw new RangeError(`conv2d: stride must be positive integers (= [${stride}])`);
  if (!dilation.every(positive))
    throw new RangeError(`conv2d: dilation must be positive integers (= [${dilation}])`);
  if (!pad.every((p) => p === 0 || positive(p)))
    throw new RangeError(`conv2d: pad must be integers ≥ 0 (= [${pad}])`);
  const [N, C, H, W] = x;
  const [K, CG, R, S] = w;
  if (!positive(groups) || C % groups !== 0) {
    throw new RangeError(`conv2d: groups must divide input channels (groups = ${groups}, channels = ${C})`);
  }
  if (K % groups !== 0) {
    throw new RangeError(`conv2d: groups must divide output channels (groups = ${groups}, channels = ${K})`);
  }
  if (CG !== C / groups) {
    throw new RangeError(
      `conv2d: w must have ${C / groups} channels a group (= ${CG}; channels = ${C}, groups = ${groups})`,
    );
  }
  const P = Math.floor((H + pad[0] + pad[2] - dilation[0] * (R - 1) - 1) / stride[0]) + 1;
  const Q = Math.floor((W + pad[1] + pad[3] - dilation[1] * (S - 1) - 1) / stride[1]) + 1;
  if (P < 1 || Q < 1)
    throw new RangeError(
      `conv2d: the kernel ${R}×${S} does not fit the padded input (x = [${x}], pad = [${pad}])`,
    );
  return [N, K, P, Q];
};

/** Padding counted, as the literature does. */
export function macs([x, w]: readonly Shape[], attributes: Attributes): number {
  const [N, K, P, Q] = shape([x, w], attributes);
  const [, CG, R, S] = w;
  return N * K * P * Q * CG * R * S;
}

/**
 * One float64 accumulator per output, terms in ascending (c, r, s), then the bias, then one rounding: for float32
 * operands every product is exact, so any tiling of this sum has the same bits.
 */
export const forward: Forward<Attributes> = ([x, w, b], attributes, precision = precisionOf(x)) => {
  const y = zeros(shape([x.shape, w.shape], attributes), precision);
  const Y = y.data;
  const { stride, pad, dilation, groups } = attributes;
  const [N, C, H, W] = x.shape;
  const [K, CG, R, S] = w.shape;
  const [, , P, Q] = y.shape;
  const X = dense(x);
  const F = dense(w);
  const B = b && dense(b);
  if (B && B.length !== K) throw new RangeError(`conv2d: b must have ${K} values (= ${B.length})`);
  let i = 0;
  for (let n = 0; n < N; n++) {
    for (let k = 0; k < K; k++) {
      const firstChannel = n * C + Math.floor(k / (K / groups)) * CG;
      for (let p = 0; p < P; p++) {
        const top = p * stride[0] - pad[0];
        const [r0, r1] = inside(top, dilation[0], R, H);
        for (let q = 0; q < Q; q++) {
          const left = q * stride[1] - pad[1];
          const [s0, s1] = inside(left, dilation[1], S, W);
          let sum = 0;
          for (let c = 0; c < CG; c++) {
            for (let r = r0; r < r1; r++) {
              const f = ((k * CG + c) * R + r) * S;
              const at = ((firstChannel + c) * H + top + r * dilation[0]) * W + left;
              for (let s = s0; s < s1; s++) sum += F[f + s] * X[at + s * dilation[1]];
            }
          }
          Y[i++] = B ? sum + B[k] : sum;
        }
      }
    }
  }
  return y;
};

/** The taps [first, last) that fall inside the image: tap t reads position origin + t·dilation of `extent`. */
export function inside(origin: number, dilation: number, taps: number, extent: number): [number, number] {
  const first = origin >= 0 ? 0 : Math.ceil(-origin / dilation);
  const last = Math.min(taps, Math.floor((extent - 1 - origin) / dilation) + 1);
  return [first, Math.max(first, last)];
}

/**
 * Gradients of y = b + Σ w·x: dx as x, dw as w, db (K). Each is a sum of its own, gathered in one float64 accumulator
 * and rounded once: dx over ascending (k, r, s), dw and db over ascending (n, p, q).
 */
export const backward: Backward<Attributes> = (dy, [x, w], _y, attributes, how = {}) => {
  const { precision = precisionOf(x), dx = true, dw = true } = how;
  gradientOf('conv2d', dy, shape([x.shape, w.shape], attributes));
  return [
    dx ? inputGradient(dy, x.shape, w, attributes, precision) : null,
    dw ? weightGradient(dy, x, w.shape, attributes, precision) : null,
    dw ? biasGradient(dy, precision) : null,
  ];
};

// sum += F[f + s] * X[at + s * dilation[1]]: x at (h, w) is read by the taps and outputs that meet there
function inputGradient(
  dy: Tensor,
  xShape: Shape,
  w: Tensor,
  { stride, pad, dilation, groups }: Attributes,
  precision: Precision,
): Tensor {
  const [, C, H, W] = xShape;
  const [K, CG, R, S] = w.shape;
  const [, , P, Q] = dy.shape;
  const DY = dense(dy);
  const F = dense(w);
  const dx = zeros(xShape, precision);
  const DX = dx.data;
  const KG = K / groups;
  const down = Array.from({ length: H }, (_, h) => meetings(h + pad[0], stride[0], dilation[0], R, P));
  const across = Array.from({ length: W }, (_, v) => meetings(v + pad[1], stride[1], dilation[1], S, Q));
  for (let i = 0; i < DX.length; i++) {
    const n = Math.floor(i / (C * H * W));
    const c = Math.floor(i / (H * W)) % C;
    const g = Math.floor(c / CG);
    let sum = 0;
    for (let k = g * KG; k < (g + 1) * KG; k++) {
      for (const [r, p] of down[Math.floor(i / W) % H]) {
        const f = ((k * CG + (c - g * CG)) * R + r) * S;
        const at = ((n * K + k) * P + p) * Q;
        for (const [s, q] of across[i % W]) sum += F[f + s] * DY[at + q];
      }
    }
    DX[i] = sum;
  }
  return dx;
}

/** Every [tap, output] along one axis that reads the padded position `at`, in ascending taps. */
function meetings(at: number, stride: number, dilation: number, taps: number, outputs: number): number[][] {
  const found: number[][] = [];
  for (let tap = 0; tap < taps; tap++) {
    const output = (at - tap * dilation) / stride;
    if (Number.isInteger(output) && output >= 0 && output < outputs) found.push([tap, output]);
  }
  return found;
}

// sum += F[f + s] * X[at + s * dilation[1]]: w at (r, s) multiplies one pixel for every output
function weightGradient(
  dy: Tensor,
  x: Tensor,
  wShape: Shape,
  { stride, pad, dilation, groups }: Attributes,
  precision: Precision,
): Tensor {
  const [N, C, H, W] = x.shape;
  const [K, CG, R, S] = wShape;
  const [, , P, Q] = dy.shape;
  const DY = dense(dy);
  const X = dense(x);
  const dw = zeros(wShape, precision);
  const DW = dw.data;
  for (let i = 0; i < DW.length; i++) {
    const k = Math.floor(i / (CG * R * S));
    const c = Math.floor(i / (R * S)) % CG;
    const channel = Math.floor(k / (K / groups)) * CG + c;
    const top = (Math.floor(i / S) % R) * dilation[0] - pad[0];
    const left = (i % S) * dilation[1] - pad[1];
    const [p0, p1] = inside(top, stride[0], P, H);
    const [q0, q1] = inside(left, stride[1], Q, W);
    let sum = 0;
    for (let n = 0; n < N; n++) {
      for (let p = p0; p < p1; p++) {
        const d = ((n * K + k) * P + p) * Q;
        const at = ((n * C + channel) * H + top + p * stride[0]) * W + left;
        for (let q = q0; q < q1; q++) sum += DY[d + q] * X[at + q * stride[1]];
      }
    }
    DW[i] = sum;
  }
  return dw;
}

/** Y[i] = sum + B[k]: each output of map k has one bias. */
export function biasGradient(dy: Tensor, precision: Precision): Tensor {
  const [N, K, P, Q] = dy.shape;
  const DY = dense(dy);
  const db = zeros([K], precision);
  const DB = db.data;
  for (let k = 0; k < K; k++) {
    let sum = 0;
    for (let n = 0; n < N; n++) for (let i = 0; i < P * Q; i++) sum += DY[(n * K + k) * P * Q + i];
    DB[k] = sum;
  }
  return db;
}

/** magnitude and squares are (N,K,P,Q), count the number of products in a full window. */
export function terms(operands: readonly Tensor[], attributes: Attributes, convolve = forward): Terms {
  const sum = (f: (operand: Tensor) => Tensor): Tensor => convolve(operands.map(f), attributes, 'float64');
  const [, CG, R, S] = operands[1].shape;
  return { magnitude: sum(magnitudes), squares: sum(squares), count: CG * R * S };
}
