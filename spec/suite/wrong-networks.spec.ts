/**
 * Wrong networks against PyTorch's float64 outputs. The first seven are those that ONNX's only AlexNet test
 * (light_bvlc_alexnet, whose expected output is 0.001 for every class) lets pass.
 */

import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { toTensor } from '../../lib/array/value.ts';
import { forward, type Weights } from '../../lib/fast/oracle.ts';
import { loadWeights } from '../../lib/weights/load.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import { type Layer, maxpool, type Network, relu } from '../../reference/networks/layers.ts';
import { dense, type Tensor, tensor } from '../../reference/tensor.ts';
import { shared } from '../support/shared.ts';
import { readNpz } from '../support/tensor-bytes.ts';

interface Run {
  readonly network: Network;
  readonly weights: Weights;
  readonly input: Tensor;
}

/** The layers changed one by one; null takes one out. */
const layers =
  (change: (layer: Layer) => Layer | null) =>
  ({ network, ...rest }: Run): Run => ({
    ...rest,
    network: { ...network, layers: network.layers.map(change).filter((layer) => layer !== null) },
  });

/** Weights and biases changed one by one. */
const values =
  (change: (value: number, name: string, i: number) => number) =>
  ({ weights, ...rest }: Run): Run => ({
    ...rest,
    weights: new Map(
      [...weights].map(([name, t]) => {
        const data = new Float64Array(dense(t)).map((value, i) => change(value, name, i));
        return [name, tensor(data, t.shape)];
      }),
    ),
  });

/** A layer's attributes changed where its name or kind is `which`. */
const attributes = (which: string, change: object) =>
  layers((layer) =>
    (layer.name === which || layer.kind === which) && 'attributes' in layer
      ? ({ ...layer, attributes: { ...layer.attributes, ...change } } as Layer)
      : layer,
  );

const isConv = (name: string) => name.startsWith('conv');
/** Two layers exchanged. */
const exchange =
  (first: string, second: string) =>
  (run: Run): Run =>
    layers((layer) => {
      const other = { [first]: second, [second]: first }[layer.name];
      return other ? run.network.layers.find(({ name }) => name === other)! : layer;
    })(run);

const mutations: Readonly<Record<string, (run: Run) => Run>> = {
  'all LRN removed': layers((layer) => (layer.kind === 'lrn' ? null : layer)),
  'all ReLU removed': layers((layer) => (layer.kind === 'relu' ? null : layer)),
  'sigmoid for ReLU': layers((layer) => (layer.kind === 'relu' ? { ...layer, kind: 'sigmoid' } : layer)),
  'average for maximum pooling': layers((layer) =>
    layer.kind === 'maxpool'
      ? { ...layer, kind: 'avgpool', attributes: { ...layer.attributes, divisor: 'valid' } }
      : layer,
  ),
  'biases dropped': values((value, name) => (name.endsWith('bias') ? 0 : value)),
  'the image replaced by zeros': ({ input, ...rest }) => ({
    ...rest,
    input: tensor(new Float32Array(input.data.length), input.shape),
  }),
  'all convolution weights -7': values((value, name) => (/^conv.*weight$/.test(name) ? -7 : value)),
  'the convolutions removed: nothing reaches fc6': values((value, name) => (isConv(name) ? 0 : value)),

  'LRN: alpha not divided': attributes('lrn', { divide: false }),
  'LRN: k = 2': attributes('lrn', { k: 2 }),
  'LRN: window of 3': attributes('lrn', { size: 3, alpha: 0.6e-4 }),
  'LRN: inside the groups': attributes('norm1', { groups: 2 }),
  'LRN before ReLU in the first layer': exchange('relu1', 'norm1'),
  'pooling before LRN in the first layer: caffenet': exchange('norm1', 'pool1'),
  'pool5 without overlap': attributes('pool5', { kernel: [2, 2], rounding: 'floor' }),
  "conv2's padding on the wrong side": attributes('conv2', { pad: [4, 4, 0, 0] }),
  'the dropout of the paper: outputs halved': attributes('drop6', { convention: 'paper' }),
  'H,W,C order before fc6': attributes('flatten', { order: 'HWC' }),
  'RGB for BGR': ({ input, ...rest }) => {
    const [, C, H, W] = input.shape;
    const data = Float32Array.from(input.data, (_, i) => {
      const c = Math.floor(i / (H * W)) % C;
      return input.data[i + (C - 1 - 2 * c) * H * W];
    });
    return { ...rest, input: tensor(data, input.shape) };
  },
  "the sign of conv3's largest weight": (run) => {
    const weight = dense(run.weights.get('conv3.weight')!);
    let largest = 0;
    for (let i = 0; i < weight.length; i++) if (Math.abs(weight[i]) > Math.abs(weight[largest])) largest = i;
    return values((value, name, i) => (name === 'conv3.weight' && i === largest ? -value : value))(run);
  },
  "conv4's bias of the first kernel off by a millionth": values((value, name, i) =>
    name === 'conv4.bias' && i === 0 ? value * (1 + 1e-6) + 1e-6 : value,
  ),
};

/** Mistakes that change nothing, as they must not: the test would be wrong if it caught them. */
const equivalent: Readonly<Record<string, (run: Run) => Run>> = {
  'nothing changed': (run) => run,
  'ReLU after pool5 instead of before: maximum and ReLU commute': layers((layer) => {
    if (layer.name === 'relu5') return maxpool('pool5', { rounding: 'caffe' });
    return layer.name === 'pool5' ? relu('relu5') : layer;
  }),
  'ceil for floor where no window is cut off': attributes('maxpool', { rounding: 'floor' }),
};

describe('wrong networks against the outputs of PyTorch', function () {
  this.timeout(180_000);
  let right: Run;
  let expected: readonly number[];

  before(async function () {
    const golden = readNpz(readFileSync(shared(this, 'weights/golden.npz')), 'golden.npz');
    const loaded = await loadWeights(shared(this, 'weights/bvlc-narrow.npz'), networkNamed('bvlc-alexnet'));
    right = { network: loaded.network, weights: loaded.weights, input: toTensor(golden.get('bvlc.input')!) };
    expected = [...dense(toTensor(golden.get('bvlc.fc8')!))];
  });

  /** Largest difference of a logit, relative to the largest; the probabilities are 0 and 1 and tell nothing. */
  function distance({ network, weights, input }: Run): number {
    let logits = input;
    const trace = ({ name }: Layer, y: Tensor) => {
      if (name === 'fc8') logits = y;
    };
    forward(network, weights, input, { precision: 'float64', trace });
    const differences = expected.map((value, i) => Math.abs(dense(logits)[i] - value));
    return Math.max(...differences) / Math.max(...expected.map(Math.abs));
  }

  for (const [name, change] of Object.entries(mutations)) {
    it(`${name}: caught`, () => {
      // a right float64 evaluation is within 1e-12 (spec/suite/golden.spec.ts)
      expect(distance(change(right))).to.be.above(1e-12);
    });
  }
  for (const [name, change] of Object.entries(equivalent)) {
    it(`${name}: not caught`, () => {
      expect(distance(change(right))).to.be.at.most(1e-12);
    });
  }
});
