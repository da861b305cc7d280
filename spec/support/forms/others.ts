/** Every form of the operators that move and make values, of control flow and the losses. */

import type { Value } from '../../../lib/array/value.ts';
import { elements } from '../../../lib/onnx/value.ts';
import { bool, f32, graph, i64, info, noise } from '../onnx.ts';
import { type Form, f, m23, mask, scalar, scores, unary, whole, x3, x4 } from './form.ts';

const branch = (value: Value) =>
  graph([{ op: 'Constant', inputs: [], outputs: ['b'], attributes: { value } }], [], [info('b')]);
const body = graph(
  [
    { op: 'Identity', inputs: ['c'], outputs: ['c1'] },
    { op: 'Add', inputs: ['v', 'v'], outputs: ['v1'] },
    { op: 'Identity', inputs: ['v1'], outputs: ['scan'] },
  ],
  [info('i', 'int64', []), info('c', 'bool', []), info('v', 'float32', [3])],
  [info('c1', 'bool', []), info('v1', 'float32', [3]), info('scan', 'float32', [3])],
);

function positiveWeights(): Value {
  return f32([0.2, 0.5, 1, 1.5, 2]);
}

export const forms: Readonly<Record<string, readonly Form[]>> = {
  Identity: unary(x3),
  Flatten: [
    { opsets: [6, 25], inputs: [x4], attributes: { axis: 2 } },
    { opsets: [11, 25], inputs: [x4], attributes: { axis: -1 } },
  ],
  Reshape: [
    { opsets: [6, 25], inputs: [x4, i64([0, -1, 6])] },
    { opsets: [14, 25], inputs: [noise([0, 3], 1), i64([3, 0])], attributes: { allowzero: 1 } },
  ],
  Transpose: [...unary(x4), { opsets: [6, 25], inputs: [x4], attributes: { perm: [2, 0, 3, 1] } }],
  Squeeze: [
    { opsets: [6, 12], inputs: [noise([1, 3, 1, 2], 1)], attributes: { axes: [0, 2] } },
    { opsets: [11, 12], inputs: [noise([1, 3, 1, 2], 1)], attributes: { axes: [-2] } },
    { opsets: [13, 25], inputs: [noise([1, 3, 1, 2], 1), i64([-2])] },
    ...unary(noise([1, 3, 1, 2], 1)),
  ],
  Unsqueeze: [
    { opsets: [6, 12], inputs: [m23], attributes: { axes: [0, 3] } },
    { opsets: [13, 25], inputs: [m23, i64([-1, 0])] },
  ],
  Concat: [{ opsets: [6, 25], inputs: [x3, noise([2, 5, 4], 1)], attributes: { axis: 1 } }],
  Split: [
    { opsets: [6, 12], inputs: [x4], attributes: { axis: 2, split: [3, 4] }, outputs: 2 },
    { opsets: [6, 17], inputs: [x4], attributes: { axis: 3 }, outputs: 3 },
    { opsets: [13, 25], inputs: [x4, i64([1, 6])], attributes: { axis: 2 }, outputs: 2 },
    { opsets: [18, 25], inputs: [x4], attributes: { axis: 2, num_outputs: 3 }, outputs: 3 },
  ],
  Slice: [
    { opsets: [6, 9], inputs: [x4], attributes: { axes: [2, 3], starts: [1, -4], ends: [100, -1] } },
    { opsets: [10, 25], inputs: [x4, i64([5, 0]), i64([-100, 100]), i64([2, 3]), i64([-2, 3])] },
    { opsets: [10, 25], inputs: [x4, i64([0, 1]), i64([1, 3])] },
  ],
  Pad: [
    { opsets: [6, 10], inputs: [m23], attributes: { pads: [1, 2, 0, 1], value: 0.5 } },
    { opsets: [6, 10], inputs: [x3], attributes: { pads: [0, 2, 1, 0, 1, 3], mode: 'reflect' } },
    { opsets: [11, 25], inputs: [m23, i64([1, 2, 0, -1]), scalar(0.5)] },
    { opsets: [11, 25], inputs: [x3, i64([0, 2, 1, 0, 1, 3])], attributes: { mode: 'edge' } },
    { opsets: [18, 25], inputs: [x3, i64([2, 1]), undefined, i64([1])], attributes: { mode: 'reflect' } },
    { opsets: [19, 25], inputs: [x3, i64([0, 2, 1, 0, 1, 3])], attributes: { mode: 'wrap' } },
  ],
  Gather: [
    { opsets: [6, 25], inputs: [x3, i64([2, 0, 1, 1], [2, 2])], attributes: { axis: 1 } },
    { opsets: [11, 25], inputs: [x3, i64([-1])], attributes: { axis: 2 } },
  ],
  GatherElements: [
    { opsets: [11, 25], inputs: [x3, i64([0, -1, 2, 1], [2, 1, 2])], attributes: { axis: 1 } },
  ],
  GatherND: [
    { opsets: [11, 25], inputs: [x3, i64([0, 2, 1, -1], [2, 2])] },
    { opsets: [12, 25], inputs: [x3, i64([2, 1], [2, 1])], attributes: { batch_dims: 1 } },
  ],
  ScatterElements: [
    {
      opsets: [11, 25],
      inputs: [x3, i64([2, -3, 1, 0], [2, 1, 2]), noise([2, 1, 2], 1)],
      attributes: { axis: 1 },
    },
    ...['add', 'mul'].map(
      (reduction): Form => ({
        opsets: [16, 25],
        inputs: [x3, i64([2, 2, 1, 0], [2, 2, 1]), noise([2, 2, 1], 1)],
        attributes: { axis: 1, reduction },
      }),
    ),
    ...['max', 'min'].map(
      (reduction): Form => ({
        opsets: [18, 25],
        inputs: [x3, i64([2, 2, 1, 0], [2, 2, 1]), noise([2, 2, 1], 1)],
        attributes: { axis: 1, reduction },
      }),
    ),
  ],
  ScatterND: [
    { opsets: [11, 25], inputs: [x3, i64([1, 2, 0, -1], [2, 2]), noise([2, 4], 1)] },
    {
      opsets: [16, 25],
      inputs: [x3, i64([1, 2, 1, 2], [2, 2]), noise([2, 4], 1)],
      attributes: { reduction: 'add' },
    },
    {
      opsets: [18, 25],
      inputs: [x3, i64([1, 2, 1, 2], [2, 2]), noise([2, 4], 1)],
      attributes: { reduction: 'max' },
    },
  ],
  Constant: [
    { opsets: [6, 25], inputs: [], attributes: { value: m23 } },
    { opsets: [12, 25], inputs: [], attributes: { value_ints: [3, -4] }, types: ['int64'] },
    { opsets: [12, 25], inputs: [], attributes: { value_float: f(1.5) } },
  ],
  ConstantOfShape: [
    { opsets: [9, 25], inputs: [i64([2, 3])], attributes: { value: i64([7]) }, types: ['int64'] },
    { opsets: [9, 25], inputs: [i64([2, 3])] },
  ],
  Shape: [
    { opsets: [6, 25], inputs: [x4], types: ['int64'] },
    { opsets: [15, 25], inputs: [x4], attributes: { start: -3, end: 3 }, types: ['int64'] },
  ],
  Size: [{ opsets: [6, 25], inputs: [x4], types: ['int64'] }],
  Cast: [
    { opsets: [6, 25], inputs: [whole], attributes: { to: 1 } },
    {
      opsets: [6, 25],
      inputs: [{ ...x3, data: Float32Array.from(elements(x3.data), (v) => 99 * v) }],
      attributes: { to: 6 },
      types: ['int32'],
    },
    { opsets: [6, 25], inputs: [x3], attributes: { to: 9 }, types: ['bool'] },
    { opsets: [9, 25], inputs: [x3], attributes: { to: 10 }, types: ['float16'] },
    { opsets: [6, 25], inputs: [mask], attributes: { to: 11 }, types: ['float64'] },
  ],
  CastLike: [{ opsets: [15, 25], inputs: [whole, x3] }],
  OneHot: [
    { opsets: [9, 25], inputs: [i64([1, 0, 3], [3]), i64([4]), f32([0.5, 2])], attributes: { axis: 0 } },
    { opsets: [11, 25], inputs: [i64([1, -1, 7], [3]), i64([4]), f32([0.5, 2])] },
  ],
  Expand: [{ opsets: [8, 25], inputs: [noise([3, 1], 1), i64([2, 1, 4])] }],
  Range: [
    { opsets: [11, 25], inputs: [scalar(1), scalar(-2), scalar(-0.75)] },
    { opsets: [11, 25], inputs: [3, 20, 4].map((v) => i64([v], [])), types: ['int64'] },
  ],
  NegativeLogLikelihoodLoss: [
    { opsets: [12, 25], inputs: [scores, i64([1, 0, 4, 2]), noise([5], 1)] },
    {
      opsets: [12, 25],
      inputs: [scores, i64([1, 0, 4, 2])],
      attributes: { ignore_index: 4, reduction: 'sum' },
    },
  ],
  SoftmaxCrossEntropyLoss: [
    { opsets: [12, 25], inputs: [scores, i64([1, 0, 4, 2]), positiveWeights()], outputs: 2 },
    {
      opsets: [12, 25],
      inputs: [scores, i64([1, 0, 4, 2])],
      attributes: { ignore_index: 4, reduction: 'none' },
    },
  ],
  If: [
    {
      opsets: [11, 25],
      inputs: [bool([1], [])],
      attributes: { then_branch: branch(m23), else_branch: branch(x3) },
    },
  ],
  Loop: [
    {
      opsets: [11, 25],
      inputs: [i64([3], []), bool([1], []), f32([1, -2, 3])],
      attributes: { body },
      outputs: 2,
    },
  ],
};
