/** Caffe's models/bvlc_alexnet (deploy.prototxt): k = 1, α/n, BGR, inverted dropout. */
import { caffe } from '../input/preprocess.ts';
import { conv, dropout, flatten, linear, lrn, maxpool, type Network, relu, softmax } from './layers.ts';

export const bvlcAlexnet: Network = {
  name: 'bvlc-alexnet',
  title: "Caffe's AlexNet: LRN with k = 1 and α divided by n, BGR, inverted dropout",
  input: [3, 227, 227],
  preprocess: caffe,
  layers: [
    conv('conv1', 96, 11, { stride: 4 }),
    relu('relu1'),
    lrn('norm1'),
    maxpool('pool1', { rounding: 'caffe' }),
    conv('conv2', 256, 5, { pad: 2, groups: 2 }),
    relu('relu2'),
    lrn('norm2'),
    maxpool('pool2', { rounding: 'caffe' }),
    conv('conv3', 384, 3, { pad: 1 }),
    relu('relu3'),
    conv('conv4', 384, 3, { pad: 1, groups: 2 }),
    relu('relu4'),
    conv('conv5', 256, 3, { pad: 1, groups: 2 }),
    relu('relu5'),
    maxpool('pool5', { rounding: 'caffe' }),
    flatten('flatten'),
    linear('fc6', 4096),
    relu('relu6'),
    dropout('drop6', 'inverted'),
    linear('fc7', 4096),
    relu('relu7'),
    dropout('drop7', 'inverted'),
    linear('fc8', 1000),
    softmax('prob'),
  ],
};
