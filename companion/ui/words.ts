/** A layer in one sentence. */
import type { Layer } from '../../reference/networks/layers.ts';

/** What the layer does; the picture itself where there is none. */
export function words(layer: Layer | undefined): string {
  if (!layer) return 'The picture as the net gets it: resized, cropped, its mean subtracted.';
  switch (layer.kind) {
    case 'conv2d': {
      const { stride, pad, groups } = layer.attributes;
      const steps = stride[0] === 1 ? '' : `, ${stride[0]} pixels apart`;
      const edge = pad.every((p) => p === 0)
        ? ''
        : `, a border of zeros ${pad[0] === pad[2] ? pad[0] : `${pad[0]} and ${pad[2]}`} wide`;
      const towers = groups === 1 ? '' : `, in ${groups} groups that do not see each other`;
      return `Convolution: ${layer.channels} kernels of ${layer.kernel.join('×')}${steps}${edge}${towers}.`;
    }
    case 'linear':
      return `Fully connected: ${layer.channels} neurons, each reads every value.`;
    case 'relu':
      return 'ReLU: what is below 0 becomes 0.';
    case 'lrn':
      return `Local response normalisation: each value divided by what ${layer.attributes.size} neighbouring maps have at its place.`;
    case 'mapnorm':
      return `Normalisation within each map, over ${layer.attributes.size}×${layer.attributes.size} neighbours.`;
    case 'maxpool': {
      const { kernel, stride } = layer.attributes;
      return `Max-pooling: the largest of ${kernel.join('×')}, ${stride[0]} pixels apart${kernel[0] > stride[0] ? ', so windows overlap' : ''}.`;
    }
    case 'avgpool':
      return `Average pooling: the mean of ${layer.attributes.kernel.join('×')}, ${layer.attributes.stride[0]} pixels apart.`;
    case 'flatten':
      return 'Flattening: all maps in one row, map after map.';
    case 'dropout':
      return layer.attributes.convention === 'paper'
        ? 'Dropout: drops half of the values in training, halves all of them now.'
        : 'Dropout: drops half of the values in training, does nothing now.';
    case 'softmax':
      return 'Softmax: powers of e, divided by their sum: probabilities.';
    default:
      return `${layer.kind}.`;
  }
}
