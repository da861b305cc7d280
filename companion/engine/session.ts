/** The worker's side of the conversation: a network, a picture in it, and an answer to each question. */

import { toTensor } from '../../lib/array/value.ts';
import { openSafetensors } from '../../lib/format/safetensors.ts';
import { adopt } from '../../lib/format/source.ts';
import { decodeImageSync } from '../../lib/image/decode.ts';
import { madePhoto } from '../../lib/picture/photo.ts';
import { gradients, probabilities, type Running, run } from '../../lib/picture/running.ts';
import {
  centreSquare,
  cropViews,
  type Image,
  preprocess,
  resizedSize,
} from '../../reference/input/preprocess.ts';
import { resizeBilinear } from '../../reference/input/resize.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { cast, dense, type Tensor } from '../../reference/tensor.ts';
import { initialise } from '../../reference/training/init.ts';
import { gradientStory } from './backstory.ts';
import { doubted } from './doubts.ts';
import { classify, occludeRow, tenViews, withoutKernels } from './experiments.ts';
import type { GivenWeights, Questions, Topic } from './protocol.ts';
import { storyOf } from './story.ts';

export type Answers = {
  readonly [T in Topic]: (ask: Questions[T]['ask']) => Questions[T]['answer'];
};

/** A conversation; it begins with `open`, then `see`. */
export function converse(): Answers {
  let network: Network;
  let weights: ReadonlyMap<string, Tensor>;
  let meanImage: Tensor | undefined;
  let photo: Image;
  let running: Running;
  /** Of the last class that was asked about. */
  let known: { readonly k: number; readonly found: ReadonlyMap<string, Tensor> } | undefined;

  const gradientsOf = (k: number): ReadonlyMap<string, Tensor> => {
    if (known?.k !== k) known = { k, found: gradients(running, k) };
    return known.found;
  };
  return {
    open(given) {
      network = given.network;
      weights = weightsOf(network, given.weights);
      meanImage = given.mean ? tensorsIn(given.mean, 'the mean image').get('mean') : undefined;
      return {};
    },
    see(given) {
      photo = given ? decodeImageSync(given.bytes, given.name) : madePhoto();
      const input = preprocess(photo, network.preprocess, { meanImage });
      const start = performance.now();
      running = run(network, weights, input);
      const took = performance.now() - start;
      known = undefined;
      const [crop] = cropViews(photo, network.preprocess);
      return { photo, crop, probabilities: probabilities(running), took };
    },
    maps({ layer, side, k }) {
      const t = side === 'value' ? running.values.get(layer) : gradientsOf(k).get(layer);
      return { data: t ? Float32Array.from(dense(t)) : new Float32Array(0) };
    },
    story: ({ layer, index }) => storyOf(running, layer, index),
    gradient: ({ layer, index, k }) => gradientStory(running, gradientsOf(k), layer, index),
    views: () => tenViews(network, weights, photo, { meanImage }),
    occlusion: ({ k, row }) => ({
      losses: occludeRow(network, weights, running.values.get('input')!, k, row),
    }),
    without: ({ k, layer, range }) => ({
      losses: withoutKernels(network, weights, running.values.get('input')!, k, layer, range),
    }),
    doubt({ ways }) {
      try {
        const model = doubted({ network, weights }, ways);
        const input = preprocess(photo, model.network.preprocess, { meanImage });
        return { ways, probabilities: classify(model.network, model.weights, input).p, refused: '' };
      } catch (error) {
        return { ways, probabilities: new Float64Array(0), refused: (error as Error).message };
      }
    },
    way() {
      const [width, height] = resizedSize(photo, network.preprocess);
      return {
        resized: resizeBilinear(photo, width, height),
        square: centreSquare(photo, network.preprocess),
      };
    },
    kernels({ layer }) {
      const w = weights.get(`${layer}.weight`)!;
      return { data: Float32Array.from(dense(w)), shape: [...w.shape] };
    },
  };
}

/** In float32, as an engine stores them. */
function weightsOf(network: Network, given: GivenWeights): ReadonlyMap<string, Tensor> {
  if ('seed' in given) return initialise(network, given.seed, given.init);
  const tensors = tensorsIn(given.bytes, 'the weights');
  return new Map([...tensors].map(([name, t]) => [name, cast(t, 'float32')]));
}

function tensorsIn(bytes: Uint8Array<ArrayBuffer>, name: string): ReadonlyMap<string, Tensor> {
  const { tensors } = openSafetensors(adopt(bytes, name));
  return new Map([...tensors].map(([key, value]) => [key, toTensor(value.read())]));
}
