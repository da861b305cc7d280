/**
 * The net that ran: configuration 145 of the authors' released source (computerhistory/AlexNet-Source-Code,
 * layers/layers-145.cfg), whose logged errors are the ones that the paper prints. Towers are merged into groups.
 */
import { krizhevsky } from '../input/preprocess.ts';
import {
  conv,
  dropout,
  flatten,
  linear,
  lrn,
  mapnorm,
  maxpool,
  type Network,
  relu,
  softmax,
} from './layers.ts';
import { alexnetStarts } from './starts.ts';

/** cmrnorm inside each tower, `scale /= size`, on signed values in the first layer; minDiv = 2. */
const cmrnorm = { k: 2, divide: true, even: 'below', groups: 2 } as const;

export const alexnet2012AsRun: Network = {
  name: 'alexnet2012-as-run',
  title:
    'the net that ran (configuration 145): LRN before ReLU, a second normalisation within maps after conv2',
  input: [3, 224, 224],
  preprocess: krizhevsky(224),
  starts: alexnetStarts(),
  layers: [
    // cuda-convnet rounds the output size up, 54.25 to 55: the last windows end at 227, where it reads zeros
    conv('conv1', 96, 11, { stride: 4, pad: [0, 0, 3, 3] }), // 96×55×55
    lrn('norm1', cmrnorm), // 96×55×55
    maxpool('pool1', { rounding: 'caffe' }), // 96×27×27
    relu('relu1'), // 96×27×27
    conv('conv2', 256, 5, { pad: 2, groups: 2 }), // 256×27×27
    relu('relu2'), // 256×27×27
    lrn('norm2', cmrnorm), // 256×27×27
    mapnorm('mapnorm2', 5, 1e-3), // 256×27×27
    maxpool('pool2', { rounding: 'caffe' }), // 256×13×13
    conv('conv3', 384, 3, { pad: 1 }), // 384×13×13
    relu('relu3'), // 384×13×13
    conv('conv4', 384, 3, { pad: 1, groups: 2 }), // 384×13×13
    relu('relu4'), // 384×13×13
    conv('conv5', 256, 3, { pad: 1, groups: 2 }), // 256×13×13
    maxpool('pool5', { rounding: 'caffe' }), // 256×6×6
    relu('relu5'), // 256×6×6
    flatten('flatten'), // 9216
    linear('fc6', 4096), // 4096
    relu('relu6'), // 4096
    dropout('drop6', 'paper'), // 4096
    linear('fc7', 4096), // 4096
    relu('relu7'), // 4096
    dropout('drop7', 'paper'), // 4096
    linear('fc8', 1000), // 1000
    softmax('prob'), // 1000
  ],
};
