/**
 * The norm-wise tier: what a convolution by Winograd's or the Fourier transform keeps, where it need not keep
 * the bound of sums of products. Among the devices here only cuDNN has such kernels. docs/error-bounds.md
 * derives the constants.
 */
import type { Layer } from '../../reference/networks/layers.ts';
import { dense, reshape, type Shape, type Tensor } from '../../reference/tensor.ts';
import { arithmetic, gamma, type OperandRounding, U32 } from './arithmetic.ts';
import type { BoundsContext, LayersOf, Normwise } from './bounds.ts';

export const NORMWISE = 'norm-wise, that of a convolution by Winograd or FFT';

/**
 * Winograd's F(4×4, 3×3), Lavin and Gray's matrices: outputs of a tile's side; κ, the largest ‖Σ|Aᵀ||G||Bᵀ|‖₂
 * squared.
 */
const TILE = 4;
export const KAPPA = 300;
/** Roundings of a value on its way through both transforms, there and back: 2·(4 + 4 + 5), and a bias. */
const TRANSFORMS = 27;
/** Largest error of one butterfly of a Fourier transform, μ + γ₄(√2 + μ) with twiddle factors good to μ = 2u. */
const BUTTERFLY = 8 * U32;

/** Whether a device may compute this layer so: stride 1, no dilation, and more than one tap. */
export function transformable(layer: Layer): layer is LayersOf<'conv2d'> {
  if (layer.kind !== 'conv2d') return false;
  const { stride, dilation } = layer.attributes;
  return [...stride, ...dilation].every((step) => step === 1) && layer.kernel.some((extent) => extent > 1);
}

/** x (N,C,H,W), w (K,C/G,R,S), y's shape (N,K,P,Q); the layer must be `transformable`. */
export function normwise(
  layer: LayersOf<'conv2d'>,
  x: Tensor,
  w: Tensor,
  shape: Shape,
  { t }: OperandRounding,
): Normwise {
  const [N, K, P, Q] = shape;
  const [, CG, R, S] = w.shape;
  const [, , H, W] = x.shape;
  const { groups, pad } = layer.attributes;
  const length = energies(dense(w), K);
  const levels =
    Math.ceil(Math.log2(H + pad[0] + pad[2] + R - 1)) + Math.ceil(Math.log2(W + pad[1] + pad[3] + S - 1));
  const first = 3 * levels * BUTTERFLY + (CG + 4) * U32 + 2 * t + t * t;
  const fourier = first / (1 - first);
  const winograd = R === 3 && S === 3 ? KAPPA * (gamma(CG + TRANSFORMS) + 2 * t + t * t) : 0;
  const bound = new Float64Array(N * K * P * Q);
  const squares = new Float64Array(bound.length);
  for (let n = 0; n < N; n++) {
    for (let g = 0; g < groups; g++) {
      const { whole, around } = energyMap(x, n, g * CG, CG);
      const each = K / groups;
      for (let p = 0; p < P; p++) {
        for (let q = 0; q < Q; q++) {
          const near = winograd === 0 ? 0 : winograd * Math.sqrt(around(p - pad[0], q - pad[1]));
          const far = fourier * Math.sqrt(whole);
          for (let k = g * each; k < (g + 1) * each; k++) {
            const i = ((n * K + k) * P + p) * Q + q;
            bound[i] = Math.max(near, far) * Math.sqrt(length[k]);
            squares[i] = (length[k] * whole) / (CG * H * W);
          }
        }
      }
    }
  }
  return { bound, squares };
}

/** Σw² of each of K kernels. */
function energies(w: ArrayLike<number>, K: number): Float64Array {
  const sums = new Float64Array(K);
  const size = w.length / K;
  for (let i = 0; i < w.length; i++) sums[Math.floor(i / size)] += w[i] * w[i];
  return sums;
}

/**
 * Σx² over the channels first … first + count − 1 of one image: of all of it, and of every pixel that shares
 * a Winograd tile with the 3×3 window at (h, w), wherever tiles begin.
 */
function energyMap(
  x: Tensor,
  n: number,
  first: number,
  count: number,
): { whole: number; around: (h: number, w: number) => number } {
  const [, C, H, W] = x.shape;
  const X = dense(x);
  const sums = new Float64Array((H + 1) * (W + 1));
  for (let h = 0; h < H; h++) {
    for (let w = 0; w < W; w++) {
      let own = 0;
      for (let c = first; c < first + count; c++) own += X[((n * C + c) * H + h) * W + w] ** 2;
      const above = h * (W + 1) + w;
      const here = (h + 1) * (W + 1) + w;
      sums[here + 1] = own + sums[above + 1] + sums[here] - sums[above];
    }
  }
  const upTo = (h: number, w: number): number =>
    sums[Math.min(H, Math.max(0, h)) * (W + 1) + Math.min(W, Math.max(0, w))];
  const around = (h: number, w: number): number => {
    const top = h - TILE + 1;
    const left = w - TILE + 1;
    const bottom = h + TILE + 2;
    const right = w + TILE + 2;
    return Math.max(0, upTo(bottom, right) - upTo(top, right) - upTo(bottom, left) + upTo(top, left));
  };
  return { whole: upTo(H, W), around };
}

/**
 * A convolution's dx, which the graph writes as a convolution of stride 1 that cuDNN may transform too: that of dy
 * with the kernels turned. Undefined where it is none, or on another device. dw is a product of matrices.
 */
export function inputTransform(
  layer: LayersOf<'conv2d'>,
  [dy, w]: readonly [Tensor, Tensor],
  shape: readonly number[],
  { device, operands }: BoundsContext,
): (() => Normwise) | undefined {
  if (!arithmetic[device].transforms || !transformable(layer)) return undefined;
  const { pad, groups: G } = layer.attributes;
  const [K, CG, R, S] = w.shape;
  const exchanged = reshape(w, [G, K / G, CG, R, S]).transpose(0, 2, 1, 3, 4);
  const kernels = reshape(exchanged, [G * CG, K / G, R, S]);
  const pads = [R - 1 - pad[0], S - 1 - pad[1], R - 1 - pad[2], S - 1 - pad[3]] as const;
  const back = { ...layer, attributes: { ...layer.attributes, pad: pads } };
  return () => normwise(back, dy, kernels, shape, operands);
}
