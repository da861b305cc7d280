/**
 * The paper's text: Krizhevsky, Sutskever, Hinton 2012, sections 3 and 4.2. The paper does not give the padding;
 * it is the released configuration's. Each comment is the shape of the layer's output, C×H×W. (The caption of figure 2
 * counts 253,440 neurons in conv1; 96·55·55 is 290,400. Its other counts agree.)
 */
import { krizhevsky } from '../input/preprocess.ts';
import { conv, dropout, flatten, linear, lrn, maxpool, type Network, relu, softmax } from './layers.ts';
import { alexnetStarts } from './starts.ts';

/** α is not divided by n: the formula of section 3.3 as it is printed. */
const paper = { k: 2, divide: false };

export const alexnet2012: Network = {
  name: 'alexnet2012',
  title: "the paper's text: two groups, LRN with k = 2 and α not divided, outputs × 0.5 for dropout",
  // The paper says 224, with 55 × 55 outputs in figure 2; (224 − 11)/4 + 1 = 54.25, but (227 − 11)/4 + 1 = 55.
  input: [3, 227, 227],
  preprocess: krizhevsky(227),
  starts: alexnetStarts(),
  layers: [
    conv('conv1', 96, 11, { stride: 4 }), // 96×55×55, section 3.5
    relu('relu1'), // 96×55×55, section 3.1
    lrn('norm1', paper), // 96×55×55, section 3.3
    maxpool('pool1'), // 96×27×27, section 3.4
    conv('conv2', 256, 5, { pad: 2, groups: 2 }), // 256×27×27, section 3.5
    relu('relu2'), // 256×27×27, section 3.1
    lrn('norm2', paper), // 256×27×27, section 3.3
    maxpool('pool2'), // 256×13×13, section 3.4
    conv('conv3', 384, 3, { pad: 1 }), // 384×13×13, section 3.5
    relu('relu3'), // 384×13×13, section 3.1
    conv('conv4', 384, 3, { pad: 1, groups: 2 }), // 384×13×13, section 3.5
    relu('relu4'), // 384×13×13, section 3.1
    conv('conv5', 256, 3, { pad: 1, groups: 2 }), // 256×13×13, section 3.5
    relu('relu5'), // 256×13×13, section 3.1
    maxpool('pool5'), // 256×6×6, section 3.4
    flatten('flatten'), // 9216
    linear('fc6', 4096), // 4096, section 3.5
    relu('relu6'), // 4096, section 3.1
    dropout('drop6', 'paper'), // 4096, section 4.2
    linear('fc7', 4096), // 4096, section 3.5
    relu('relu7'), // 4096, section 3.1
    dropout('drop7', 'paper'), // 4096, section 4.2
    linear('fc8', 1000), // 1000, section 3.5
    softmax('prob'), // 1000, section 3.5
  ],
};
