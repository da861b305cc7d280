/** The two towers: their segments as tables and as files, which run by their metadata alone, and the whole network. */
import { expect } from 'chai';
import { buildTower, exchangesOf, tap, towersOf } from '../../export/index.ts';
import type { ModelProto } from '../../export/proto.ts';
import { weightsOf } from '../../export/towers.ts';
import { forward, inputsOf } from '../../lib/fast/oracle.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import type { Layer, Network } from '../../reference/networks/layers.ts';
import { concat } from '../../reference/ops/index.ts';
import type { Weights } from '../../reference/oracle.ts';
import { dense, type Tensor, tensor } from '../../reference/tensor.ts';
import { narrow, random, randomWeights, runFile } from '../support/models.ts';
import { introduced } from '../support/random-bounds.ts';

const AS_RUN = 'alexnet2012-as-run';
const IN_TWO = ['alexnet2012', AS_RUN, 'bvlc-alexnet', 'caffenet', 'onnx-zoo', 'cifar-alexnet'];

/** Narrow, for pictures of 64 or 67, so that all maps are small but none is empty. */
function small(name: string): Network {
  const network = narrow(networkNamed(name));
  const [C, side] = network.input;
  const less = side === 227 ? 67 : side === 224 ? 64 : side;
  return { ...network, input: [C, less, less] };
}

/** Maps [from, to) of a tensor whose first map is `first`. */
function cut(t: Tensor, from: number, to: number, first = 0): Tensor {
  const [N, C, ...rest] = t.shape;
  const size = t.size / N / C;
  const images = Array.from({ length: N }, (_, n) => {
    const at = n * C - first;
    return dense(t).subarray((at + from) * size, (at + to) * size);
  });
  const data = Float32Array.from(images.flatMap((image) => [...image]));
  return tensor(data, [N, to - from, ...rest]);
}

type Values = Map<string, Tensor>;
/** Segment `at` of a tower, from its joined input; null where it has none. Values by layer. */
type Compute = (tower: number, at: number, joined: Tensor) => Promise<Values | null>;

/** Runs segment after segment; a value that both make is put together from the maps that each says are its own. */
async function runBoth(network: Network, input: Tensor, count: number, compute: Compute): Promise<Values> {
  const towers = towersOf(network);
  const whole: Values = new Map([['input', input]]);
  for (let at = 0; at < count; at++) {
    const parts = new Map<string, Tensor[]>();
    for (const { index, segments, own } of towers) {
      if (!segments[at]) continue;
      const { takes, border } = segments[at];
      const made = await compute(index, at, cut(whole.get(takes.value)!, takes.from, takes.to));
      for (const [name, y] of made!) {
        const { from, to } = own.get(name)!;
        expect(y.shape[1], name).to.equal(to - from + border[0] + border[1]);
        parts.set(name, [...(parts.get(name) ?? []), cut(y, border[0], border[0] + to - from)]);
      }
    }
    for (const [name, halves] of parts)
      whole.set(name, halves.length === 1 ? halves[0] : concat.forward(halves, undefined));
  }
  return whole;
}

const bitsOf = (t: Tensor) => Buffer.from(Float32Array.from(dense(t)).buffer).toString('hex');
const tableOf = (network: Network, weights: Weights): Compute => {
  const towers = towersOf(network);
  return async (tower, at, x) => {
    const segment = towers[tower].segments[at];
    const values: Values = new Map();
    const trace = ({ name }: Layer, y: Tensor) => void values.set(name, y);
    forward(segment.network, weightsOf(towers[tower], segment, weights), x, { trace });
    return values;
  };
};

const aboutOf = ({ metadataProps }: ModelProto) =>
  JSON.parse(metadataProps.find(({ key }) => key === 'tower')!.value!);

describe('export/towers', () => {
  for (const name of IN_TWO)
    it(`${name}: the tables of both towers have the bits of the network in one piece`, async () => {
      const network = small(name);
      const weights = randomWeights(network, 5);
      const input = random([2, ...network.input], 6);
      const count = towersOf(network)[0].segments.length;
      const both = await runBoth(network, input, count, tableOf(network, weights));
      forward(network, weights, input, {
        trace: (layer, y) => expect(bitsOf(both.get(layer.name)!) === bitsOf(y), layer.name).to.equal(true),
      });
    });

  for (const name of [AS_RUN, 'alexnet2012'])
    it(`${name}: onnxruntime runs the files, and each layer is right for what it read`, async () => {
      const network = small(name);
      const weights = randomWeights(network, 7);
      const input = random([2, ...network.input], 8);
      const files = [0, 1].map((index) => buildTower(network, weights, index));
      const both = await runBoth(network, input, files[0].length, async (tower, at, x) => {
        const { model } = files[tower][at];
        const { layers } = aboutOf(model);
        const values = await runFile(tap(model, layers), x);
        expect([...values.keys()].sort()).to.deep.equal([...layers].sort());
        return values;
      });
      for (const [index, layer] of network.layers.entries()) {
        const inputs = inputsOf(network, index).map((value) => both.get(value)!);
        expect(introduced(layer, inputs, both.get(layer.name)!, weights), layer.name).to.be.at.most(1);
      }
    });

  it('exchanges what section 3.2 exchanges, in the sizes of figure 2; LRN over all maps reads two more at the border', () => {
    const sent = (name: string) =>
      exchangesOf(towersOf(networkNamed(name))).map(
        ({ before, sender, receiver, value, from, to }) =>
          `${before} ${sender}>${receiver} ${value} ${from} ${to}`,
      );
    // 128 maps of 13×13; 128·6·6 values; 2048 twice. layers-145.cfg: fc1000 has gpu=0
    const paper = [
      ...[
        'conv3 1>0 pool2 128 256',
        'conv3 0>1 pool2 0 128',
        'fc6 1>0 flatten 4608 9216',
        'fc6 0>1 flatten 0 4608',
      ],
      ...['fc7 1>0 drop6 2048 4096', 'fc7 0>1 drop6 0 2048', 'fc8 1>0 drop7 2048 4096'],
    ];
    expect(sent(AS_RUN)).to.deep.equal(paper);
    expect(sent('alexnet2012')).to.deep.equal([
      ...[
        'norm1 1>0 relu1 48 50',
        'norm1 0>1 relu1 46 48',
        'norm2 1>0 relu2 128 130',
        'norm2 0>1 relu2 126 128',
      ],
      ...paper,
    ]);
  });

  it('halves the parameters but for the last layer, which the first tower has alone', () => {
    const network = narrow(networkNamed(AS_RUN));
    const sizes = [0, 1].map((index) =>
      buildTower(network, randomWeights(network, 1), index).flatMap(({ model }) =>
        model
          .graph!.initializer.map(({ name, dims }) => `${name} ${dims}`)
          .filter((line) => /weight/.test(line)),
      ),
    );
    // conv1 8 kernels, conv2 16, conv3 24, conv4 24, conv5 16, fc6 256, fc7 256, 12 classes
    const halves = ['4,3,11,11', '8,4,5,5', '12,16,3,3', '12,12,3,3', '8,12,3,3', '128,576', '128,256'];
    const names = ['conv1', 'conv2', 'conv3', 'conv4', 'conv5', 'fc6', 'fc7'];
    const rows = halves.map((dims, i) => `${names[i]}.weight ${dims}`);
    expect(sizes).to.deep.equal([[...rows, 'fc8.weight 12,256'], rows]);
  });

  it('tells in the metadata what a segment reads, receives and sends, and no network that it is not', () => {
    const network = narrow(networkNamed('alexnet2012'));
    const files = buildTower(network, randomWeights(network, 1), 1, { weightsSource: 'seed 1', batch: 3 });
    const keys = files[0].model.metadataProps.map(({ key }) => key);
    expect(keys).to.deep.equal(['preprocess', 'weights.source', 'tower']);
    // the second tower has maps 4 to 8 of 8
    expect(aboutOf(files[1].model)).to.deep.equal({
      ...{ network: 'alexnet2012', tower: 1, towers: 2, segment: 1, segments: 8, layers: ['norm1'] },
      ...{ takes: { value: 'relu1', from: 2, to: 8 }, border: [2, 0] },
      receives: [{ value: 'relu1', from: 2, to: 4, before: 'norm1', sender: 0, receiver: 1 }],
      sends: [],
    });
    expect(aboutOf(files[0].model).sends).to.deep.equal([
      { value: 'relu1', from: 4, to: 6, before: 'norm1', sender: 1, receiver: 0 },
    ]);
  });

  it('refuses networks that are not in two groups, and towers that there are not', () => {
    for (const name of ['torchvision', 'alexnet-half', 'cifar10-full', 'cifar-relu'])
      expect(() => towersOf(networkNamed(name)), name).to.throw(RangeError, `${name} has no two towers`);
    const network = networkNamed(AS_RUN);
    const odd = {
      ...network,
      layers: network.layers.map((l) => (l.name === 'fc7' ? { ...l, channels: 7 } : l)),
    };
    expect(() => towersOf(odd as Network)).to.throw(RangeError, 'has no two towers');
    const small = narrow(network);
    expect(() => buildTower(small, randomWeights(small, 1), 2)).to.throw(
      RangeError,
      'tower must be 0 or 1 (= 2)',
    );
  });
});
