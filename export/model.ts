/**
 * A network as an ONNX file: IR 8, opset 13 to 25, explicit shapes for every value, and metadata that explain
 * the file.
 *
 * The input is called 'input', values are called as the layers, initializers <layer>.weight and <layer>.bias. Files
 * that take pictures: see pixels.ts.
 */
import type { Pixels } from '../reference/input/pixels.ts';
import { mustBeNetwork, mustBeObject, mustBeWeights } from '../reference/named.ts';
import type { Network } from '../reference/networks/layers.ts';
import { inputsOf, shapes, type Weights, weightShapes } from '../reference/oracle.ts';
import type { Tensor } from '../reference/tensor.ts';
import { emitters } from './emitters.ts';
import {
  type FloatType,
  GraphBuilder,
  type GraphSettings,
  type LrnForm,
  lrnForms,
  withBatch,
} from './graph.ts';
import { opsets } from './opsets.ts';
import { emitAverage, emitPixels, IMAGE, imageOf } from './pixels.ts';
import type { ModelProto } from './proto.ts';
import { RESIZE_OPSET } from './resize.ts';
import { withOutputs } from './tap.ts';
import { type ModelFile, modelFile } from './write.ts';

export interface BuildModelOptions {
  /** 13 (default; with `resize` 18) to 25: see opsets.ts. */
  readonly opset?: number;
  /** Images in a batch, or 'dynamic' (default). */
  readonly batch?: number | 'dynamic';
  /** native (default): the operator LRN; decomposed: for devices without it; band: for WebGPU. See LrnForm. */
  readonly lrn?: LrnForm;
  /** float32 (default), or float16 with float32 at both ends. */
  readonly precision?: FloatType;
  /** Name of a second file for the weights, to lie beside the first. */
  readonly externalData?: string;
  /** uint8: pictures (N,S,S,3), resized already; what else the network's preprocessing does is in the graph. */
  readonly input?: 'float32' | 'uint8';
  /** Of a file that takes pictures: 10: corners, centre and their mirrors, their probabilities averaged (N,K). */
  readonly views?: 1 | 10;
  /** Of a file that takes pictures: (3,H,W), in place of the preprocessing's mean. */
  readonly meanImage?: Tensor;
  /** Of a file that takes pictures: of any size (N,H,W,3), resized in the graph too; needs opset 18. */
  readonly resize?: boolean;
  /** Every layer's value is an output. */
  readonly tap?: boolean;
  /** Where the weights come from, for people: a file, or a seed. */
  readonly weightsSource?: string;
  /** Class names in the order of the output. */
  readonly labels?: readonly string[];
  /** Further metadata_props. */
  readonly metadata?: Readonly<Record<string, string>>;
}

export const producer = { name: 'alexnet-oracle', version: '0.1.0' } as const;

const IR_VERSION = 8;

/**
 * The inference graph of a network with its weights. Memory: the weights are viewed, not copied (float16: half their
 * size). Throws RangeError where an option, a weight's shape or a value makes no sense, naming the layer; TypeError
 * for an argument that is something else.
 */
export function buildModel(network: Network, weights: Weights, options: BuildModelOptions = {}): ModelFile {
  mustBeNetwork('network', network);
  mustBeWeights('weights', weights);
  mustBeObject('options', options);
  const { externalData } = options;
  const first = options.resize ? RESIZE_OPSET : opsets.first;
  const { opset = first } = options;
  const g = new GraphBuilder(settingsOf(options));
  if (!Number.isInteger(opset) || opset < first || opset > opsets.last)
    throw new RangeError(`opset must be an integer from ${first} to ${opsets.last} (= ${opset})`);
  checkWeights(network, weights);
  const pixels = pixelsOf(network, options);
  const views = pixels?.views ?? 1;
  emitNetwork(g, network, weights, pixels);
  for (const [name, shape] of shapes(network)) g.expect(name, withBatch(shape, g.settings.batch, views));
  const doc =
    'Krizhevsky, Sutskever, Hinton 2012; the doc string of each node names its section in the paper.';
  const model = modelAround(g, network, network.name, doc, opset, metadataOf(network, options, pixels));
  const layers = network.layers.map(({ name }) => name);
  return modelFile(options.tap ? withOutputs(model, layers) : model, externalData);
}

/** The model around a graph: who made it, from which network, and `metadata` that explain it. */
export function modelAround(
  g: GraphBuilder,
  network: Network,
  name: string,
  doc: string,
  opset: number,
  metadata: Readonly<Record<string, string>>,
): ModelProto {
  return {
    irVersion: IR_VERSION,
    opsetImport: [{ domain: '', version: opset }],
    producerName: producer.name,
    producerVersion: producer.version,
    docString: `${network.name}: ${network.title}. ${doc}`,
    graph: g.build(name.replace(/[^A-Za-z0-9_]/g, '_'), network.title),
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    functions: [],
  };
}

function settingsOf({
  batch = 'dynamic',
  lrn = 'native',
  precision = 'float32',
}: BuildModelOptions): GraphSettings {
  if (batch !== 'dynamic' && !(Number.isSafeInteger(batch) && batch > 0))
    throw new RangeError(`batch must be a positive integer or 'dynamic' (= ${batch})`);
  if (!lrnForms.includes(lrn)) throw new RangeError(`lrn must be one of ${lrnForms.join(', ')} (= ${lrn})`);
  if (precision !== 'float32' && precision !== 'float16')
    throw new RangeError(`precision must be 'float32' or 'float16' (= ${precision})`);
  return { batch, lrn, precision };
}

/** Throws where a weight is missing, has another shape or belongs to no layer. */
function checkWeights(network: Network, weights: Weights): void {
  const expected = weightShapes(network);
  for (const [name, shape] of expected) {
    const weight = weights.get(name);
    if (!weight && name.endsWith('.bias')) continue;
    if (!weight) throw new RangeError(`${network.name}: there are no weights '${name}'`);
    if (weight.shape.join() !== shape.join())
      throw new RangeError(`${name}: the shape must be [${shape}] (= [${weight.shape}])`);
  }
  for (const name of weights.keys())
    if (!expected.has(name)) throw new RangeError(`${network.name}: no layer has weights '${name}'`);
}

function pixelsOf({ preprocess }: Network, options: BuildModelOptions): Pixels | undefined {
  const { input = 'float32', views = 1, meanImage, resize } = options;
  if (input !== 'float32' && input !== 'uint8')
    throw new RangeError(`input must be 'float32' or 'uint8' (= ${input})`);
  if (views !== 1 && views !== 10) throw new RangeError(`views must be 1 or 10 (= ${views})`);
  if (input === 'uint8') return { preprocess, views, meanImage, resize };
  if (views !== 1 || meanImage || resize)
    throw new RangeError("views, a mean image and resize need input 'uint8'");
  return undefined;
}

/** Input, all layers and output; a float16 graph casts at both ends. */
function emitNetwork(g: GraphBuilder, network: Network, weights: Weights, pixels?: Pixels): void {
  const { batch, precision } = g.settings;
  const input = pixels ? emitPixels(g, pixels) : g.input('input', withBatch([1, ...network.input], batch));
  g.expect('input', withBatch([1, ...network.input], batch, pixels?.views));
  const narrow = precision === 'float16';
  const first = narrow ? g.cast(input, 'input/float16', 'float16') : input;
  for (const [index, layer] of network.layers.entries()) {
    const inputs = inputsOf(network, index).map((name) => (name === 'input' ? first : name));
    try {
      emitters[layer.kind].emit(g, layer, inputs, weights);
    } catch (error) {
      const { message } = error as Error;
      throw new RangeError(message.startsWith(layer.name) ? message : `${layer.name}: ${message}`);
    }
  }
  const { views = 1 } = pixels ?? {};
  g.output(views === 1 ? network.layers[network.layers.length - 1].name : emitAverage(g, network, views));
}

const metadataOf = (
  network: Network,
  { weightsSource, labels, metadata }: BuildModelOptions,
  pixels?: Pixels,
) => ({
  // the segment of a tower is no network that anybody could ask for
  ...(metadata?.tower === undefined ? { network: network.name } : {}),
  preprocess: JSON.stringify(network.preprocess),
  ...(pixels === undefined ? {} : { [IMAGE]: JSON.stringify(imageOf(pixels)) }),
  ...(weightsSource === undefined ? {} : { 'weights.source': weightsSource }),
  ...(labels === undefined ? {} : { labels: JSON.stringify(labels) }),
  ...metadata,
});
