/** A whole network, fast and plain. */
import { expect } from 'chai';
import { operations, operationsFor } from '../../../lib/fast/index.ts';
import { forward as mainForward } from '../../../lib/fast/oracle.ts';
import { networkNamed } from '../../../reference/networks/index.ts';
import { forward, weightShapes } from '../../../reference/oracle.ts';
import { sizeOf, type Tensor, tensor } from '../../../reference/tensor.ts';
import { backward } from '../../../reference/training/gradient.ts';
import { awkward, firstDifference } from '../../support/bits.ts';
import { batchOf, initial, narrow, narrowNets } from '../../support/training.ts';

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
          precision,
          trace: (layer, y) => values.set(layer.name, y),
        });
        forward(network, weights, input, {
          operations,
          precision,
          trace: (layer, y) =>
            expect(firstDifference(y.data, values.get(layer.name)!.data), `${layer.name}`).to.equal(-1),
        });
      }
    });
  }

  it('gives the gradients of the plain loops', () => {
    const { side, widths } = narrowNets.alexnet2012;
    const network = narrow('alexnet2012', { side, widths });
    const weights = initial('alexnet2012', network, 60);
    const batch = batchOf('alexnet2012', network, 60, true);
    const plain = backward(network, weights, batch);
    const fast = backward(network, weights, batch, { operations });
    for (const [name, d] of plain.gradients) {
      expect(firstDifference(fast.gradients.get(name)!.data, d.data), name).to.equal(-1);
    }
    expect(firstDifference(fast.dinput!.data, plain.dinput!.data)).to.equal(-1);
    expect(fast.loss).to.equal(plain.loss);
  });
});

describe('who computes', () => {
  const network = networkNamed('cifar10-full');
  const weights = weightsOf('cifar10-full');
  const [C, H, W] = network.input;
  const input = tensor(new Float32Array(C * H * W).fill(1), [1, C, H, W]);

  it('is the fast twins from the main entry, the plain loops from the reference', () => {
    const table = operations as { relu: unknown };
    const { relu } = operations;
    let calls = 0;
    const counted: typeof relu.forward = (...args) => {
      calls++;
      return relu.forward(...args);
    };
    table.relu = { ...relu, forward: counted };
    try {
      forward(network, weights, input);
      expect(calls).to.equal(0);
      mainForward(network, weights, input);
      expect(calls).to.equal(3);
    } finally {
      table.relu = relu;
    }
    expect(operationsFor({ plain: true }).conv2d.forward).not.to.equal(operations.conv2d.forward);
    expect(operationsFor({})).to.equal(operations);
  });
});
