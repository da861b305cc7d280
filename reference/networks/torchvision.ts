/** torchvision.models.alexnet: the single tower of "One weird trick" (arXiv 1404.5997), without LRN. */
import { torchvisionPreprocess } from '../input/preprocess.ts';
import { adaptiveavgpool, conv, dropout, flatten, linear, maxpool, type Network, relu } from './layers.ts';
import { alexnetStarts } from './starts.ts';

export const torchvision: Network = {
  name: 'torchvision',
  title: "torchvision's single tower: 64-192-384-256-256, no LRN, dropout before fc6 and fc7, logits",
  input: [3, 224, 224],
  preprocess: torchvisionPreprocess,
  starts: alexnetStarts(),
  layers: [
    conv('conv1', 64, 11, { stride: 4, pad: 2 }), // 64×55×55
    relu('relu1'), // 64×55×55
    maxpool('pool1'), // 64×27×27
    conv('conv2', 192, 5, { pad: 2 }), // 192×27×27
    relu('relu2'), // 192×27×27
    maxpool('pool2'), // 192×13×13
    conv('conv3', 384, 3, { pad: 1 }), // 384×13×13
    relu('relu3'), // 384×13×13
    conv('conv4', 256, 3, { pad: 1 }), // 256×13×13
    relu('relu4'), // 256×13×13
    conv('conv5', 256, 3, { pad: 1 }), // 256×13×13
    relu('relu5'), // 256×13×13
    maxpool('pool5'), // 256×6×6
    adaptiveavgpool('avgpool', 6), // 256×6×6
    flatten('flatten'), // 9216
    dropout('drop6', 'inverted'), // 9216
    linear('fc6', 4096), // 4096
    relu('relu6'), // 4096
    dropout('drop7', 'inverted'), // 4096
    linear('fc7', 4096), // 4096
    relu('relu7'), // 4096
    linear('fc8', 1000), // 1000
  ],
};
