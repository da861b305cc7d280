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

/** Caffe's examples/cifar10/cifar10_full: cuda-convnet's four-weight-layer net with normalisation within maps. */
export const cifar10Full: Network = {
  name: 'cifar10-full',
  title: "Caffe's cifar10_full: three 5×5 convolutions, LRN within maps",
  input: [3, 32, 32],
  preprocess,
  layers: [
    conv('conv1', 32, 5, { pad: 2 }),
    maxpool('pool1', { rounding: 'caffe' }),
    relu('relu1'),
    mapnorm('norm1', 3, 5e-5),
    conv('conv2', 32, 5, { pad: 2 }),
    relu('relu2'),
    avgpool('pool2'),
    mapnorm('norm2', 3, 5e-5),
    conv('conv3', 64, 5, { pad: 2 }),
    relu('relu3'),
    avgpool('pool3'),
    flatten('flatten'),
    linear('ip1', 10),
    softmax('prob'),
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
    layers: [
      conv('conv1', 32, 5, { pad: 2 }),
      maxpool('pool1', { rounding: 'caffe' }),
      activation('act1'),
      conv('conv2', 32, 5, { pad: 2 }),
      activation('act2'),
      avgpool('pool2'),
      conv('conv3', 64, 5, { pad: 2 }),
      activation('act3'),
      avgpool('pool3'),
      flatten('flatten'),
      linear('ip1', 10),
      softmax('prob'),
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
  layers: [
    conv('conv1', 32, 3, { pad: 1 }),
    relu('relu1'),
    maxpool('pool1', { rounding: 'onnx' }),
    lrn('norm1', small),
    conv('conv2', 96, 3, { pad: 1 }),
    relu('relu2'),
    conv('conv3', 96, 3, { pad: 1, groups: 2 }),
    relu('relu3'),
    maxpool('pool3', { rounding: 'onnx' }),
    lrn('norm3', small),
    conv('conv4', 192, 3, { pad: 1 }),
    relu('relu4'),
    conv('conv5', 192, 3, { pad: 1, groups: 2 }),
    relu('relu5'),
    conv('conv6', 160, 3, { pad: 1, groups: 2 }),
    relu('relu6'),
    maxpool('pool6', { rounding: 'onnx' }),
    flatten('flatten'),
    dropout('drop7', 'inverted'),
    linear('fc7', 192),
    relu('relu7'),
    dropout('drop8', 'inverted'),
    linear('fc8', 10),
    softmax('prob'),
  ],
};
