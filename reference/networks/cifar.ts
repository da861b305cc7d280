/** Small nets of the same family for 32×32 images. */
import { cifar as preprocess } from '../input/preprocess.ts';
import {
  avgpool,
  conv,
  dropout,
  flatten,
  type Layer,
  linear,
  lrn,
  mapnorm,
  maxpool,
  type Network,
  relu,
  softmax,
  tanh,
} from './layers.ts';
import { alexnetStarts, cifarStarts } from './starts.ts';

/** Caffe's examples/cifar10/cifar10_full: cuda-convnet's four-weight-layer net with normalisation within maps. */
export const cifar10Full: Network = {
  name: 'cifar10-full',
  title: "Caffe's cifar10_full: three 5×5 convolutions, LRN within maps",
  input: [3, 32, 32],
  preprocess,
  starts: cifarStarts,
  layers: [
    conv('conv1', 32, 5, { pad: 2 }), // 32×32×32
    maxpool('pool1', { rounding: 'caffe' }), // 32×16×16
    relu('relu1'), // 32×16×16
    mapnorm('norm1', 3, 5e-5), // 32×16×16
    conv('conv2', 32, 5, { pad: 2 }), // 32×16×16
    relu('relu2'), // 32×16×16
    avgpool('pool2'), // 32×8×8
    mapnorm('norm2', 3, 5e-5), // 32×8×8
    conv('conv3', 64, 5, { pad: 2 }), // 64×8×8
    relu('relu3'), // 64×8×8
    avgpool('pool3'), // 64×4×4
    flatten('flatten'), // 1024
    linear('ip1', 10), // 10
    softmax('prob'), // 10
  ],
};

/** The four-layer net of figure 1 (the paper does not publish it; this is cuda-convnet's layers-19pct geometry). */
function figure1(name: string, activation: (name: string) => Layer): Network {
  return {
    name,
    title: `four-layer CIFAR-10 net for figure 1, ${name.endsWith('tanh') ? 'tanh' : 'ReLU'} neurons`,
    input: [3, 32, 32],
    preprocess: {
      ...preprocess,
      meanImage: 'optional',
      mean: [125.3, 123, 113.9],
      deviation: [63, 62.1, 66.7],
    },
    starts: cifarStarts,
    layers: [
      conv('conv1', 32, 5, { pad: 2 }), // 32×32×32
      maxpool('pool1', { rounding: 'caffe' }), // 32×16×16
      activation('act1'), // 32×16×16
      conv('conv2', 32, 5, { pad: 2 }), // 32×16×16
      activation('act2'), // 32×16×16
      avgpool('pool2'), // 32×8×8
      conv('conv3', 64, 5, { pad: 2 }), // 64×8×8
      activation('act3'), // 64×8×8
      avgpool('pool3'), // 64×4×4
      flatten('flatten'), // 1024
      linear('ip1', 10), // 10
      softmax('prob'), // 10
    ],
  };
}

export const cifarRelu = figure1('cifar-relu', relu);
export const cifarTanh = figure1('cifar-tanh', tanh);

const small = { alpha: 1e-3 };

/** A small AlexNet for 32×32 images: two groups, LRN, overlapping pooling, dropout. */
export const cifarAlexnet: Network = {
  name: 'cifar-alexnet',
  title: 'a small AlexNet for 32×32 images: 28×28 crops, two groups, LRN, dropout',
  input: [3, 28, 28],
  preprocess: {
    ...preprocess,
    crop: { size: 28, offset: 'floor' },
    resize: { mode: 'shorter', size: 32 },
    meanImage: 'none',
    mean: [125.3, 123, 113.9],
    deviation: [63, 62.1, 66.7],
  },
  starts: alexnetStarts(['fc7']),
  layers: [
    conv('conv1', 32, 3, { pad: 1 }), // 32×28×28
    relu('relu1'), // 32×28×28
    maxpool('pool1', { rounding: 'onnx' }), // 32×14×14
    lrn('norm1', small), // 32×14×14
    conv('conv2', 96, 3, { pad: 1 }), // 96×14×14
    relu('relu2'), // 96×14×14
    conv('conv3', 96, 3, { pad: 1, groups: 2 }), // 96×14×14
    relu('relu3'), // 96×14×14
    maxpool('pool3', { rounding: 'onnx' }), // 96×7×7
    lrn('norm3', small), // 96×7×7
    conv('conv4', 192, 3, { pad: 1 }), // 192×7×7
    relu('relu4'), // 192×7×7
    conv('conv5', 192, 3, { pad: 1, groups: 2 }), // 192×7×7
    relu('relu5'), // 192×7×7
    conv('conv6', 160, 3, { pad: 1, groups: 2 }), // 160×7×7
    relu('relu6'), // 160×7×7
    maxpool('pool6', { rounding: 'onnx' }), // 160×3×3
    flatten('flatten'), // 1440
    dropout('drop7', 'inverted'), // 1440
    linear('fc7', 192), // 192
    relu('relu7'), // 192
    dropout('drop8', 'inverted'), // 192
    linear('fc8', 10), // 10
    softmax('prob'), // 10
  ],
};
