/** A network as its two towers compute it, layer by layer; faults planted in one of them or in what they exchange. */
import { expect } from 'chai';
import { verify, writeTensors } from '../../../lib/index.ts';
import { modelOf } from '../../../lib/networks/modelfile.ts';
import { builtModel } from '../../../lib/onnx/read.ts';
import { exchangeText } from '../../../lib/report/table.ts';
import { type Host, holdDevice } from '../../../lib/runtime/session.ts';
import { hostTowers } from '../../../lib/runtime/towers.ts';
import { isTensor, type SessionValue } from '../../../lib/runtime/values.ts';
import { verifyLayers } from '../../../lib/verify/layers.ts';
import { pairOf } from '../../../lib/verify/pairing.ts';
import type { Level } from '../../../lib/verify/provider.ts';
import { verifyTraining } from '../../../lib/verify/training/training.ts';
import { networkNamed } from '../../../reference/networks/index.ts';
import type { Network } from '../../../reference/networks/layers.ts';
import type { Weights } from '../../../reference/oracle.ts';
import { dense, type Tensor, tensor } from '../../../reference/tensor.ts';
import { commandLines } from '../../support/command-lines.ts';
import { narrow, random, randomWeights } from '../../support/models.ts';

const AS_RUN = 'alexnet2012-as-run';
const ACROSS = 'alexnet2012';
const cpu = { device: 'cpu' } as const;

/** Narrow, for pictures of 64 or 67: maps of 15×15, 7×7, 3×3 and 1×1. */
const small = (name: string): Network => {
  const side = name === AS_RUN ? 64 : 67;
  return { ...narrow(networkNamed(name)), input: [3, side, side] };
};

/** What a device is fed, or gives, under that name. */
type Change = (x: Tensor, name: string) => Tensor;
const nothing: Change = (x) => x;

/** In this process; what goes into the second tower's device, and what comes out, is changed. */
async function hosts(fed = nothing, given = nothing): Promise<Host[]> {
  const [first, second] = [await holdDevice('cpu'), await holdDevice('cpu')];
  const changed = (values: ReadonlyMap<string, SessionValue>, change: Change) =>
    new Map([...values].map(([name, x]) => [name, isTensor(x) ? change(x, name) : x] as const));
  const altered: Host = {
    ...second,
    async open(...args) {
      const session = await second.open(...args);
      return {
        ...session,
        run: async (feeds, outputs) => changed(await session.run(changed(feeds, fed), outputs), given),
      };
    },
  };
  return [first, altered];
}

/** The change where a value has that shape, the batch apart. */
const of =
  (shape: readonly number[], change: Change): Change =>
  (x, name) =>
    x.shape.slice(1).join() === shape.join() ? change(x, name) : x;

/** With no level of optimisation but none, where nothing else is said. */
async function judged(
  name: string,
  on: readonly Host[],
  { levels = [], theirs = (own) => own }: { levels?: readonly Level[]; theirs?(own: Weights): Weights } = {},
) {
  const network = small(name);
  const weights = randomWeights(network, 3);
  const pair = pairOf(builtModel(modelOf(network, weights, { source: '', passing: true })), network, weights);
  const input = random([2, ...network.input], 4);
  await using towers = hostTowers(network, theirs(weights), [cpu, cpu], 'native', on);
  return await verifyLayers({ pair, input, device: 'cpu', towers, levels });
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
    const { verdict, layers, runs, placement, towers } = await judged(AS_RUN, await hosts(), {
      levels: ['all'],
    });
    expect([verdict, layers.length, placement]).to.deep.equal(['pass', 25, '25 of 25 on CPU']);
    expect(runs.map((run) => [run.graph, run.level, run.verdict])).to.deep.equal([
      ...[
        ['tapped', 'disabled', 'pass'],
        ['tapped', 'all', 'pass'],
        ['untouched', 'all', 'pass'],
      ],
    ]);
    // two images, a sixteenth of the channels: of pool2 8 maps of 3×3, of pool5 8 of 1×1, of fc6 and fc7 128 values
    const conv3 = 2 * 8 * 3 * 3 * 4;
    const fc6 = 2 * 8 * 4;
    const fc7 = 2 * 128 * 4;
    const bytes = 2 * conv3 + 2 * fc6 + 2 * fc7 + fc7;
    expect(towers).to.deep.include({ devices: ['CPU', 'CPU'], images: 2, bytes, paper: bytes });
    expect(exchangeText(towers!)).to.equal(
      'bytes for 2 images: conv3 576 each way, fc6 64 each way, fc7 1,024 each way, fc8 1,024 to tower 0; ' +
        "4,352 in all, the paper's layout 4,352",
    );
  });

  it('LRN over all maps: two maps more at the border, beyond the paper’s layout', async () => {
    const { verdict, towers } = await judged(ACROSS, await hosts());
    expect(verdict).to.equal('pass');
    // two images, each way two maps of 15×15 and two of 7×7
    const border = 2 * 2 * 2 * (15 * 15 + 7 * 7) * 4;
    expect(towers!.bytes - towers!.paper).to.equal(border);
    expect(towers!.paper).to.equal(4352);
    expect(exchangeText(towers!)).to.match(/: norm1 norm2 read maps across the border$/);
  });

  it('halves in the other order are noticed where they are read', async () => {
    const swapped: Change = (x) => {
      const [N, C, H, W] = x.shape;
      const half = (C / 2) * H * W;
      const values = dense(x);
      const parts = Array.from({ length: N }, (_, n) => values.subarray(2 * n * half, 2 * (n + 1) * half));
      return tensor(
        Float32Array.from(parts.flatMap((part) => [...part.slice(half), ...part.slice(0, half)])),
        x.shape,
      );
    };
    const { verdict, first } = await judged(AS_RUN, await hosts(of([16, 3, 3], swapped)));
    expect([verdict, first]).to.deep.equal(['fail', 'conv3']);
  });

  it('what was not sent is noticed: maps at the border, a half of fc6', async () => {
    const { first } = await judged(
      ACROSS,
      await hosts(
        of(
          [6, 15, 15],
          inMaps(0, 2, () => 0),
        ),
      ),
    );
    expect(first).to.equal('norm1');
    const stale: Change = (x) =>
      tensor(
        Float32Array.from(dense(x), (v, i) => (i % 256 < 128 ? 0 : v)),
        x.shape,
      );
    expect((await judged(AS_RUN, await hosts(of([256], stale)))).first).to.equal('fc7');
  });

  it('one tower’s biases are noticed, in its maps', async () => {
    const half = (t: Tensor) =>
      tensor(
        Float32Array.from(dense(t), (v, i) => (i < 8 ? v : -v)),
        t.shape,
      );
    const wrong = (own: Weights) => new Map([...own, ['conv2.bias', half(own.get('conv2.bias')!)]]);
    const { first, layers } = await judged(AS_RUN, await hosts(), { theirs: wrong });
    expect(first).to.equal('conv2');
    const [, channels] = layers.find(({ layer }) => layer === 'conv2')!.introduced!.pattern!.axes;
    expect(channels).to.deep.include({ first: 8, last: 15 });
  });

  it('the command: each tower in a process of its own, its bytes in the JSON', async () => {
    const { verdict, device, towers, input } = await json(
      'verify --towers cpu,cpu --network cifar-alexnet --weights a.npz --batch 3',
    );
    expect([verdict, device, input[0], towers.images]).to.deep.equal(['pass', 'cpu', 3, 3]);
    const [first] = towers.exchanges;
    // maps of 14×14, two of them at the border
    expect(first).to.deep.equal({
      ...{ value: 'pool1', from: 2, to: 4, before: 'norm1', sender: 1, receiver: 0 },
      ...{ bytes: 3 * 2 * 14 * 14 * 4, back: false, paper: false },
    });
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
    expect(await refused({ towers: ['webgpu:1', 'cpu'] })).to.match(
      /^--towers webgpu:1: onnxruntime lets WebGPU's driver/,
    );
    expect(await refused({ towers, steps: 2 })).to.equal(
      '--steps needs --graph gradients or --graph training',
    );
  });
});

describe('lib/verify/towers: a step of training', function () {
  this.timeout(60_000);

  /** With dropout: every third value of fc6 and fc7 is dropped. */
  async function trained(name: string, graph: 'gradients' | 'training', on: readonly Host[]) {
    const network = small(name);
    const weights = randomWeights(network, 3);
    const input = random([2, ...network.input], 4);
    const mask = new Uint8Array(2 * 256).map((_, i) => (i % 3 === 0 ? 0 : 1));
    const dropout = new Map(['drop6', 'drop7'].map((layer) => [layer, mask]));
    const hyper = { rule: 'paper', learningRate: 0.01, momentum: 0.9, weightDecay: 0.0005 } as const;
    const batch = { input, labels: [3, 7], dropout };
    const where = { device: 'cpu', places: [cpu, cpu], hosts: on } as const;
    return await verifyTraining({ ...where, graph, network, weights, batch, hyper, steps: 2, levels: [] });
  }

  it('as-run, two steps: values, gradients, velocities and parameters; gradients go back where maps came from', async () => {
    const { verdict, layers, runs, towers } = await trained(AS_RUN, 'training', await hosts());
    expect([verdict, runs.length]).to.deep.equal(['pass', 4]);
    for (const name of ['dpool2', 'dconv1.weight', 'dinput', 'step1/conv2.weight.velocity', 'step2/fc8.bias'])
      expect(layers.find(({ layer }) => layer === name)?.verdict, name).to.equal('pass');
    expect([towers!.bytes, towers!.paper]).to.deep.equal([2 * 4352, 2 * 4352]);
    const back = towers!.exchanges.filter((one) => one.back);
    expect(
      back.map(({ before, sender, receiver, value }) => `${before} ${sender}>${receiver} ${value}`),
    ).to.deep.equal([
      ...['fc8 0>1 ddrop7', 'fc7 0>1 ddrop6', 'fc7 1>0 ddrop6', 'fc6 0>1 dflatten', 'fc6 1>0 dflatten'],
      ...['conv3 0>1 dpool2', 'conv3 1>0 dpool2'],
    ]);
  });

  it('LRN over all maps: the neighbour’s gradients at the border come back and are added', async () => {
    const { verdict, towers } = await trained(ACROSS, 'gradients', await hosts());
    expect(verdict).to.equal('pass');
    expect(towers!.bytes - towers!.paper).to.equal(2 * 2 * 2 * 2 * (15 * 15 + 7 * 7) * 4);
    const lost: Change = (x, name) =>
      name === 'dinput'
        ? of(
            [6, 15, 15],
            inMaps(0, 2, () => 0),
          )(x, name)
        : x;
    expect((await trained(ACROSS, 'gradients', await hosts(nothing, lost))).first).to.equal('drelu1');
  });

  it('gradients that were changed on their way are noticed where they arrive, or where they are read', async () => {
    const gone: Change = (x, name) =>
      name === 'dinput'
        ? of(
            [16, 3, 3],
            inMaps(0, 8, () => 0),
          )(x, name)
        : x;
    expect((await trained(AS_RUN, 'gradients', await hosts(nothing, gone))).first).to.equal('dpool2');
    const halved: Change = (x, name) =>
      name === 'dflatten'
        ? tensor(
            dense(x).map((v) => v / 2),
            x.shape,
          )
        : x;
    expect((await trained(AS_RUN, 'gradients', await hosts(halved))).first).to.equal('drelu5');
  });
});
