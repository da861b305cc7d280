/**
 * The oracle's layers against real activations of Caffe: cifar10_full with its trained weights on the first four
 * images of CIFAR-10's test set (shared data: trained/cifar10-full). Each layer is given Caffe's own input to it.
 */

import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { toTensor } from '../../lib/array/value.ts';
import { forward, inputsOf, operandsOf, runLayer, type Weights } from '../../lib/fast/oracle.ts';
import { loadWeights } from '../../lib/weights/load.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import type { Layer } from '../../reference/networks/layers.ts';
import * as ops from '../../reference/ops/index.ts';
import { dense, map, type Tensor, tensor } from '../../reference/tensor.ts';
import { gamma as gamma64 } from '../support/operations.ts';
import { shared } from '../support/shared.ts';
import { readNpy, readNpz } from '../support/tensor-bytes.ts';

const network = networkNamed('cifar10-full');
/** γₙ for float32. */
const gamma = (n: number): number => gamma64(n, 2 ** -24);

/** How far a right float32 evaluation of a layer may be from y, per element. */
function boundOf(layer: Layer, x: Tensor, y: Tensor, weights: Weights): (i: number) => number {
  const size = (i: number) => Math.abs(dense(y)[i]);
  switch (layer.kind) {
    case 'conv2d':
    case 'linear': {
      const operands = operandsOf(layer, [x], weights);
      const { magnitude, count } =
        layer.kind === 'linear' ? ops.linear.terms(operands) : ops.conv2d.terms(operands, layer.attributes);
      return (i) => gamma(count + 1) * dense(magnitude)[i];
    }
    case 'avgpool': {
      const sums = dense(ops.avgpool.forward([map(x, Math.abs)], layer.attributes));
      return (i) => gamma(layer.attributes.kernel[0] * layer.attributes.kernel[1] + 1) * sums[i];
    }
    // nine squares, their sum and mean, · α, + 1: γ₁₂ of s, times β; powf within 4 ULP; the product
    case 'mapnorm':
      return (i) => gamma(0.75 * 12 + 9) * size(i);
    // x − m is rounded (|x − m|·u of e^(x − m), below 104 in float32), expf within 4 ULP, a sum of ten, a quotient
    case 'softmax':
      return (i) => gamma(2 * 104 + 8 + 10 + 1) * size(i) + 2 ** -126;
    default:
      return () => 0;
  }
}

describe('the layers against activations of Caffe', function () {
  this.timeout(180_000);
  let weights: Weights;
  let caffe: (layer: string) => Tensor;
  let input: Tensor;

  before(async function () {
    const folder = 'trained/cifar10-full';
    const golden = readNpz(readFileSync(shared(this, `${folder}/golden_iter_70000_caffe.npz`)), 'golden');
    // Caffe works in place: the array is named after the layer and the blob that it wrote
    const names = [...golden.keys()];
    caffe = (layer) => {
      const array = toTensor(golden.get(names.find((name) => name.startsWith(`${layer}__`))!)!);
      return tensor(dense(array), array.shape);
    };
    weights = (await loadWeights(shared(this, `${folder}/cifar10_full_iter_70000.npz`), network)).weights;
    const mean = dense(toTensor(readNpy(readFileSync(shared(this, `${folder}/mean.npy`)), 'mean.npy')));
    const images = readFileSync(shared(this, 'cifar10/test_batch.bin'));
    const pixels = 3 * 32 * 32;
    const data = new Float32Array(4 * pixels).map((_, i) => {
      const image = Math.floor(i / pixels);
      return images[image * (pixels + 1) + 1 + (i % pixels)] - mean[i % pixels];
    });
    input = tensor(data, [4, 3, 32, 32]);
  });

  const layers = network.layers.filter(({ kind }) => kind !== 'flatten');
  for (const layer of layers) {
    it(`${layer.name} (${layer.kind}) within the bound of one float32 evaluation`, () => {
      const from = inputsOf(network, network.layers.indexOf(layer))[0];
      const before = from === 'input' ? input : from === 'flatten' ? flattened(caffe('pool3')) : caffe(from);
      const y = runLayer(layer, [before], weights, 'float64');
      const expected = caffe(layer.name);
      expect([...y.shape]).to.deep.equal([...expected.shape]);
      const bound = boundOf(layer, before, y, weights);
      dense(y).forEach((value, i) => {
        expect(Math.abs(value - dense(expected)[i]), `element ${i}`).to.be.at.most(bound(i));
      });
    });
  }

  it("gives Caffe's probabilities from the pixels on", function () {
    const prob = Float64Array.from(dense(forward(network, weights, input)));
    const expected = dense(caffe('prob'));
    const worst = prob.reduce((most, p, i) => Math.max(most, Math.abs(p - expected[i])), 0);
    this.test!.title += ` (worst difference ${worst.toExponential(1)})`;
    // the sharp test is the layers' above; this one says that they are in the right order
    expect(worst).to.be.below(2 ** -16);
  });
});

const flattened = (x: Tensor): Tensor => ops.flatten.forward([x], { order: 'CHW' });
