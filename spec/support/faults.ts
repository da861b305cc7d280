/** Faults planted in an exported file: each changes the graph or a weight, and names the layer that is wrong first. */
import {
  type ModelProto,
  type NodeProto,
  nodeProto,
  type TensorProto,
  tensorProto,
} from '../../export/proto.ts';
import { valueOfTensor } from '../../lib/format/tensorproto.ts';

export interface Fault {
  readonly name: string;
  readonly layer: string;
  /** The mistake that verify names where it knows the weights that the file should have. */
  readonly called: string;
  readonly plant: (model: ModelProto) => void;
}

const nodeOf = (model: ModelProto, name: string): NodeProto => {
  const node = model.graph?.node.find((candidate) => candidate.output.includes(name));
  if (!node) throw new Error(`the file has no node for ${name}`);
  return node;
};

const attribute = (node: NodeProto, name: string) => {
  const found = node.attribute.find((candidate) => candidate.name === name);
  if (!found) throw new Error(`${node.opType} has no ${name}`);
  return found;
};

/** Changes the values of an initializer. */
function changeWeight(model: ModelProto, name: string, change: (values: Float32Array) => Float32Array): void {
  const list = model.graph?.initializer ?? [];
  const at = list.findIndex((tensor) => tensor.name === name);
  const values = change(Float32Array.from(valueOfTensor(list[at]).data as Float32Array));
  list[at] = floatTensor(name, list[at].dims, values);
}

const floatTensor = (name: string, dims: number[], values: Float32Array): TensorProto => ({
  ...tensorProto({ dims, dataType: 1, rawData: new Uint8Array(values.buffer) }),
  name,
});

const negateLargest = (values: Float32Array): Float32Array => {
  const largest = values.reduce((best, value, i) => (Math.abs(value) > Math.abs(values[best]) ? i : best), 0);
  values[largest] = -values[largest];
  return values;
};

/** Second half first: group 1's kernels where group 0's belong. */
const swapHalves = (values: Float32Array): Float32Array => {
  const half = values.length / 2;
  return Float32Array.from(values, (_, i) => values[(i + half) % values.length]);
};

/** Faults of networks with LRN in conv1 and groups in conv4. */
export const faults: readonly Fault[] = [
  {
    name: 'LRN α as if it were not divided',
    layer: 'norm1',
    called: 'alpha not divided by the window, or divided',
    plant: (model) => {
      const alpha = attribute(nodeOf(model, 'norm1'), 'alpha');
      alpha.f = (alpha.f ?? 0) * 5;
    },
  },
  {
    name: 'LRN over three channels',
    layer: 'norm1',
    called: 'window too narrow, alpha divided by it',
    plant: (model) => {
      attribute(nodeOf(model, 'norm1'), 'size').i = 3;
    },
  },
  {
    name: 'a mean subtracted in front',
    layer: 'conv1',
    called: "conv1 reads the output of Sub ('less'), not of input",
    plant: (model) => {
      const conv = nodeOf(model, 'conv1');
      model.graph!.initializer.push(floatTensor('mean', [1, 3, 1, 1], Float32Array.of(104, 117, 123)));
      model.graph!.node.unshift(nodeProto('Sub', [conv.input[0], 'mean'], ['less']));
      conv.input[0] = 'less';
    },
  },
  {
    name: 'fc6 for maps in the order H,W,C',
    layer: 'fc6',
    called: 'weights for inputs in the order H,W,C',
    plant: (model) => {
      const columns = model.graph!.initializer.find(({ name }) => name === 'fc6.weight')!.dims[1];
      const C = columns / 36;
      const from = (at: number) => at - (at % columns) + (at % C) * 36 + Math.floor((at % columns) / C);
      changeWeight(model, 'fc6.weight', (w) => Float32Array.from(w, (_, at) => w[from(at)]));
    },
  },
  {
    name: "conv4's groups swapped",
    layer: 'conv4',
    called: 'kernels of the groups exchanged',
    plant: (model) => changeWeight(model, 'conv4.weight', swapHalves),
  },
  {
    name: 'pool1 average instead of max',
    layer: 'pool1',
    called: 'average instead of maximum',
    plant: (model) => {
      nodeOf(model, 'pool1').opType = 'AveragePool';
    },
  },
  {
    name: 'a bias dropped',
    layer: 'conv2',
    called: 'the file adds no bias here',
    plant: (model) => {
      nodeOf(model, 'conv2').input.length = 2;
    },
  },
  {
    name: "the sign of conv3's largest weight",
    layer: 'conv3',
    called: "sign of the kernel's largest weight",
    plant: (model) => changeWeight(model, 'conv3.weight', negateLargest),
  },
  {
    name: 'padding on the wrong side',
    layer: 'conv2',
    called: 'all padding at the beginning',
    plant: (model) => {
      attribute(nodeOf(model, 'conv2'), 'pads').ints = [4, 4, 0, 0];
    },
  },
  {
    name: 'ReLU left out',
    layer: 'relu3',
    called: 'left out',
    plant: (model) => {
      nodeOf(model, 'relu3').opType = 'Identity';
    },
  },
  {
    name: 'fc7 transposed',
    layer: 'fc7',
    called: 'weights not transposed: memory read as (in, out)',
    plant: (model) => {
      attribute(nodeOf(model, 'fc7'), 'transB').i = 0;
    },
  },
];
