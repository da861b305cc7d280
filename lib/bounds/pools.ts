/** Bounds of pooling. */
import type { Layer } from '../../reference/networks/layers.ts';
import { runLayer } from '../../reference/oracle.ts';
import { dense, map, type Tensor } from '../../reference/tensor.ts';
import { arithmetic, gamma } from './arithmetic.ts';
import {
  type BackwardPass,
  copied,
  exactGradients,
  halfStep,
  type LayersOf,
  type OperationBounds,
  relativeTo,
  rounded,
  underflow,
} from './bounds.ts';

/** Windows that hold one value, along an axis. */
const overlap = (kernel: number, stride: number): number => Math.ceil(kernel / stride);

export const maxpool: OperationBounds<'maxpool'> = {
  forward: (_, { exact }, { device }) => copied(exact, arithmetic[device]),
  // overlapping windows are added along columns, then along rows; elsewhere perhaps one after the other
  backward(layer, pass, _, { device }) {
    const { kernel, stride } = layer.attributes;
    const [rows, columns] = [0, 1].map((axis) => overlap(kernel[axis], stride[axis]));
    const additions = device === 'other' ? rows * columns - 1 : rows + columns - 2;
    return [rounded(ofAbsolute(layer, pass), additions, arithmetic[device])];
  },
};

/** The same gradient of |dy|. */
const ofAbsolute = (layer: Layer, pass: BackwardPass): Tensor =>
  exactGradients(layer, pass, map(pass.dy, Math.abs))[0] as Tensor;

type Average = LayersOf<'avgpool' | 'adaptiveavgpool'>;

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
    return { bound: new Float64Array(meanSize(layer, x)).map((mean) => relative * mean + tiny) };
  },
  ofInput(layer, { inputs: [x] }) {
    const mean = meanSize(layer, x);
    return (i) => halfStep(mean[i]);
  },
  // Aᵀ·dy·B with two MatMuls: the matrices' entries are rounded once each, two products, and as many additions as
  // windows overlap (adding a zero is exact); operands rounded to fewer bits add 4t
  backward(layer, pass, _, { device, operands: { t } }) {
    const [P, Q] = pass.dy.shape.slice(2);
    const relative = (1 + gamma(4 + P + Q)) * (1 + t) ** 4 - 1;
    return [relativeTo(dense(ofAbsolute(layer, pass)), relative, underflow(arithmetic[device], 4 * (P + Q)))];
  },
};

export { average as avgpool, average as adaptiveavgpool };
