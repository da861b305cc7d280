/** Caffe's models/bvlc_alexnet (deploy.prototxt): k = 1, α/n, BGR, inverted dropout. */
import { caffe } from '../input/preprocess.ts';
import { conv, dropout, flatten, linear, lrn, maxpool, type Network, relu, softmax } from './layers.ts';
import { alexnetStarts } from './starts.ts';

export const bvlcAlexnet: Network = {
  name: 'bvlc-alexnet',
  title: "Caffe's AlexNet: LRN with k = 1 and α divided by n, BGR, inverted dropout",
  input: [3, 227, 227],
  preprocess: caffe,
  starts: alexnetStarts(),
  layers: [
    conv('conv1', 96, 11, { stride: 4 }), // 96×55×55
    relu('relu1'), // 96×55×55
    lrn('norm1'), // 96×55×55
    maxpool('pool1', { rounding: 'caffe' }), // 96×27×27
    conv('conv2', 256, 5, { pad: 2, groups: 2 }), // 256×27×27
    relu('relu2'), // 256×27×27
    lrn('norm2'), // 256×27×27
    maxpool('pool2', { rounding: 'caffe' }), // 256×13×13
    conv('conv3', 384, 3, { pad: 1 }), // 384×13×13
    relu('relu3'), // 384×13×13
    conv('conv4', 384, 3, { pad: 1, groups: 2 }), // 384×13×13
    relu('relu4'), // 384×13×13
    conv('conv5', 256, 3, { pad: 1, groups: 2 }), // 256×13×13
    relu('relu5'), // 256×13×13
    maxpool('pool5', { rounding: 'caffe' }), // 256×6×6
    flatten('flatten'), // 9216
    linear('fc6', 4096), // 4096
    relu('relu6'), // 4096
    dropout('drop6', 'inverted'), // 4096
    linear('fc7', 4096), // 4096
    relu('relu7'), // 4096
    dropout('drop7', 'inverted'), // 4096
    linear('fc8', 1000), // 1000
    softmax('prob'), // 1000
  ],
};
