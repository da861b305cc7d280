/**
 * How far onnxruntime's CPU may be from the oracle's float64 value of one layer, given the same input.
 *
 * u = 2⁻²⁴, γₙ = nu/(1−nu) (Higham, Accuracy and Stability of Numerical Algorithms, chapter 3): sums of n
 * products in any order, with or without FMA. Everything else counts the roundings of the formula that was written.
 */
import { operandsOf, runLayer, type Weights } from '../../lib/fast/oracle.ts';
import type { Layer } from '../../reference/networks/layers.ts';
import * as ops from '../../reference/ops/index.ts';
import { cast, map, type Tensor } from '../../reference/tensor.ts';

const u = 2 ** -24;
const gamma = (n: number): number => (n * u) / (1 - n * u);
const UNDERFLOW = 2 ** -126;

/** onnxruntime's powf and expf, measured at below 32 units in the last place. */
const FUNCTION = 32;

/** The bound of each element of y, as a function of its index and ŷ. */
function boundOf(
  layer: Layer,
  inputs: readonly Tensor[],
  weights: Weights,
): (i: number, y: number) => number {
  const [x] = inputs;
  switch (layer.kind) {
    case 'conv2d':
    case 'linear': {
      const operands = operandsOf(layer, inputs, weights);
      const terms =
        layer.kind === 'conv2d' ? ops.conv2d.terms(operands, layer.attributes) : ops.linear.terms(operands);
      return (i) => gamma(terms.count + 1) * terms.magnitude.data[i];
    }
    case 'lrn':
      return lrnBound(x, layer.attributes);
    case 'mapnorm': {
      // squares, sum, mean, α, ·α, k and +k: size² + 6 roundings of s; a power of ¾, two roots, a product, a quotient
      const { size } = layer.attributes;
      return (_, y) => gamma(0.75 * (size * size + 6) + 5) * Math.abs(y);
    }
    case 'avgpool': {
      const { kernel } = layer.attributes;
      const absolute = ops.avgpool.forward([map(x, Math.abs)], layer.attributes, 'float64');
      return (i) => gamma(kernel[0] * kernel[1] + 1) * absolute.data[i];
    }
    case 'adaptiveavgpool': {
      // two sums over a bin's rows and columns, each with a rounded 1/n
      const [, , H, W] = x.shape;
      const absolute = ops.adaptiveavgpool.forward([map(x, Math.abs)], layer.attributes, 'float64');
      return (i) => gamma(H + W + 4) * absolute.data[i];
    }
    case 'softmax':
      return (_, y) => gamma(x.shape[1] + 2 * FUNCTION + 2) * Math.abs(y) + UNDERFLOW;
    case 'tanh':
    case 'sigmoid':
      return () => gamma(FUNCTION);
    case 'dropout':
      return (_, y) => gamma(layer.attributes.convention === 'paper' ? 2 : 0) * Math.abs(y);
    default:
      return () => 0;
  }
}

/**
 * y = x/s^β: s within γ of the running sum of the squares of all channels before (onnxruntime's kernel adds
 * the new and subtracts the old one; the decomposed form has a smaller error), then powf.
 */
function lrnBound(x: Tensor, attributes: ops.lrn.Attributes): (i: number, y: number) => number {
  const [, C, H, W] = x.shape;
  const s = ops.lrn.denominators(x, attributes);
  const scale = attributes.divide ? attributes.alpha / attributes.size : attributes.alpha;
  const total = map(x, (v) => v * v).data;
  const HW = H * W;
  const sums = new Float64Array(s.length / C);
  for (let i = 0; i < total.length; i++) sums[Math.floor(i / (C * HW)) * HW + (i % HW)] += total[i];
  return (i, y) => {
    const running = scale * sums[Math.floor(i / (C * HW)) * HW + (i % HW)];
    return (attributes.beta * gamma(2 * C + 6) * (1 + running / s[i]) + gamma(FUNCTION)) * Math.abs(y);
  };
}

/** The largest |y − ŷ|/bound of a layer, ŷ from the inputs that the device itself had. NaN counts as infinite. */
export function introduced(layer: Layer, inputs: readonly Tensor[], y: Tensor, weights: Weights): number {
  const exact = runLayer(
    layer,
    inputs.map((x) => cast(x, 'float64')),
    weights,
    'float64',
  );
  if (exact.shape.join() !== y.shape.join()) return Number.POSITIVE_INFINITY;
  const bound = boundOf(layer, inputs, weights);
  let worst = 0;
  for (let i = 0; i < y.data.length; i++) {
    const error = Math.abs(y.data[i] - exact.data[i]);
    // one more rounding: y itself is stored in float32; and what underflows there
    const ratio = error / (bound(i, exact.data[i]) + 2 ** -149);
    if (!(ratio <= worst)) worst = Number.isNaN(ratio) ? Number.POSITIVE_INFINITY : ratio;
  }
  return worst;
}
