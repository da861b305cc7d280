/** The part of a layer that computes one of its values by itself: one channel column, one map, one value. */
import type { Kind } from '../../reference/networks/layers.ts';
import { dense, type Shape, sizeOf, type Tensor, tensor } from '../../reference/tensor.ts';

export interface Piece {
  /** What lies in the piece of any tensor of the layer: its input, its output, their gradients. Batches of one. */
  readonly of: (t: Tensor) => Tensor;
  /** Where the value is in the piece of the tensor that it belongs to. */
  readonly at: number;
  /** Where value `i` of a piece lies in the whole tensor of this shape. */
  readonly whole: (shape: Shape, i: number) => number;
}

/** The piece of a layer of this kind that holds value `index` of its input or output, which has this shape. */
export function pieceAt(kind: Kind, shape: Shape, index: number): Piece {
  const plane = sizeOf(shape.slice(2));
  switch (kind) {
    case 'lrn': {
      const place = index % plane;
      const of = (t: Tensor): Tensor => {
        const T = dense(t);
        const column = new Float32Array(t.shape[1]).map((_, c) => T[c * plane + place]);
        return tensor(column, [1, column.length, 1, 1]);
      };
      return { of, at: Math.floor(index / plane), whole: (_, i) => i * plane + place };
    }
    case 'mapnorm':
    case 'maxpool':
    case 'avgpool':
    case 'adaptiveavgpool': {
      const c = Math.floor(index / plane);
      const of = (t: Tensor): Tensor => {
        const [, , H, W] = t.shape;
        return tensor(dense(t).slice(c * H * W, (c + 1) * H * W), [1, 1, H, W]);
      };
      return { of, at: index % plane, whole: ([, , H, W], i) => c * H * W + i };
    }
    case 'relu':
    case 'tanh':
    case 'sigmoid':
    case 'dropout':
      return { of: (t) => tensor(dense(t).slice(index, index + 1), [1, 1]), at: 0, whole: () => index };
    default:
      return { of: (t) => t, at: index, whole: (_, i) => i };
  }
}
