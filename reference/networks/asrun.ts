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

/** cmrnorm inside each tower, `scale /= size`, on signed values in the first layer; minDiv = 2. */
const cmrnorm = { k: 2, divide: true, even: 'below', groups: 2 } as const;

export const alexnet2012AsRun: Network = {
  name: 'alexnet2012-as-run',
  title:
    'the net that ran (configuration 145): LRN before ReLU, a second normalisation within maps after conv2',
  input: [3, 224, 224],
  preprocess: krizhevsky(224),
  layers: [
    // cuda-convnet rounds the output size up: 224 → 55, taps beyond the image are zero
    conv('conv1', 96, 11, { stride: 4, pad: [0, 0, 3, 3] }),
    lrn('norm1', cmrnorm),
    maxpool('pool1', { rounding: 'caffe' }),
    relu('relu1'),
    conv('conv2', 256, 5, { pad: 2, groups: 2 }),
    relu('relu2'),
    lrn('norm2', cmrnorm),
    mapnorm('mapnorm2', 5, 1e-3),
    maxpool('pool2', { rounding: 'caffe' }),
    conv('conv3', 384, 3, { pad: 1 }),
    relu('relu3'),
    conv('conv4', 384, 3, { pad: 1, groups: 2 }),
    relu('relu4'),
    conv('conv5', 256, 3, { pad: 1, groups: 2 }),
    maxpool('pool5', { rounding: 'caffe' }),
    relu('relu5'),
    flatten('flatten'),
    linear('fc6', 4096),
    relu('relu6'),
    dropout('drop6', 'paper'),
    linear('fc7', 4096),
    relu('relu7'),
    dropout('drop7', 'paper'),
    linear('fc8', 1000),
    softmax('prob'),
  ],
};
