/** Gradients of whole networks against the complex step (smooth layers) and central differences (all layers). */
import { expect } from 'chai';
import { flatten, type Layer, linear, type Network } from '../../reference/networks/layers.ts';
import { inputsOf, shapes, type Weights, weightShapes } from '../../reference/oracle.ts';
import { dense, sizeOf, type Tensor, tensor } from '../../reference/tensor.ts';
import { type Batch, backward, recordLayer, trunk } from '../../reference/training/gradient.ts';
import * as loss from '../../reference/training/loss.ts';
import { type ComplexTensor, complexLoss } from '../support/complex.ts';
import { slopeAt } from '../support/gradcheck.ts';
import { batchOf, difference, hashed, initial, narrow, narrowNets } from '../support/training.ts';

const float64 = { precision: 'float64' } as const;

/** What `backward` returns as the loss, without the way back. */
function lossOf(network: Network, weights: Weights, { input, labels, dropout }: Batch): number {
  const net = trunk(network);
  const values = new Map([['input', input]]);
  for (const [at, layer] of net.layers.entries()) {
    const xs = inputsOf(net, at).map((name) => values.get(name)!);
    values.set(layer.name, recordLayer(layer, xs, weights, dropout, float64, { dx: false }).y);
  }
  return loss.forward(values.get(net.layers.at(-1)!.name)!, labels).loss;
}

describe('reference/gradient against the complex step', () => {
  const window = { kernel: [3, 2], stride: [2, 1], pad: [1, 0, 1, 1], rounding: 'floor' } as const;
  const layers: Layer[] = [
    {
      name: 'conv1',
      kind: 'conv2d',
      channels: 6,
      kernel: [3, 2],
      attributes: { stride: [2, 1], pad: [1, 0, 2, 1], dilation: [1, 2], groups: 1 },
    },
    { name: 'tanh1', kind: 'tanh' },
    {
      name: 'norm1',
      kind: 'lrn',
      attributes: { size: 4, alpha: 0.7, beta: 0.75, k: 2, divide: false, even: 'below', groups: 2 },
    },
    {
      name: 'conv2',
      kind: 'conv2d',
      channels: 4,
      kernel: [2, 3],
      attributes: { stride: [1, 1], pad: [1, 1, 0, 1], dilation: [1, 1], groups: 2 },
    },
    { name: 'sigmoid2', kind: 'sigmoid' },
    {
      name: 'mapnorm2',
      kind: 'mapnorm',
      attributes: { size: 4, alpha: 0.9, beta: 0.6, k: 1, divide: true },
    },
    { name: 'pool2', kind: 'avgpool', attributes: { ...window, divisor: 'window' } },
    { name: 'bins', kind: 'adaptiveavgpool', attributes: { size: [2, 3] } },
    flatten('flatten'),
    linear('fc3', 5),
  ];
  const network: Network = { ...narrow('cifar-tanh', narrowNets['cifar-tanh']), input: [3, 7, 8], layers };
  const known = shapes(network, 2);
  const weights: Weights = new Map(
    [...weightShapes(network)].map(([name, shape]) => [name, hashed(name, shape)]),
  );
  const input = hashed('input', [2, ...network.input]);
  const labels = [3, 0];
  const H = 1e-30;
  /** As complex numbers, element `moved` with an imaginary part of H. */
  const lift = (t: Tensor, moved = -1): ComplexTensor => ({
    data: Array.from(dense(t), (v, i) => [v, i === moved ? H : 0] as const),
    shape: t.shape,
  });
  const lifted = new Map([...weights].map(([name, t]) => [name, lift(t)]));
  const found = backward(network, weights, { input, labels, dropout: 'none' }, float64);

  it('the loss is the same', () => {
    const [loss] = complexLoss(network, lifted, lift(input), labels, known);
    expect(loss).to.be.closeTo(found.loss, 1e-14);
  });

  for (const name of weights.keys()) {
    // ten layers of sums of up to 18 terms, in either program: some hundreds of u
    it(`every element of ${name}`, () => {
      const t = weights.get(name)!;
      const slopes = Array.from({ length: t.size }, (_, i) => {
        const moved = new Map([...lifted, [name, lift(t, i)]]);
        return complexLoss(network, moved, lift(input), labels, known)[1] / H;
      });
      expect(difference(dense(found.gradients.get(name)!), slopes)).to.be.below(1e-13);
    });
  }

  it('every nineteenth element of the input', () => {
    const dinput = dense(found.dinput!).filter((_, i) => i % 19 === 0);
    const slopes = Array.from(dinput, (_, j) => {
      const moved = lift(input, 19 * j);
      return complexLoss(network, lifted, moved, labels, known)[1] / H;
    });
    expect(difference(dinput, slopes)).to.be.below(1e-13);
  });
});

describe('reference/gradient against central differences, kinks skipped', () => {
  for (const name of ['alexnet2012', 'cifar10-full', 'cifar-alexnet']) {
    it(`${name}: an element of every tensor`, () => {
      const { scale, dropout, widths } = narrowNets[name];
      const side = name === 'alexnet2012' ? 67 : narrowNets[name].side;
      const network = narrow(name, { side, widths });
      const weights = new Map(initial(name, network, scale));
      const batch = batchOf(name, network, scale, dropout);
      const { gradients } = backward(network, weights, batch, float64);
      let [checked, kinks] = [0, 0];
      for (const [key, t] of [...weights]) {
        for (const i of [Math.floor(sizeOf(t.shape) * 0.6)]) {
          // along weight·t, so that steps are small against the weight; some ten layers of roundings in the loss
          const scaleOf = Math.abs(dense(t)[i]) / 10;
          const along = (step: number) => {
            const moved = Float64Array.from(dense(t));
            moved[i] += step * scaleOf;
            const at = new Map(weights).set(key, tensor(moved, t.shape));
            return lossOf(network, at, batch);
          };
          const { value, uncertainty, kink } = slopeAt(along, 1e-13);
          checked++;
          if (kink) kinks++;
          else
            expect(dense(gradients.get(key)!)[i] * scaleOf, `${key}[${i}]`).to.be.closeTo(value, uncertainty);
        }
      }
      expect(kinks).to.be.below(checked / 2);
    });
  }
});
