/**
 * Float16 files. An engine may keep float32 between nodes (onnxruntime's CPU provider has few float16 kernels
 * and casts around the others): the tapped input is then x·(1 + δ), |δ| ≤ 2⁻¹¹, of what the kernel saw, and
 * the result is rounded to float16 once more. docs/error-bounds.md derives what that adds.
 */
import type { Layer } from '../../reference/networks/layers.ts';
import * as ops from '../../reference/ops/index.ts';
import { dense, map, type Tensor } from '../../reference/tensor.ts';

/** Unit roundoff of float16, and half the spacing of its subnormal numbers. */
const [DELTA, HALF_SUBNORMAL_16] = [2 ** -11, 2 ** -25];

/** Rounding of the result: every bound of a float16 file has this. */
export const resultRounding = (y: number): number => DELTA * Math.abs(y) + HALF_SUBNORMAL_16;

/**
 * What a relative error δ of every input adds, by element. Products of convolutions and fully connected
 * layers have it in 2t·Σ|w·x|; copies, comparisons and maxima commute with rounding.
 */
export function inputRounding(layer: Layer, x: Tensor, exact: Tensor): (i: number) => number {
  const Y = dense(exact);
  switch (layer.kind) {
    case 'lrn':
    case 'mapnorm': {
      // x changes by 1 ± δ, the sum of squares (and so s) by at most (1 ± δ)²
      const relative = (1 + DELTA) * (1 - DELTA) ** (-2 * layer.attributes.beta) - 1;
      return (i) => relative * Math.abs(Y[i]);
    }
    case 'avgpool':
    case 'adaptiveavgpool': {
      const absolute = map(x, Math.abs);
      const { y } =
        layer.kind === 'avgpool'
          ? ops.avgpool.forward(absolute, layer.attributes)
          : ops.adaptiveavgpool.forward(absolute, layer.attributes);
      const mean = dense(y);
      return (i) => DELTA * mean[i] + HALF_SUBNORMAL_16;
    }
    case 'softmax': {
      // every exponent x − m moves by at most 2δ·max|x|, numerator and sum alike
      let largest = 0;
      for (const value of dense(x)) largest = Math.max(largest, Math.abs(value));
      const relative = Math.expm1(4 * DELTA * largest);
      return (i) => relative * Y[i];
    }
    case 'tanh':
    case 'sigmoid': {
      // both have slopes of at most 1
      const X = dense(x);
      return (i) => DELTA * Math.abs(X[i]) + HALF_SUBNORMAL_16;
    }
    case 'dropout':
      return (i) => DELTA * Math.abs(Y[i]) + HALF_SUBNORMAL_16;
    default:
      return () => 0;
  }
}
