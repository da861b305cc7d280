/** Every form of the operators that layers are made of. */
import { bool, f32, i64, noise } from '../onnx.ts';
import { type Form, f, scalar, statistics, unary, variance, windowed, x3, x4 } from './form.ts';

export const forms: Readonly<Record<string, readonly Form[]>> = {
  GlobalAveragePool: unary(x4),
  GlobalMaxPool: unary(x4),
  Softmax: [
    { opsets: [6, 25], inputs: [x3] },
    { opsets: [6, 25], inputs: [x3], attributes: { axis: 2 } },
    { opsets: [11, 25], inputs: [x3], attributes: { axis: -2 } },
  ],
  LogSoftmax: [
    { opsets: [6, 25], inputs: [x3] },
    { opsets: [11, 25], inputs: [x3], attributes: { axis: -2 } },
  ],
  Hardmax: [
    { opsets: [6, 25], inputs: [x3] },
    { opsets: [11, 25], inputs: [x3], attributes: { axis: -2 } },
  ],
  Conv: [
    {
      opsets: [6, 25],
      inputs: [x4, noise([6, 1, 3, 2], 2), noise([6], 1)],
      attributes: { strides: [2, 1], pads: [1, 0, 2, 1], dilations: [1, 2], group: 3 },
    },
    {
      opsets: [6, 25],
      inputs: [x4, noise([2, 3, 3, 2], 2)],
      attributes: { auto_pad: 'SAME_UPPER', strides: [2, 3] },
    },
    {
      opsets: [6, 25],
      inputs: [x4, noise([2, 3, 3, 2], 2)],
      attributes: { auto_pad: 'SAME_LOWER', strides: [3, 2] },
    },
    { opsets: [6, 25], inputs: [x4, noise([2, 3, 3, 2], 2)], attributes: { auto_pad: 'VALID' } },
    {
      opsets: [6, 25],
      inputs: [noise([2, 4, 9], 1), noise([6, 2, 3], 2)],
      attributes: { group: 2, pads: [1, 2] },
    },
    {
      opsets: [6, 25],
      inputs: [noise([1, 2, 4, 5, 6], 1), noise([3, 2, 2, 3, 2], 2), noise([3], 3)],
      attributes: { strides: [1, 2, 3], pads: [1, 0, 0, 0, 2, 1] },
    },
  ],
  ConvTranspose: [
    {
      opsets: [6, 25],
      inputs: [x4, noise([3, 2, 3, 2], 2), noise([2], 1)],
      attributes: { strides: [2, 3], pads: [1, 0, 2, 1], output_padding: [1, 2] },
    },
    {
      opsets: [6, 25],
      inputs: [noise([2, 4, 3, 5], 1), noise([4, 3, 2, 3], 2)],
      attributes: { group: 2, dilations: [2, 1], strides: [1, 2] },
    },
    { opsets: [6, 25], inputs: [noise([2, 3, 5], 1), noise([3, 2, 4], 2)], attributes: { strides: [2] } },
  ],
  MaxPool: [
    { opsets: [6, 25], inputs: [x4], attributes: windowed },
    { opsets: [8, 25], inputs: [x4], attributes: windowed, outputs: 2, types: ['float32', 'int64'] },
    { opsets: [10, 25], inputs: [x4], attributes: { ...windowed, ceil_mode: 1, strides: [3, 2] } },
    { opsets: [10, 25], inputs: [x4], attributes: { ...windowed, dilations: [2, 3] } },
    { opsets: [6, 25], inputs: [noise([2, 3, 8], 1)], attributes: { kernel_shape: [3], strides: [2] } },
    { opsets: [6, 25], inputs: [noise([1, 2, 4, 5, 6], 1)], attributes: { kernel_shape: [2, 3, 2] } },
    {
      opsets: [6, 25],
      inputs: [x4],
      attributes: { kernel_shape: [3, 2], auto_pad: 'SAME_UPPER', strides: [2, 2] },
    },
  ],
  AveragePool: [
    { opsets: [6, 25], inputs: [x4], attributes: windowed },
    { opsets: [7, 25], inputs: [x4], attributes: { ...windowed, count_include_pad: 1 } },
    { opsets: [10, 25], inputs: [x4], attributes: { ...windowed, ceil_mode: 1, strides: [3, 2] } },
    { opsets: [19, 25], inputs: [x4], attributes: { ...windowed, dilations: [2, 3] } },
    { opsets: [7, 25], inputs: [noise([1, 2, 4, 5, 6], 1)], attributes: { kernel_shape: [2, 3, 2] } },
  ],
  MaxUnpool: [
    {
      opsets: [9, 25],
      inputs: [f32([1, 2, 3, 4], [1, 1, 2, 2]), i64([5, 7, 13, 15], [1, 1, 2, 2])],
      attributes: { kernel_shape: [2, 2], strides: [2, 2] },
    },
  ],
  LRN: [
    {
      opsets: [6, 25],
      inputs: [noise([2, 7, 3, 4], 1)],
      attributes: { size: 5, alpha: 0.9, beta: 0.75, bias: f(2) },
    },
    { opsets: [6, 25], inputs: [noise([2, 5, 3, 4], 1)], attributes: { size: 3 } },
  ],
  BatchNormalization: [
    { opsets: [6, 6], inputs: [x4, ...statistics, variance], attributes: { is_test: 1, epsilon: 0.01 } },
    { opsets: [7, 25], inputs: [x4, ...statistics, variance], attributes: { epsilon: 0.01 } },
    {
      opsets: [14, 25],
      inputs: [x4, ...statistics, variance],
      attributes: { training_mode: 1, momentum: 0.7 },
      outputs: 3,
    },
  ],
  Dropout: [
    { opsets: [6, 6], inputs: [x3], attributes: { is_test: 1 } },
    { opsets: [7, 11], inputs: [x3], attributes: { ratio: 0.3 } },
    { opsets: [12, 25], inputs: [x3], outputs: 2, types: ['float32', 'bool'] },
    { opsets: [12, 25], inputs: [x3, scalar(0.3), bool([0], [])], outputs: 2, types: ['float32', 'bool'] },
  ],
  Gemm: [
    {
      opsets: [6, 6],
      inputs: [noise([3, 4], 1), noise([5, 4], 2), noise([5], 3)],
      attributes: { transB: 1, broadcast: 1 },
    },
    {
      opsets: [7, 25],
      inputs: [noise([4, 3], 1), noise([4, 5], 2), noise([3, 1], 3)],
      attributes: { transA: 1, alpha: 0.7, beta: 1.3 },
    },
    { opsets: [11, 25], inputs: [noise([3, 4], 1), noise([5, 4], 2)], attributes: { transB: 1 } },
  ],
  MatMul: [
    { opsets: [6, 25], inputs: [noise([2, 1, 3, 4], 1), noise([5, 4, 2], 2)] },
    { opsets: [6, 25], inputs: [noise([4], 1), noise([3, 4, 2], 2)] },
    { opsets: [6, 25], inputs: [noise([3, 4], 1), noise([4], 2)] },
  ],
};
