/** A whole network, fast and plain. */
import { expect } from 'chai';
import { networkNamed } from '../../../reference/networks/index.ts';
import { forward, weightShapes } from '../../../reference/oracle.ts';
import { sizeOf, type Tensor, tensor } from '../../../reference/tensor.ts';
import { awkward, firstDifference } from './bits.ts';

const weightsOf = (name: string): Map<string, Tensor> => {
  const weights = new Map<string, Tensor>();
  for (const [key, shape] of weightShapes(networkNamed(name))) {
    const values = awkward(sizeOf(shape), weights.size + 1).map((v) => (Math.abs(v) > 1 ? 0.01 : v * 0.02));
    weights.set(key, tensor(values, shape));
  }
  return weights;
};

describe('the oracle with fast twins', () => {
  for (const name of ['cifar10-full', 'cifar-alexnet']) {
    it(`gives the bits of the plain loops in every layer of ${name}`, () => {
      const network = networkNamed(name);
      const weights = weightsOf(name);
      const [C, H, W] = network.input;
      const input = tensor(
        awkward(2 * C * H * W, 99).map((v) => (Math.abs(v) > 100 ? 1 : v)),
        [2, C, H, W],
      );
      for (const precision of ['float32', 'float64'] as const) {
        const values = new Map<string, Tensor>();
        forward(network, weights, input, {
          plain: true,
          precision,
          trace: (layer, y) => values.set(layer.name, y),
        });
        forward(network, weights, input, {
          precision,
          trace: (layer, y) =>
            expect(firstDifference(y.data, values.get(layer.name)!.data), `${layer.name}`).to.equal(-1),
        });
      }
    });
  }
});
