/**
 * How far a right device may be from the oracle going back through one layer, given its own inputs, output and dy.
 * docs/error-bounds.md derives each; compositions are those of export/emit.
 */
import type { Layer } from '../../reference/networks/layers.ts';
import * as ops from '../../reference/ops/index.ts';
import { dense, map, type Tensor, tensor } from '../../reference/tensor.ts';
import { arithmetic, type DeviceArithmetic, gamma, MIN_NORMAL, U32 } from './arithmetic.ts';
import { type Context, largest } from './bounds.ts';
import { type Judged, moved, rounded, underflow } from './judged.ts';
import { normaliserError } from './normalisers.ts';
import type { Weighted } from './products.ts';

/** What the device has of one layer. */
export interface Passed {
  readonly inputs: readonly Tensor[];
  readonly y: Tensor;
  readonly dy: Tensor;
  /** The dropout layer's mask; undefined: neither mask nor scaling. */
  readonly mask?: Uint8Array;
}

/** Going back through a layer without weights: one gradient an input. */
export function backwardOf(
  layer: Exclude<Layer, Weighted>,
  { inputs, y, dy, mask }: Passed,
  { device: name, operands }: Context,
): Judged[] {
  const device = arithmetic[name];
  const [x] = inputs;
  switch (layer.kind) {
    case 'lrn':
    case 'mapnorm':
      return [normalised(layer, x, dy, device)];
    case 'maxpool':
      return [pooled(layer, x, dy, device)];
    case 'avgpool':
    case 'adaptiveavgpool':
      return [averaged(layer, x, dy, operands.t, device)];
    case 'dropout':
      return [dropped(layer.attributes, dy, mask, device)];
    case 'relu':
      return [rectified(y, dy, device)];
    case 'tanh':
      // y² and 1 − y² are rounded as they are, then the product
      return [
        rounded(
          ops.tanh.backward(dy, y, 'float64').dx,
          3,
          device,
          product(dy, y, (d, v) => Math.abs(d) * (v * v + Math.abs(1 - v * v))),
        ),
      ];
    case 'sigmoid':
      return [rounded(ops.sigmoid.backward(dy, y, 'float64').dx, 3, device)];
    case 'softmax':
      return [probable(y, dy, device)];
    case 'flatten':
      return [moved(ops.flatten.backward(dy, x.shape, layer.attributes, 'float64').dx, device)];
    case 'split':
      return [moved(ops.split.backward(dy, x.shape, layer.attributes, 'float64').dx, device)];
    case 'concat': {
      const shapes = inputs.map((one) => one.shape);
      return ops.concat.backward(dy, shapes, 'float64').dxs.map((dx) => moved(dx, device));
    }
  }
}

/** f of the values of two tensors of one shape. */
function product(a: Tensor, b: Tensor, f: (a: number, b: number) => number): Float64Array {
  const B = dense(b);
  return new Float64Array(dense(a)).map((v, i) => f(v, B[i]));
}

/** dy where y > 0: exact. A device that flushes may take a subnormal y for 0. */
function rectified(y: Tensor, dy: Tensor, device: DeviceArithmetic): Judged {
  const judged = moved(ops.relu.backward(dy, y, 'float64').dx, device);
  const { bound } = judged.bounds;
  const [Y, DY] = [dense(y), dense(dy)];
  for (let i = 0; i < bound.length; i++)
    if (device.flushes && Y[i] > 0 && Y[i] < MIN_NORMAL) bound[i] = Math.abs(DY[i]);
  return judged;
}

/**
 * factor·dy with factor = mask·scale: exact but for the scale's rounding and the product's, where it is no
 * power of two.
 */
export function scaledByMask(
  { ratio, convention }: ops.dropout.Attributes,
  exact: Tensor,
  masked: boolean,
  device: DeviceArithmetic,
): Judged {
  const scale = convention === 'paper' ? 1 : 1 / (1 - ratio);
  const exactly = !masked || Math.log2(scale) % 1 === 0;
  return exactly ? moved(exact, device) : rounded(exact, 2, device);
}

function dropped(
  attributes: ops.dropout.Attributes,
  dy: Tensor,
  mask: Uint8Array | undefined,
  device: DeviceArithmetic,
): Judged {
  const exact = mask ? ops.dropout.backward(dy, attributes, mask, 'float64').dx : dy;
  return scaledByMask(attributes, exact, mask !== undefined, device);
}

/** Windows that hold one value, along an axis. */
const overlap = (kernel: number, stride: number): number => Math.ceil(kernel / stride);

/** Every maximum gets its window's dy; overlapping windows are added along columns, then along rows. */
function pooled(
  { attributes }: Layer & { kind: 'maxpool' },
  x: Tensor,
  dy: Tensor,
  device: DeviceArithmetic,
): Judged {
  const { winner } = ops.maxpool.forward(x, attributes);
  const back = (d: Tensor): Tensor => ops.maxpool.backward(d, x, winner, attributes, 'every', 'float64').dx;
  const { kernel, stride } = attributes;
  const additions = overlap(kernel[0], stride[0]) + overlap(kernel[1], stride[1]) - 2;
  return rounded(back(dy), additions, device, dense(back(map(dy, Math.abs))));
}

/**
 * Aᵀ·dy·B with two MatMuls: the matrices' entries are rounded once each, two products, and as many additions
 * as windows overlap (adding a zero is exact); operands rounded to fewer bits add 4t.
 */
function averaged(
  layer: Layer & { kind: 'avgpool' | 'adaptiveavgpool' },
  x: Tensor,
  dy: Tensor,
  t: number,
  device: DeviceArithmetic,
): Judged {
  const back = (d: Tensor): Tensor =>
    layer.kind === 'avgpool'
      ? ops.avgpool.backward(d, x.shape, layer.attributes, 'float64').dx
      : ops.adaptiveavgpool.backward(d, x.shape, layer.attributes, 'float64').dx;
  const [P, Q] = dy.shape.slice(2);
  const exact = back(dy);
  const magnitude = dense(back(map(dy, Math.abs)));
  const relative = (1 + gamma(4 + P + Q)) * (1 + t) ** 4 - 1;
  const tiny = underflow(device, 4 * (P + Q));
  return { exact, bounds: { bound: new Float64Array(magnitude).map((m) => relative * m + tiny) } };
}

/** y·(dy − Σdy·y): K products and their sum, a difference, a product. */
function probable(y: Tensor, dy: Tensor, device: DeviceArithmetic): Judged {
  const [N, K] = y.shape;
  const [Y, DY] = [dense(y), dense(dy)];
  const magnitude = new Float64Array(N * K);
  for (let n = 0; n < N; n++) {
    let sum = 0;
    for (let k = n * K; k < (n + 1) * K; k++) sum += Math.abs(DY[k] * Y[k]);
    for (let k = n * K; k < (n + 1) * K; k++) magnitude[k] = Math.abs(Y[k]) * (Math.abs(DY[k]) + sum);
  }
  return rounded(ops.softmax.backward(dy, y, 'float64').dx, K + 3, device, magnitude);
}

/**
 * dx = t − F·x·Σⱼ vⱼ with t = dy/s^β, v = t·x/s, F = 2α′β, as export/emit/normalise.ts composes it (the sum an average
 * over the windows that hold the value). Let ρ be the relative error of dy·s^−β in the decomposed forward
 * form, σ = γ_{n+4+d} that of s. Then t is off by ρ, v by ρ and σ and a product and a quotient, F·x·Σv by v's
 * error and n − 1 additions, the average's division and three products, dx by one more rounding of |t| +
 * |F·x|·Σ|v|. Backward of |dy| and |x| is the difference of those two terms, and of |dy| and 0 the first alone.
 */
function normalised(
  layer: Layer & { kind: 'lrn' | 'mapnorm' },
  x: Tensor,
  dy: Tensor,
  device: DeviceArithmetic,
): Judged {
  const { alpha, beta, size, divide } = layer.attributes;
  const n = layer.kind === 'lrn' ? size : size * size;
  const { s } =
    layer.kind === 'lrn'
      ? ops.lrn.forward(x, layer.attributes, 'float64')
      : ops.mapnorm.forward(x, layer.attributes, 'float64');
  const back = (d: Tensor, v: Tensor): Tensor =>
    layer.kind === 'lrn'
      ? ops.lrn.backward(d, v, s, layer.attributes, 'float64').dx
      : ops.mapnorm.backward(d, v, s, layer.attributes, 'float64').dx;
  const sigma = gamma(n + 4 + device.divide);
  const after = gamma(n + 6 + 2 * device.divide);
  const rho = normaliserError(n, layer.attributes, s, device);
  const weighted = new Float64Array(dense(dy)).map(
    (d, i) => Math.abs(d) * ((1 + rho[i]) * (1 + sigma / (1 - sigma)) * (1 + after) * (1 + U32) - 1),
  );
  const w = tensor(weighted, dy.shape);
  const direct = dense(
    back(
      w,
      map(x, () => 0),
    ),
  );
  const difference = dense(back(w, map(x, Math.abs)));
  const factor = 2 * beta * (divide ? alpha / n : alpha);
  const tiny = lost(dense(x), s, [factor, n], underflow(device));
  return {
    exact: back(dy, x),
    bounds: { bound: new Float64Array(direct).map((t, i) => finite(2 * t - difference[i]) + tiny[i]) },
  };
}

/** NaN and ∞: nothing is promised. */
const finite = (bound: number): number =>
  bound < Number.POSITIVE_INFINITY ? bound : Number.POSITIVE_INFINITY;

/** What τ lost in each of t, t·x, v, their mean and F·mean does to dx. */
function lost(
  X: ArrayLike<number>,
  s: Float64Array,
  [factor, n]: readonly [number, number],
  tau: number,
): Float64Array {
  const smallest = s.reduce((least, v) => Math.min(least, v), Number.POSITIVE_INFINITY);
  const through = n * ((largest(X) + 1) / smallest + 1) + n;
  return new Float64Array(X).map((x) => tau * (3 + Math.abs(x) * (1 + factor * through)));
}
