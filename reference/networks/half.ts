/**
 * The one-GPU ablation of section 3.2: half the kernels in each layer, but for conv5, whose kernels are not halved, so
 * that the first fully connected layer stays as large (footnote 1; released configuration layers-145-half.cfg).
 * Maps of 48×55×55, 128×27×27, 192×13×13, 192×13×13 and 256×13×13; from pool5 on as in alexnet2012.
 */
import { krizhevsky } from '../input/preprocess.ts';
import { alexnet2012 } from './alexnet2012.ts';
import type { Network } from './layers.ts';

const kernels: Record<string, number> = { conv1: 48, conv2: 128, conv3: 192, conv4: 192, conv5: 256 };

export const alexnetHalf: Network = {
  ...alexnet2012,
  name: 'alexnet-half',
  title: "the paper's one-GPU ablation: 48-128-192-192-256 kernels in a single tower",
  preprocess: krizhevsky(227),
  layers: alexnet2012.layers.map((layer) =>
    layer.kind === 'conv2d'
      ? { ...layer, channels: kernels[layer.name], attributes: { ...layer.attributes, groups: 1 } }
      : layer,
  ),
};
