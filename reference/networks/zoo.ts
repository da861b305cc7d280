/**
 * The ONNX model zoo's bvlcalexnet: Caffe's weights in another geometry. A 224 input without padding gives
 * conv1 96×54×54, conv2 256×26×26, conv3 to conv5 maps of 12×12, and pool5 256×6×6. All pools round down, but a pad
 * at the end of pool5 imitates Caffe's rounding up
 * (onnx/backend/test/data/light/light_bvlc_alexnet.onnx holds the exact graph).
 */
import { onnxZooPreprocess } from '../input/preprocess.ts';
import { bvlcAlexnet } from './bvlc.ts';
import { maxpool, type Network } from './layers.ts';

export const onnxZoo: Network = {
  ...bvlcAlexnet,
  name: 'onnx-zoo',
  title: "the ONNX model zoo's bvlcalexnet: 224 input, maps of 54, 26, 12 and 6",
  input: [3, 224, 224],
  preprocess: onnxZooPreprocess,
  layers: bvlcAlexnet.layers.map((layer) => {
    if (layer.kind !== 'maxpool') return layer;
    return maxpool(layer.name, layer.name === 'pool5' ? { pad: [0, 0, 1, 1] } : {});
  }),
};
