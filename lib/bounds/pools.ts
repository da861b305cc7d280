/** Bounds of pooling. */

import { runLayer } from '../../reference/oracle.ts';
import { dense, map, type Tensor } from '../../reference/tensor.ts';
import { arithmetic, gamma, HALF_SUBNORMAL_16, U16 } from './arithmetic.ts';
import {
  type BackwardPass,
  type Context,
  copied,
  exactGradients,
  type JudgedGradients,
  type LayerOf,
  type OperationBounds,
  rounded,
  underflow,
} from './bounds.ts';

/** Windows that hold one value, along an axis. */
const overlap = (kernel: number, stride: number): number => Math.ceil(kernel / stride);

export const maxpool: OperationBounds<'maxpool'> = {
  forward: (_, { exact }, { device }) => copied(exact, arithmetic[device]),
  // every maximum gets its window's dy; overlapping windows are added along columns, then along rows
  backward(layer, pass, { device }) {
    const { dy } = pass;
    const back = (d: Tensor): Tensor => exactGradients(layer, pass, d)[0];
    const { kernel, stride } = layer.attributes;
    const additions = overlap(kernel[0], stride[0]) + overlap(kernel[1], stride[1]) - 2;
    return { dxs: [rounded(back(dy), additions, arithmetic[device], dense(back(map(dy, Math.abs))))] };
  },
};

type Average = LayerOf<'avgpool' | 'adaptiveavgpool'>;

/** The same averages of |x|. */
const meanSize = (layer: Average, x: Tensor): ArrayLike<number> =>
  dense(runLayer(layer, [map(x, Math.abs)], new Map()));

const average: OperationBounds<'avgpool' | 'adaptiveavgpool'> = {
  // m additions and a division, or products with rounded reciprocals (in one or two steps): γ_{m+4} and the
  // division's error, of Σ|x|/d; each of the products may underflow
  forward(layer, { inputs: [x] }, { device }) {
    const [R, S] = layer.kind === 'avgpool' ? layer.attributes.kernel : x.shape.slice(2);
    const m = R * S;
    const relative = gamma(m + 4 + arithmetic[device].divide);
    const tiny = underflow(arithmetic[device], m + 2);
    return { bound: Float64Array.from(meanSize(layer, x), (value) => relative * value + tiny) };
  },
  ofInput(layer, { inputs: [x] }) {
    const mean = meanSize(layer, x);
    return (i) => U16 * mean[i] + HALF_SUBNORMAL_16;
  },
  backward: averaged,
};

export { average as avgpool, average as adaptiveavgpool };

/**
 * Aᵀ·dy·B with two MatMuls: the matrices' entries are rounded once each, two products, and as many additions
 * as windows overlap (adding a zero is exact); operands rounded to fewer bits add 4t.
 */
function averaged(layer: Average, pass: BackwardPass, { device, operands: { t } }: Context): JudgedGradients {
  const { dy } = pass;
  const back = (d: Tensor): Tensor => exactGradients(layer, pass, d)[0];
  const [P, Q] = dy.shape.slice(2);
  const magnitude = dense(back(map(dy, Math.abs)));
  const relative = (1 + gamma(4 + P + Q)) * (1 + t) ** 4 - 1;
  const tiny = underflow(arithmetic[device], 4 * (P + Q));
  const bound = new Float64Array(magnitude).map((m) => relative * m + tiny);
  return { dxs: [{ exact: back(dy), bounds: { bound } }] };
}
