/** A network as its two towers compute it, layer by layer; faults planted in one of them or in what they exchange. */
import { expect } from 'chai';
import { verify, writeTensors } from '../../../lib/index.ts';
import { modelOf } from '../../../lib/networks/modelfile.ts';
import { builtModel } from '../../../lib/onnx/read.ts';
import { exchangeText } from '../../../lib/report/table.ts';
import { type Host, holdDevice } from '../../../lib/runtime/session.ts';
import { hostTowers } from '../../../lib/runtime/towers.ts';
import { verifyLayers } from '../../../lib/verify/layers.ts';
import { pairOf } from '../../../lib/verify/pairing.ts';
import { networkNamed } from '../../../reference/networks/index.ts';
import type { Weights } from '../../../reference/oracle.ts';
import { dense, type Tensor, tensor } from '../../../reference/tensor.ts';
import { commandLines } from '../../support/command-lines.ts';
import { narrow, random, randomWeights } from '../../support/models.ts';

const AS_RUN = 'alexnet2012-as-run';
const cpu = { device: 'cpu' } as const;

/** What a tower's device is fed. */
type Fed = (x: Tensor) => Tensor;

/** In this process; the second tower's device gets what `fed` makes of its inputs of that shape. */
async function hosts(shape: readonly number[] = [], fed: Fed = (x) => x): Promise<Host[]> {
  const [first, second] = [await holdDevice('cpu'), await holdDevice('cpu')];
  const altered: Host = {
    ...second,
    async open(...args) {
      const session = await second.open(...args);
      return {
        ...session,
        run(feeds, outputs) {
          const x = feeds.get('input') as Tensor;
          const isIt = x.shape.slice(1).join() === shape.join();
          return session.run(isIt ? new Map([['input', fed(x)]]) : feeds, outputs);
        },
      };
    },
  };
  return [first, altered];
}

async function judged(name: string, on: readonly Host[], theirs: (own: Weights) => Weights = (own) => own) {
  const network = narrow(networkNamed(name));
  const weights = randomWeights(network, 3);
  const pair = pairOf(builtModel(modelOf(network, weights, { source: '', passing: true })), network, weights);
  const input = random([2, ...network.input] as [number, number, number, number], 4);
  await using towers = hostTowers(network, theirs(weights), [cpu, cpu], 'native', on);
  return await verifyLayers({ pair, input, device: 'cpu', towers });
}

/** Maps [from, to) of each image as `change` makes them. */
const inMaps = (from: number, to: number, change: (v: number) => number) => (x: Tensor) => {
  const [, C, H, W] = x.shape;
  const mapOf = (i: number) => Math.floor(i / (H * W)) % C;
  const values = Float32Array.from(dense(x), (v, i) => (mapOf(i) >= from && mapOf(i) < to ? change(v) : v));
  return tensor(values, x.shape);
};

describe('lib/verify/towers', function () {
  this.timeout(120_000);
  const { path, json } = commandLines();
  before(async () => writeTensors(path('a.npz'), randomWeights(narrow(networkNamed('cifar-alexnet')), 2)));

  it('as-run: every layer within its bounds, optimised and not; 3.2 is all that is exchanged', async () => {
    const { verdict, layers, runs, placement, towers } = await judged(AS_RUN, await hosts());
    expect([verdict, layers.length, placement]).to.deep.equal(['pass', 25, '25 of 25 on CPU']);
    expect(runs.map((run) => [run.graph, run.level, run.verdict])).to.deep.equal([
      ...[
        ['tapped', 'disabled', 'pass'],
        ['tapped', 'all', 'pass'],
        ['untouched', 'all', 'pass'],
      ],
    ]);
    // two images, a sixteenth of the channels: pool2 2 × 8 maps of 13×13, pool5 2 × 8 of 6×6, fc6 and fc7 2 × 128
    const conv3 = 2 * 8 * 13 * 13 * 4;
    const fc6 = 2 * 8 * 6 * 6 * 4;
    const fc7 = 2 * 128 * 4;
    const bytes = 2 * conv3 + 2 * fc6 + 2 * fc7 + fc7;
    expect(towers).to.deep.include({ devices: ['CPU', 'CPU'], images: 2, bytes, paper: bytes });
    expect(exchangeText(towers!)).to.equal(
      'bytes for 2 images: conv3 10,816 each way, fc6 2,304 each way, fc7 1,024 each way, fc8 1,024 to tower 0; ' +
        "29,312 in all, the paper's layout 29,312",
    );
  });

  it('LRN over all maps: two maps more at the border, beyond the paper’s layout', async () => {
    const { verdict, towers } = await judged('alexnet2012', await hosts());
    expect(verdict).to.equal('pass');
    // two images, each way two maps of 55×55 and two of 27×27
    const border = 2 * 2 * 2 * (55 * 55 + 27 * 27) * 4;
    expect(towers!.bytes - towers!.paper).to.equal(border);
    expect(towers!.paper).to.equal(29_312);
    expect(exchangeText(towers!)).to.match(/: norm1 norm2 read maps across the border$/);
  });

  it('halves in the other order are noticed where they are read', async () => {
    const swapped: Fed = (x) => {
      const [N, C, H, W] = x.shape;
      const half = (C / 2) * H * W;
      const values = dense(x);
      const parts = Array.from({ length: N }, (_, n) => values.subarray(2 * n * half, 2 * (n + 1) * half));
      return tensor(
        Float32Array.from(parts.flatMap((part) => [...part.slice(half), ...part.slice(0, half)])),
        x.shape,
      );
    };
    const { verdict, first } = await judged(AS_RUN, await hosts([16, 13, 13], swapped));
    expect([verdict, first]).to.deep.equal(['fail', 'conv3']);
  });

  it('what was not sent is noticed: maps at the border, a half of fc6', async () => {
    const { first } = await judged(
      'alexnet2012',
      await hosts(
        [6, 55, 55],
        inMaps(0, 2, () => 0),
      ),
    );
    expect(first).to.equal('norm1');
    const stale: Fed = (x) =>
      tensor(
        Float32Array.from(dense(x), (v, i) => (i % 256 < 128 ? 0 : v)),
        x.shape,
      );
    expect((await judged(AS_RUN, await hosts([256], stale))).first).to.equal('fc7');
  });

  it('one tower’s biases are noticed, in its maps', async () => {
    const half = (t: Tensor) =>
      tensor(
        Float32Array.from(dense(t), (v, i) => (i < 8 ? v : -v)),
        t.shape,
      );
    const wrong = (own: Weights) => new Map([...own, ['conv2.bias', half(own.get('conv2.bias')!)]]);
    const { first, layers } = await judged(AS_RUN, await hosts(), wrong);
    expect(first).to.equal('conv2');
    const [, channels] = layers.find(({ layer }) => layer === 'conv2')!.introduced!.pattern!.axes;
    expect(channels).to.deep.include({ first: 8, last: 15 });
  });

  it('the command: each tower in a process of its own, its bytes in the JSON', async () => {
    const { verdict, device, towers, input } = await json(
      'verify --towers cpu,cpu --network cifar-alexnet --weights a.npz --batch 3 --save run',
    );
    expect([verdict, device, input[0], towers.images]).to.deep.equal(['pass', 'cpu', 3, 3]);
    const [first] = towers.exchanges;
    // maps of 14×14, two of them at the border
    expect(first).to.deep.equal({
      ...{ value: 'pool1', from: 2, to: 4, before: 'norm1', sender: 1, receiver: 0 },
      ...{ bytes: 3 * 2 * 14 * 14 * 4, paper: false },
    });
    const again = await json('verify --values run --network cifar-alexnet --weights a.npz');
    expect([again.verdict, again.device]).to.deep.equal(['pass', 'cpu']);
  });

  it('refuses in one line what does not go with two devices', async () => {
    const refused = async (options: object) =>
      verify({ seed: 0, ...options }).then(String, ({ message }) => message);
    const towers = ['cpu', 'cpu'];
    expect(await refused({ towers: ['cpu'] })).to.match(/^--towers: two devices are needed \(= 1\)/);
    expect(await refused({ towers, network: 'torchvision' })).to.match(
      /^--towers: torchvision has no two towers/,
    );
    expect(await refused({ towers, model: 'a.onnx' })).to.equal(
      '--towers does not go with a file: leave one of them out',
    );
    for (const [flag, option] of [
      ['--device', { device: 'cpu' }],
      ['--values', { values: 'a.npz' }],
      ['--endpoint', { endpoint: 'http://localhost/v2/models/a' }],
    ] as const)
      expect(await refused({ towers, ...option })).to.equal(
        `--towers does not go with ${flag}: leave one of them out`,
      );
    expect(await refused({ towers, steps: 2 })).to.equal(
      '--steps needs --graph gradients or --graph training',
    );
  });
});
