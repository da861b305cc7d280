/**
 * Caffe's models/bvlc_reference_caffenet: bvlc_alexnet with pooling before LRN, so that norm1 sees 96×27×27 and norm2
 * 256×13×13.
 */
import { bvlcAlexnet } from './bvlc.ts';
import type { Network } from './layers.ts';
import { alexnetStarts } from './starts.ts';

/** norm1 and pool1, norm2 and pool2 change places. */
function poolFirst(layers: Network['layers']): Network['layers'] {
  const at = (name: string) => layers.find((layer) => layer.name === name)!;
  const swapped: Record<string, string> = { norm1: 'pool1', pool1: 'norm1', norm2: 'pool2', pool2: 'norm2' };
  return layers.map((layer) => at(swapped[layer.name] ?? layer.name));
}

export const caffenet: Network = {
  ...bvlcAlexnet,
  name: 'caffenet',
  title: "Caffe's reference net: as bvlc-alexnet, but pooling before LRN",
  starts: alexnetStarts(['fc6', 'fc7'], 1),
  layers: poolFirst(bvlcAlexnet.layers),
};
