/**
 * The paper's text: Krizhevsky, Sutskever, Hinton 2012, sections 3 and 4.2. Padding is the released
 * configuration's.
 */
import { krizhevsky } from '../input/preprocess.ts';
import { conv, dropout, flatten, linear, lrn, maxpool, type Network, relu, softmax } from './layers.ts';

/** α is not divided by n: the formula of section 3.3 as it is printed. */
const paper = { k: 2, divide: false };

export const alexnet2012: Network = {
  name: 'alexnet2012',
  title: "the paper's text: two groups, LRN with k = 2 and α not divided, outputs × 0.5 for dropout",
  input: [3, 227, 227],
  preprocess: krizhevsky(227),
  layers: [
    conv('conv1', 96, 11, { stride: 4 }),
    relu('relu1'),
    lrn('norm1', paper),
    maxpool('pool1'),
    conv('conv2', 256, 5, { pad: 2, groups: 2 }),
    relu('relu2'),
    lrn('norm2', paper),
    maxpool('pool2'),
    conv('conv3', 384, 3, { pad: 1 }),
    relu('relu3'),
    conv('conv4', 384, 3, { pad: 1, groups: 2 }),
    relu('relu4'),
    conv('conv5', 256, 3, { pad: 1, groups: 2 }),
    relu('relu5'),
    maxpool('pool5'),
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
