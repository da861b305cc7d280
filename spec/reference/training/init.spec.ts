import { expect } from 'chai';
import { networkNamed } from '../../../reference/networks/index.ts';
import type { Layer, Network } from '../../../reference/networks/layers.ts';
import { weightShapes } from '../../../reference/oracle.ts';
import { normals, streamOf } from '../../../reference/random.ts';
import { dense } from '../../../reference/tensor.ts';
import { initialise, type Method, startOf } from '../../../reference/training/init.ts';

const alexnet = networkNamed('alexnet2012');
/** The same network with one 16th of the channels, so that it takes no time. */
const narrow: Network = {
  ...alexnet,
  layers: alexnet.layers.map(
    (layer): Layer => ('channels' in layer ? { ...layer, channels: Math.ceil(layer.channels / 16) } : layer),
  ),
};
const names = alexnet.layers.filter((layer) => 'channels' in layer).map(({ name }) => name);
const starts = (network: Network, method: Method) =>
  names.map((name) => {
    const { deviation, bias } = startOf(network, name, 363, method);
    return `${name} ${deviation} ${bias}`;
  });

describe('reference/init', () => {
  it('paper is section 5: 0.01 everywhere, ones in conv2, conv4, conv5, fc6, fc7', () => {
    expect(starts(alexnet, 'paper')).to.deep.equal([
      'conv1 0.01 0',
      'conv2 0.01 1',
      'conv3 0.01 0',
      'conv4 0.01 1',
      'conv5 0.01 1',
      'fc6 0.01 1',
      'fc7 0.01 1',
      'fc8 0.01 0',
    ]);
  });

  it('as-run is configuration 145: 0.03 in conv3, conv4 and conv5', () => {
    expect(starts(networkNamed('alexnet2012-as-run'), 'as-run')).to.deep.equal([
      'conv1 0.01 0',
      'conv2 0.01 1',
      'conv3 0.03 0',
      'conv4 0.03 1',
      'conv5 0.03 1',
      'fc6 0.01 1',
      'fc7 0.01 1',
      'fc8 0.01 0',
    ]);
  });

  it("caffe is bvlc_alexnet's 0.1 and 0.005, and 1 for caffenet's biases", () => {
    expect(starts(networkNamed('bvlc-alexnet'), 'caffe')).to.deep.equal([
      'conv1 0.01 0',
      'conv2 0.01 0.1',
      'conv3 0.01 0',
      'conv4 0.01 0.1',
      'conv5 0.01 0.1',
      'fc6 0.005 0.1',
      'fc7 0.005 0.1',
      'fc8 0.01 0',
    ]);
    expect(startOf(networkNamed('caffenet'), 'fc6', 1, 'caffe')).to.deep.equal({ deviation: 0.005, bias: 1 });
    const cifar = networkNamed('cifar10-full');
    expect(startOf(cifar, 'conv1', 1, 'caffe')).to.deep.equal({ deviation: 1e-4, bias: 0 });
    expect(startOf(cifar, 'conv2', 1, 'caffe')).to.deep.equal({ deviation: 0.01, bias: 0 });
    expect(startOf(cifar, 'ip1', 1, 'caffe')).to.deep.equal({ deviation: 0.01, bias: 0 });
    // the paper's and configuration 145's, of the layers that it has too
    expect(startOf(cifar, 'conv2', 1, 'paper')).to.deep.equal({ deviation: 0.01, bias: 1 });
    expect(startOf(cifar, 'conv2', 1, 'as-run')).to.deep.equal({ deviation: 0.01, bias: 1 });
    expect(startOf(cifar, 'conv3', 1, 'as-run')).to.deep.equal({ deviation: 0.03, bias: 0 });
  });

  it('every weight and bias of the network is there, in its shape, float32', () => {
    const weights = initialise(narrow, 0, 'paper');
    const shapes = [...weights].map(([name, { shape }]) => [name, [...shape]]);
    expect(shapes).to.deep.equal([...weightShapes(narrow)].map(([name, shape]) => [name, [...shape]]));
    for (const { data } of weights.values()) expect(data).to.be.instanceOf(Float32Array);
    expect(new Set(dense(weights.get('conv2.bias')!))).to.deep.equal(new Set([1]));
    expect(new Set(dense(weights.get('conv3.bias')!))).to.deep.equal(new Set([0]));
  });

  it('kaiming has variance 2 / fan_in, inputs of one group counted, within five standard errors', () => {
    for (const [name, t] of initialise(narrow, 3, 'kaiming')) {
      if (name.endsWith('bias')) continue;
      const fanIn = t.shape.slice(1).reduce((a, b) => a * b);
      const values = dense(t);
      const variance = new Float64Array(values).map((v) => v * v).reduce((sum, v) => sum + v) / values.length;
      expect((variance * fanIn) / 2, name).to.be.closeTo(1, 5 * Math.sqrt(2 / values.length));
    }
  });

  it('a weight depends on seed, tensor and index alone, not on how wide the network is', () => {
    const weight = dense(initialise(narrow, 5, 'paper').get('conv4.weight')!);
    const z = normals(5, streamOf('conv4.weight'), weight.length);
    expect([...weight]).to.deep.equal([...z].map((v) => Math.fround(0.01 * v)));
  });

  it('an unknown method is refused by name', () => {
    expect(() => initialise(narrow, 0, 'xavier' as Method)).to.throw(
      "unknown initialisation 'xavier' (there are: kaiming, paper, as-run, caffe)",
    );
  });
});
