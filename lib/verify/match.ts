/**
 * Which values and weights of an ONNX graph belong to which layer of a network: by name where the file names
 * its values as the layers are named, else by the order of convolutions, fully connected layers,
 * normalisations and poolings.
 */
import type { GraphProto, NodeProto, TensorProto } from '../../export/proto.ts';
import type { Kind, Layer, Network } from '../../reference/networks/layers.ts';
import { inputsOf, type Weights } from '../../reference/oracle.ts';
import { type Storage, type Tensor, tensor } from '../../reference/tensor.ts';
import { isFloat } from '../array/dtype.ts';
import { widened } from '../array/value.ts';
import { InputError } from '../errors.ts';
import { valueOfTensor } from '../format/tensorproto.ts';

export interface Match {
  readonly by: 'name' | 'order';
  /** Name of the ONNX value that holds each layer's output. */
  readonly values: ReadonlyMap<string, string>;
  /** Layer by the names of the node that computes it and of that node's output. */
  readonly nodes: ReadonlyMap<string, string>;
  /** The file's own weights, under this project's names and in its layout. */
  readonly weights: Weights;
  /** What the file lacks, by layer: a disagreement before any number is compared. */
  readonly faults: ReadonlyMap<string, string>;
  /** Whether a layer is computed by one native LRN node. */
  readonly nativeLrn: ReadonlySet<string>;
}

/** The nodes that anchor a layer, by its kind. */
const anchors: Partial<Record<Kind, readonly string[]>> = {
  conv2d: ['Conv'],
  linear: ['Gemm', 'MatMul'],
  lrn: ['LRN'],
  maxpool: ['MaxPool', 'AveragePool', 'GlobalMaxPool', 'GlobalAveragePool'],
  avgpool: ['AveragePool', 'MaxPool', 'GlobalAveragePool'],
};

/** The nodes that make up the other layers. */
const followers: Partial<Record<Kind, readonly string[]>> = {
  relu: ['Relu'],
  tanh: ['Tanh'],
  sigmoid: ['Sigmoid'],
  softmax: ['Softmax'],
  dropout: ['Dropout', 'Mul', 'Identity'],
  flatten: ['Flatten', 'Reshape'],
  adaptiveavgpool: ['AveragePool', 'GlobalAveragePool', 'Identity'],
  concat: ['Concat'],
  split: ['Split', 'Slice'],
};

/** Layers that change nothing at test time, so that a file may do without them. */
const dispensable = (layer: Layer): boolean =>
  layer.kind === 'flatten' ||
  layer.kind === 'adaptiveavgpool' ||
  (layer.kind === 'dropout' && layer.attributes.convention === 'inverted');

/** Matches graph and network. Throws InputError where not even the convolutions pair up. */
export function match(graph: GraphProto, network: Network, input: string): Match {
  const graphOf = index(graph);
  const named = network.layers.filter((layer) => layer.kind in anchors);
  const byName = named.filter((layer) => graphOf.producer.has(layer.name)).length > named.length / 2;
  const found = { values: new Map([['input', input]]), weights: new Map(), faults: new Map() };
  if (byName) matchByName(graphOf, network, found);
  else matchByOrder(graphOf, network, found);
  return { by: byName ? 'name' : 'order', ...found, ...aboutNodes(graphOf, network, found.values) };
}

/** What was found so far. */
interface Found {
  readonly values: Map<string, string>;
  readonly weights: Map<string, Tensor>;
  readonly faults: Map<string, string>;
}

interface Index {
  readonly graph: GraphProto;
  readonly producer: ReadonlyMap<string, NodeProto>;
  readonly consumers: ReadonlyMap<string, readonly NodeProto[]>;
  readonly initializers: ReadonlyMap<string, TensorProto>;
}

function index(graph: GraphProto): Index {
  const producer = new Map<string, NodeProto>();
  const consumers = new Map<string, NodeProto[]>();
  for (const node of graph.node) {
    for (const name of node.output) producer.set(name, node);
    for (const name of node.input) consumers.set(name, [...(consumers.get(name) ?? []), node]);
  }
  return {
    graph,
    producer,
    consumers,
    initializers: new Map(graph.initializer.map((t) => [t.name ?? '', t])),
  };
}

function matchByName(graphOf: Index, network: Network, found: Found): void {
  const { values, faults } = found;
  for (const [at, layer] of network.layers.entries()) {
    if (graphOf.producer.has(layer.name)) values.set(layer.name, layer.name);
    else if (dispensable(layer)) values.set(layer.name, values.get(inputsOf(network, at)[0])!);
    else faults.set(layer.name, `the file has no value '${layer.name}'`);
    if (layer.kind === 'conv2d' || layer.kind === 'linear')
      readWeights(graphOf, layer, dotProductBehind(graphOf, layer.name), found);
  }
}

/** Throws InputError where not even the convolutions pair up. */
function matchByOrder(graphOf: Index, network: Network, found: Found): void {
  const { values, faults } = found;
  const anchoring = new Set(Object.values(anchors).flat());
  const queue = graphOf.graph.node.filter((node) => anchoring.has(node.opType));
  for (const [at, layer] of network.layers.entries()) {
    const before = values.get(inputsOf(network, at)[0]);
    const wanted = anchors[layer.kind];
    if (wanted) {
      const node = wanted.includes(queue[0]?.opType) ? queue.shift()! : undefined;
      const next = queue[0]?.opType ?? 'the end';
      if (node) values.set(layer.name, outputOf(graphOf, node));
      else faults.set(layer.name, `the file has no ${wanted[0]} here (next is ${next})`);
      if (layer.kind === 'conv2d' || layer.kind === 'linear') readWeights(graphOf, layer, node, found);
      continue;
    }
    const ops = followers[layer.kind] ?? [];
    const next = graphOf.consumers.get(before ?? '')?.find((node) => ops.includes(node.opType));
    if (next) {
      values.set(layer.name, next.output[0]);
      if (queue[0] === next) queue.shift();
    } else if (before !== undefined && dispensable(layer)) values.set(layer.name, before);
    else faults.set(layer.name, `the file has no ${ops[0]} after ${inputsOf(network, at)[0]}`);
  }
  const convolutions = network.layers.filter((layer) => layer.kind === 'conv2d');
  if (convolutions.every((layer) => !values.has(layer.name))) {
    throw new InputError(`the file's graph is not ${network.name}: it has no convolution in the right place`);
  }
}

/** A layer's value: of MatMul followed by Add, the sum's. */
function outputOf(graphOf: Index, node: NodeProto): string {
  const sum = node.opType === 'MatMul' ? biasOf(graphOf, node) : undefined;
  return (sum ?? node).output[0];
}

/** The Add that gives a MatMul its bias. */
function biasOf(graphOf: Index, node: NodeProto): NodeProto | undefined {
  const readers = graphOf.consumers.get(node.output[0]) ?? [];
  return readers.length === 1 && readers[0].opType === 'Add' ? readers[0] : undefined;
}

/** The Conv, Gemm or MatMul that makes a value, looking through casts. */
function dotProductBehind(graphOf: Index, value: string): NodeProto | undefined {
  let node = graphOf.producer.get(value);
  for (let hops = 0; node && hops < 4; hops++) {
    if (['Conv', 'Gemm', 'MatMul'].includes(node.opType)) return node;
    const matmul = node.input.map((name) => graphOf.producer.get(name)).find((n) => n?.opType === 'MatMul');
    node = matmul ?? graphOf.producer.get(node.input[0]);
  }
  return undefined;
}

function readWeights(
  graphOf: Index,
  layer: Layer,
  node: NodeProto | undefined,
  { weights, faults }: Found,
): void {
  const weight = node && constant(graphOf, node.input[1]);
  if (!node || !weight) {
    if (!faults.has(layer.name)) faults.set(layer.name, 'the file has no weights for it');
    return;
  }
  const transposed = node.opType === 'MatMul' || (node.opType === 'Gemm' && attribute(node, 'transB') !== 1);
  weights.set(`${layer.name}.weight`, transposed ? transpose(weight) : weight);
  const sum = biasOf(graphOf, node);
  const bias = sum
    ? sum.input.map((name) => constant(graphOf, name)).find((t) => t)
    : constant(graphOf, node.input[2]);
  if (bias) weights.set(`${layer.name}.bias`, tensor(bias.data as Storage, [bias.data.length]));
  else faults.set(layer.name, 'the file adds no bias here');
}

const attribute = (node: NodeProto, name: string): number | undefined =>
  node.attribute.find((candidate) => candidate.name === name)?.i;

/** An initializer or Constant, looking through Identity and Cast. */
function constant(graphOf: Index, name: string | undefined): Tensor | undefined {
  for (let hops = 0; name && hops < 4; hops++) {
    const proto: TensorProto | undefined = graphOf.initializers.get(name) ?? constantNode(graphOf, name);
    if (proto) return floats(proto);
    const node: NodeProto | undefined = graphOf.producer.get(name);
    if (!node || !['Identity', 'Cast'].includes(node.opType)) return undefined;
    name = node.input[0];
  }
  return undefined;
}

function constantNode(graphOf: Index, name: string): TensorProto | undefined {
  const node = graphOf.producer.get(name);
  return node?.opType === 'Constant' ? node.attribute.find((a) => a.name === 'value')?.t : undefined;
}

function floats(proto: TensorProto): Tensor | undefined {
  const { dtype, data } = widened(valueOfTensor(proto));
  return isFloat(dtype) ? tensor(data as Storage, proto.dims) : undefined;
}

function transpose(w: Tensor): Tensor {
  const [I, O] = w.shape;
  const data = new Float32Array(I * O);
  for (let o = 0; o < O; o++) for (let i = 0; i < I; i++) data[o * I + i] = w.data[i * O + o];
  return tensor(data, [O, I]);
}

function aboutNodes(
  { producer }: Index,
  network: Network,
  values: ReadonlyMap<string, string>,
): Pick<Match, 'nodes' | 'nativeLrn'> {
  const nodes = new Map<string, string>();
  const nativeLrn = new Set<string>();
  for (const layer of network.layers) {
    const value = values.get(layer.name) ?? '';
    const node = producer.get(value);
    // onnxruntime calls a node that it rewrote by its output
    for (const name of [node?.name ?? '', value]) {
      if (node && name !== '' && !nodes.has(name)) nodes.set(name, layer.name);
    }
    if (layer.kind === 'lrn' && node?.opType === 'LRN') nativeLrn.add(layer.name);
  }
  return { nodes, nativeLrn };
}
