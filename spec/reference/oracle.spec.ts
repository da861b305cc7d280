import { expect } from 'chai';
import { networkNamed, networks } from '../../reference/networks/index.ts';
import {
  concat,
  conv,
  flatten,
  from,
  type Layer,
  linear,
  lrn,
  type Network,
  relu,
  softmax,
  split,
} from '../../reference/networks/layers.ts';
import * as ops from '../../reference/ops/index.ts';
import { forward, shapes, type Weights, weightShapes } from '../../reference/oracle.ts';
import { normals } from '../../reference/random.ts';
import { dense, type Tensor, tensor, zeros } from '../../reference/tensor.ts';
import { initialise } from '../../reference/training/init.ts';

const { preprocess } = networkNamed('alexnet2012');
const small = (layers: Layer[]): Network => ({
  name: 'small',
  title: 'a small one',
  input: [4, 7, 6],
  preprocess,
  layers,
});

/** The same network in two towers, as a grouped convolution and as two convolutions of half the channels. */
const grouped = small([
  conv('conv1', 6, 3, { pad: 1, groups: 2 }),
  relu('relu1'),
  lrn('norm1', { k: 2, groups: 2, alpha: 0.1 }),
  flatten('flatten'),
  linear('fc', 5),
  softmax('prob'),
]);
const towers = small([
  split('xa', 'input', 2, 0),
  split('xb', 'input', 2, 1),
  from('xa', conv('conv1a', 3, 3, { pad: 1 })),
  from('xb', conv('conv1b', 3, 3, { pad: 1 })),
  from('conv1a', relu('relu1a')),
  lrn('norm1a', { k: 2, alpha: 0.1 }),
  from('conv1b', relu('relu1b')),
  lrn('norm1b', { k: 2, alpha: 0.1 }),
  concat('both', ['norm1a', 'norm1b']),
  flatten('flatten'),
  linear('fc', 5),
  softmax('prob'),
]);
const input = tensor(Float32Array.from(normals(1, 1, 2 * 4 * 7 * 6)), [2, 4, 7, 6]);
const weights = initialise(grouped, 0, 'kaiming');
const bits = (t: Tensor) => [...dense(t)];

function halved(): Weights {
  const halves = new Map([...weights].filter(([name]) => name.startsWith('fc')));
  for (const part of ['weight', 'bias']) {
    const whole = weights.get(`conv1.${part}`)!;
    const [K, ...rest] = whole.shape;
    const size = whole.data.length / 2;
    for (const [i, tower] of ['a', 'b'].entries()) {
      const half = whole.data.slice(i * size, (i + 1) * size);
      halves.set(`conv1${tower}.${part}`, tensor(half, [K / 2, ...rest]));
    }
  }
  return halves;
}

describe('reference/oracle', () => {
  it('two towers with split and concat give the bits of one with groups', () => {
    for (const precision of ['float32', 'float64'] as const) {
      const one = forward(grouped, weights, input, { precision });
      expect(bits(forward(towers, halved(), input, { precision }))).to.deep.equal(bits(one));
    }
  });

  it('is its operations one after another, each stored in float32', () => {
    const w = (name: string) => weights.get(name)!;
    const [conv1, , norm1] = grouped.layers;
    if (conv1.kind !== 'conv2d' || norm1.kind !== 'lrn') throw new Error('not the network of this test');
    let x = ops.conv2d.forward([input, w('conv1.weight'), w('conv1.bias')], conv1.attributes);
    x = ops.lrn.forward([ops.relu.forward([x])], norm1.attributes);
    x = ops.flatten.forward([x], { order: 'CHW' });
    x = ops.softmax.forward([ops.linear.forward([x, w('fc.weight'), w('fc.bias')])]);
    expect(bits(forward(grouped, weights, input))).to.deep.equal(bits(x));
  });

  it('float32 storage differs from float64 storage, by little', () => {
    const single = forward(grouped, weights, input);
    const double = forward(grouped, weights, input, { precision: 'float64' });
    expect(single.data).to.be.instanceOf(Float32Array);
    expect(double.data).to.be.instanceOf(Float64Array);
    const errors = bits(double).map((v, i) => Math.abs(v - single.data[i]));
    expect(Math.max(...errors)).to.be.within(2 ** -40, 2 ** -18);
  });

  it('traces every layer once, in order, in the shapes that it announces', () => {
    for (const precision of ['float32', 'float64'] as const) {
      const announced = shapes(towers, 2);
      const seen: string[] = [];
      forward(towers, halved(), input, {
        precision,
        trace: ({ name }, y) => {
          seen.push(name);
          expect([...y.shape], name).to.deep.equal([...announced.get(name)!]);
          expect(y.data, name).to.be.instanceOf(precision === 'float32' ? Float32Array : Float64Array);
        },
      });
      expect(seen).to.deep.equal(towers.layers.map(({ name }) => name));
    }
  });

  it('a layer without a bias has a bias of 0', () => {
    const none = new Map([...weights].filter(([name]) => name !== 'conv1.bias'));
    // kaiming's biases are 0
    expect(bits(forward(grouped, none, input))).to.deep.equal(bits(forward(grouped, weights, input)));
  });

  it('computes each image as if it were alone', () => {
    const both = bits(forward(grouped, weights, input));
    const alone = [0, 1].flatMap((n) => {
      const image = tensor(input.data.slice(n * 168, (n + 1) * 168), [1, 4, 7, 6]);
      return bits(forward(grouped, weights, image));
    });
    expect(both).to.deep.equal(alone);
  });

  it('runs every small network to probabilities', () => {
    for (const network of networks.filter(({ name }) => name.startsWith('cifar'))) {
      const image = tensor(Float32Array.from(normals(2, 2, 3 * network.input[1] ** 2)), [
        1,
        ...network.input,
      ]);
      const p = bits(forward(network, initialise(network, 0, 'kaiming'), image));
      expect(p.length, network.name).to.equal(10);
      // ten roundings of float32
      expect(
        p.reduce((a, b) => a + b),
        network.name,
      ).to.be.closeTo(1, 10 * 2 ** -24);
    }
  });

  it('names network, layer and shape in its errors', () => {
    const run = (changed: Iterable<readonly [string, Tensor]>, x = input) =>
      forward(grouped, new Map(changed), x);
    const without = (name: string) => [...weights].filter(([key]) => key !== name);
    const instead = (name: string, shape: number[]) => [...without(name), [name, zeros(shape)] as const];
    expect(() => run(weights, zeros([2, 4, 6, 7]))).to.throw(
      'small: the input must be [N,4,7,6] (= [2,4,6,7])',
    );
    expect(() => run(without('fc.weight'))).to.throw(
      "fc: there is no 'fc.weight' (there are: conv1.weight, ",
    );
    expect(() => run(instead('conv1.weight', [6, 4, 3, 3]))).to.throw(
      'conv1: conv1.weight must be [6,2,3,3] (= [6,4,3,3])',
    );
    expect(() => run(instead('fc.bias', [6]))).to.throw('fc: fc.bias must be [5] (= [6])');
  });

  it('names the layer whose shape cannot be', () => {
    const { layers } = grouped;
    expect(() => shapes(small([conv('conv1', 6, 9), ...layers]))).to.throw(
      'conv1: conv2d: the kernel 9×9 does not fit the padded input',
    );
    expect(() => shapes(small([conv('conv1', 6, 3, { groups: 3 })]))).to.throw(
      'conv1: conv2d: groups must divide input channels (groups = 3, channels = 4)',
    );
    expect(() => shapes(small([from('nowhere', relu('relu1'))]))).to.throw(
      "relu1: there is no 'nowhere' (there are: input)",
    );
    expect([...weightShapes(grouped).get('fc.weight')!]).to.deep.equal([5, 252]);
  });
});
