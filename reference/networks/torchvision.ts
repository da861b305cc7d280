/** torchvision.models.alexnet: the single tower of "One weird trick" (arXiv 1404.5997), without LRN. */
import { torchvision as preprocess } from '../input/preprocess.ts';
import { adaptiveavgpool, conv, dropout, flatten, linear, maxpool, type Network, relu } from './layers.ts';

export const torchvision: Network = {
  name: 'torchvision',
  title: "torchvision's single tower: 64-192-384-256-256, no LRN, dropout before fc6 and fc7, logits",
  input: [3, 224, 224],
  preprocess,
  layers: [
    conv('conv1', 64, 11, { stride: 4, pad: 2 }),
    relu('relu1'),
    maxpool('pool1'),
    conv('conv2', 192, 5, { pad: 2 }),
    relu('relu2'),
    maxpool('pool2'),
    conv('conv3', 384, 3, { pad: 1 }),
    relu('relu3'),
    conv('conv4', 256, 3, { pad: 1 }),
    relu('relu4'),
    conv('conv5', 256, 3, { pad: 1 }),
    relu('relu5'),
    maxpool('pool5'),
    adaptiveavgpool('avgpool', 6),
    flatten('flatten'),
    dropout('drop6', 'inverted'),
    linear('fc6', 4096),
    relu('relu6'),
    dropout('drop7', 'inverted'),
    linear('fc7', 4096),
    relu('relu7'),
    linear('fc8', 1000),
  ],
};
