/**
 * Adaptive average pooling.
 *
 * ONNX         AveragePool (versions 1, 7, 10, 11) where P divides H and Q divides W. Otherwise two MatMuls with the
 *              matrices of the averages, y = A·x·B: bins of unequal size have no operator.
 * Spec         spec/export/emit.spec.ts
 * Not emitted  GlobalAveragePool, which is the case P = Q = 1.
 */
import type { Emit, EmitBackward } from './emitter.ts';
import { sandwiched, transposedMatrix } from './sandwich.ts';

export const paper = '';

/** a[p·extent + h] = 1/(size of bin p) for h inside bin p, of `bins` bins. */
function averages(bins: number, extent: number): Float64Array {
  const a = new Float64Array(bins * extent);
  for (let p = 0; p < bins; p++) {
    const first = Math.floor((p * extent) / bins);
    const last = Math.ceil(((p + 1) * extent) / bins);
    a.fill(1 / (last - first), p * extent + first, p * extent + last);
  }
  return a;
}

export const emit: Emit<'adaptiveavgpool'> = (g, layer, [x]) => {
  const { name, attributes } = layer;
  const [P, Q] = attributes.size;
  const [H, W] = g.dims(x).slice(2) as number[];
  if (H % P === 0 && W % Q === 0) {
    const kernel = [H / P, W / Q];
    const window = { kernel_shape: kernel, strides: kernel, pads: [0, 0, 0, 0], count_include_pad: 0 };
    return g.node('AveragePool', [x], name, window, paper);
  }
  const rows = averages(P, H);
  const columns = transposedMatrix(averages(Q, W), Q, W);
  return sandwiched(g, [rows, x, columns], [P, H, W, Q], name);
};

/** dx = Aᵀ·dy·Bᵀ. */
export const backward: EmitBackward<'adaptiveavgpool'> = (g, layer, { inputs: [x], dy, dx: [dx] }) => {
  const [P, Q] = layer.attributes.size;
  const [H, W] = g.dims(x).slice(2) as number[];
  sandwiched(g, [transposedMatrix(averages(P, H), P, H), dy, averages(Q, W)], [H, P, Q, W], dx);
};
