/** Random small networks, and runs of the files made from them with onnxruntime on the CPU. */
import * as ort from 'onnxruntime-node';
import { type BuildModelOptions, buildModel, joined, tap } from '../../export/index.ts';
import type { Layer, Network } from '../../reference/networks/layers.ts';
import { type Weights, weightShapes } from '../../reference/oracle.ts';
import { type Shape, sizeOf, type Tensor, tensor } from '../../reference/tensor.ts';

const seeded = (seed: number): number => seed | 0 || 1;

/** The next state of xorshift32. */
function following(state: number): number {
  const a = state ^ (state << 13);
  const b = a ^ (a >>> 17);
  return b ^ (b << 5);
}

/** Uniform numbers in [−1, 1) from a seed. */
export function uniform(seed: number): () => number {
  let state = seeded(seed);
  return () => {
    state = following(state);
    return state / 2 ** 31;
  };
}

/** A float32 tensor of uniform numbers in [−scale, scale). */
export function random(shape: Shape, seed: number, scale = 1): Tensor {
  const values = new Float32Array(sizeOf(shape));
  // without a call each: networks at full size have 60 million
  for (let i = 0, state = seeded(seed); i < values.length; i++) {
    state = following(state);
    values[i] = (state / 2 ** 31) * scale;
  }
  return tensor(values, shape);
}

/** Kaiming-scaled weights and small biases. */
export function randomWeights(network: Network, seed: number): Weights {
  const weights = new Map<string, Tensor>();
  for (const [name, shape] of weightShapes(network)) {
    const fanIn = sizeOf(shape.slice(1));
    const scale = name.endsWith('.bias') ? 0.1 : Math.sqrt(6 / fanIn);
    weights.set(name, random(shape, seed + weights.size * 7919, scale));
  }
  return weights;
}

/**
 * The same network with about a sixteenth of the channels, a multiple of `step`, and 12 classes. A multiple
 * of 4 divides into groups; of 8 leaves each group of two a multiple of 4, as at full size, which onnxruntime
 * 1.30's WebGPU kernel needs (docs/devices.md).
 */
export function narrow(network: Network, step: 4 | 8 = 4): Network {
  const last = network.layers.findLastIndex((layer) => layer.kind === 'linear');
  const layers = network.layers.map((layer, index): Layer => {
    if (layer.kind !== 'conv2d' && layer.kind !== 'linear') return layer;
    const channels = step * Math.max(1, Math.round(layer.channels / 16 / step));
    return { ...layer, channels: index === last ? 12 : channels };
  });
  return { ...network, layers };
}

/**
 * A network for pictures of 227 × 227 or 224 × 224 on pictures of 99 × 99 or 96 × 96, which leave 2 × 2 behind pool5:
 * a fifth of the work. Only where the network is given itself: one that is named has its own size.
 */
export function onSmallPictures(network: Network): Network {
  const [C, H] = network.input;
  const side = H < 128 ? H : H - 128;
  return { ...network, input: [C, side, side] };
}

/** A net of small pictures with what another does to its own before conv1. */
export function asSmallAsCifar({ preprocess }: Network, small: Network): Network {
  const { resize, crop } = small.preprocess;
  return { ...small, preprocess: { ...preprocess, resize, crop } };
}

/**
 * The fewest of these networks that have every form of layer among them, for a device that is slow in these specs: a
 * form is what a kernel is told, names, widths and order apart. Those of `tried` need none.
 */
export function covering(networks: readonly Network[], tried: readonly Network[] = []): Network[] {
  const formsOf = ({ layers }: Network): string[] =>
    layers.map((layer) => JSON.stringify({ ...layer, name: '', inputs: [], channels: 0 }));
  const left = new Set(networks.flatMap(formsOf));
  const gain = (network: Network): number => new Set(formsOf(network).filter((form) => left.has(form))).size;
  for (const form of tried.flatMap(formsOf)) left.delete(form);
  const chosen: Network[] = [];
  while (left.size > 0) {
    const next = networks.reduce((best, network) => (gain(network) > gain(best) ? network : best));
    chosen.push(next);
    for (const form of formsOf(next)) left.delete(form);
  }
  return chosen;
}

const preprocess: Network['preprocess'] = {
  resize: { mode: 'none', size: 0 },
  crop: { size: 0, offset: 'floor' },
  channels: 'RGB',
  range: 1,
  mean: [0, 0, 0],
  deviation: [1, 1, 1],
  meanImage: 'none',
};

/** A network of these layers alone. */
export const networkOf = (input: readonly [number, number, number], ...layers: Layer[]): Network => ({
  name: 'test',
  title: 'a test',
  input,
  layers,
  preprocess,
});

export interface Run {
  readonly optimised?: boolean;
  /** All intermediate values too (default), or the graph as it is. */
  readonly tapped?: boolean;
}

/** Every output of a file for one input, as float32 tensors by name. */
export async function runFile(
  file: Uint8Array | string,
  input: Tensor,
  { optimised = false }: Run = {},
): Promise<Map<string, Tensor>> {
  const options = { graphOptimizationLevel: optimised ? 'all' : 'disabled', logSeverityLevel: 3 } as const;
  const session = await ort.InferenceSession.create(file as string, options);
  try {
    const feed = new ort.Tensor('float32', Float32Array.from(input.data), input.shape);
    const outputs = await session.run({ [session.inputNames[0]]: feed });
    return new Map(
      Object.entries(outputs)
        .filter(([, { type }]) => type === 'float32')
        .map(([name, { data, dims }]) => [name, tensor(data as Float32Array, dims)]),
    );
  } finally {
    await session.release();
  }
}

/** Builds and runs a network; values by layer name. */
export function run(
  network: Network,
  weights: Weights,
  input: Tensor,
  options: BuildModelOptions & Run = {},
) {
  const file = buildModel(network, weights, options);
  const { tapped = true } = options;
  return runFile(tapped ? tap(file.model) : joined(file.chunks()), input, options);
}
