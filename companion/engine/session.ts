/** The worker's side of the conversation: a network, a picture in it, and an answer to each question. */

import { toTensor } from '../../lib/array/value.ts';
import { openSafetensors } from '../../lib/format/safetensors.ts';
import { adopt } from '../../lib/format/source.ts';
import { sniff } from '../../lib/image/admit.ts';
import { decodeImageSync } from '../../lib/image/decode.ts';
import { madePhoto } from '../../lib/picture/photo.ts';
import { probabilities, type Running, run } from '../../lib/picture/running.ts';
import { oneLine, visible } from '../../lib/report/escape.ts';
import {
  centreSquare,
  cropViews,
  type Image,
  preprocess,
  resizedSize,
} from '../../reference/input/preprocess.ts';
import { resizeBilinear } from '../../reference/input/resize.ts';
import type { Network } from '../../reference/networks/layers.ts';
import type { Weights } from '../../reference/oracle.ts';
import { cast, dense, type Tensor } from '../../reference/tensor.ts';
import { initialise } from '../../reference/training/init.ts';
import { allGradients, gradientStory } from './backstory.ts';
import { doubted } from './doubts.ts';
import { droppedWeights } from './dropped.ts';
import { classify, occludeRow, tenViews, withoutKernels } from './experiments.ts';
import { fileSource } from './file.ts';
import { type Nearest, picturesIn } from './nearest.ts';
import type { GivenBytes, GivenWeights, Progress, Questions, Seen, Topic } from './protocol.ts';
import { storyOf } from './story.ts';

export type Answers = {
  readonly [T in Topic]: (
    ask: Questions[T]['ask'],
    progress: Progress,
  ) => Questions[T]['answer'] | Promise<Questions[T]['answer']>;
};

interface Model {
  readonly network: Network;
  readonly weights: Weights;
  readonly meanImage?: Tensor;
  readonly nearest?: (running: Running) => Nearest;
}

/** A conversation; it begins with `open`, then `see`. */
export function converse(): Answers {
  let model: Model;
  let home: string | null = null;
  let photo: Image;
  let running: Running;
  /** Of the last class that was asked about. */
  let known: { readonly k: number; readonly found: ReadonlyMap<string, Tensor> } | undefined;

  const gradientsOf = (k: number): ReadonlyMap<string, Tensor> => {
    if (known?.k !== k) known = { k, found: allGradients(running, k) };
    return known.found;
  };
  /** From here on all is about this photo in this model; where it does not fit all stays as it was. */
  const show = (image: Image, next: Model): Seen => {
    const input = preprocess(image, next.network.preprocess, next);
    const start = performance.now();
    running = run(next.network, next.weights, input);
    const took = performance.now() - start;
    model = next;
    photo = image;
    known = undefined;
    const [crop] = cropViews(photo, model.network.preprocess);
    return { photo, crop, probabilities: probabilities(running), took };
  };
  return {
    async open({ network, weights, mean, pictures, home: at }) {
      home = at;
      const meanImage = mean ? (await tensorsIn(mean, 'the mean image')).get('mean') : undefined;
      const nearest = pictures ? picturesIn(await bytesOf(pictures)) : undefined;
      model = { network, weights: await weightsOf(network, weights), meanImage, nearest };
      return {};
    },
    see: async (given) =>
      show(given ? decodeImageSync(await bytesOf(given.bytes), given.name) : madePhoto(), model),
    async take({ file, network: asked }, progress) {
      const name = oneLine(visible(file.name));
      const source = fileSource(file, name, progress);
      if (sniff(source.read(0, Math.min(source.size, 512))) || file.type.startsWith('image/'))
        return { seen: show(decodeImageSync(source.read(0, source.size), name), model), identity: null };
      const { identity, weights } = await droppedWeights(source, asked, home);
      return { seen: show(photo, { network: identity.network, weights: inFloat32(weights) }), identity };
    },
    maps({ layer, side, k }) {
      const t = side === 'value' ? running.values.get(layer) : gradientsOf(k).get(layer);
      return { data: t ? Float32Array.from(dense(t)) : new Float32Array(0) };
    },
    story: ({ layer, index }) => storyOf(running, layer, index),
    gradient: ({ layer, index, k }) => gradientStory(running, gradientsOf(k), layer, index, k),
    views: () => tenViews(model.network, model.weights, photo, model),
    occlusion: ({ k, row }) => ({
      losses: occludeRow(model.network, model.weights, running.values.get('input')!, k, row),
    }),
    without: ({ k, layer, range }) => ({
      losses: withoutKernels(model.network, model.weights, running.values.get('input')!, k, layer, range),
    }),
    doubt({ ways }) {
      try {
        const { network, weights } = doubted(model, ways);
        const input = preprocess(photo, network.preprocess, model);
        return { ways, probabilities: classify(network, weights, input).p, refused: '' };
      } catch (error) {
        return { ways, probabilities: new Float64Array(0), refused: (error as Error).message };
      }
    },
    nearest: () => ({ nearest: model.nearest?.(running) ?? null }),
    way() {
      const [width, height] = resizedSize(photo, model.network.preprocess);
      return {
        resized: resizeBilinear(photo, width, height),
        square: centreSquare(photo, model.network.preprocess),
      };
    },
    kernels({ layer }) {
      const w = model.weights.get(`${layer}.weight`)!;
      return { data: Float32Array.from(dense(w)), shape: [...w.shape] };
    },
  };
}

/** As an engine stores them. */
const inFloat32 = (weights: Weights): Weights =>
  new Map([...weights].map(([name, t]) => [name, cast(t, 'float32')]));

const weightsOf = async (network: Network, given: GivenWeights): Promise<Weights> =>
  typeof given === 'object' && 'seed' in given
    ? initialise(network, given.seed, given.init)
    : inFloat32(await tensorsIn(given, 'the weights'));

async function tensorsIn(given: GivenBytes, name: string): Promise<ReadonlyMap<string, Tensor>> {
  const { tensors } = openSafetensors(adopt(await bytesOf(given), name));
  return new Map([...tensors].map(([key, value]) => [key, toTensor(value.read())]));
}

async function bytesOf(given: GivenBytes): Promise<Uint8Array<ArrayBuffer>> {
  return typeof given === 'string' ? new Uint8Array(await (await fetch(given)).arrayBuffer()) : given;
}
