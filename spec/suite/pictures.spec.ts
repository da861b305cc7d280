/** Files that take pictures: every step of the preprocessing in the graph is judged like a layer. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { joined } from '../../export/index.ts';
import { decodeModel, encodeModel, type ModelProto } from '../../export/proto.ts';
import type { VerifyResult } from '../../lib/index.ts';
import { verify } from '../../lib/index.ts';
import { modelOf } from '../../lib/networks/modelfile.ts';
import { networkNamed, networks } from '../../reference/networks/index.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { fixturePath } from '../support/golden-pictures.ts';
import { narrow, random, randomWeights } from '../support/models.ts';

/** By network, what is done to a picture; ten views where there is a crop. */
const stepsOf: Record<string, string> = {
  alexnet2012: 'planes mean',
  'alexnet2012-as-run': 'planes mean',
  'alexnet-half': 'planes mean',
  'bvlc-alexnet': 'planes channels mean',
  caffenet: 'planes channels mean',
  'onnx-zoo': 'planes channels mean',
  torchvision: 'planes range mean deviation',
  'cifar10-full': 'planes mean',
  'cifar-relu': 'planes mean deviation',
  'cifar-tanh': 'planes mean deviation',
  'cifar-alexnet': 'planes mean deviation',
};

describe('files that take pictures', function () {
  this.timeout(120_000);
  const folder = mkdtempSync(join(tmpdir(), 'alexnet-pictures-'));
  after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'm.onnx');

  const modelFor = (network: Network, options: object = {}): Uint8Array => {
    const [, H] = network.input;
    const takes = network.preprocess.meanImage !== 'none';
    const mean = takes ? { meanImage: random([3, H + 5, H + 5], 4, 120) } : {};
    const form = { source: 'a spec', input: 'uint8', ...mean, ...options } as const;
    return joined(modelOf(network, randomWeights(network, 3), form).chunks());
  };
  const judged = (bytes: Uint8Array, options: object = {}): Promise<VerifyResult> => {
    writeFileSync(path, bytes);
    return verify({ model: path, device: 'cpu', ...options });
  };
  const rowsOf = ({ layers }: VerifyResult) => layers.map(({ layer, kind }) => `${layer} ${kind}`);

  for (const wide of networks) {
    const network = narrow(wide);
    it(`${network.name}: every step and every layer passes`, async () => {
      const found = await judged(modelFor(network));
      expect(found.verdict, JSON.stringify(found.layers.map(({ reason }) => reason))).to.equal('pass');
      const kinds = found.layers.slice(0, -network.layers.length).map(({ kind }) => kind);
      expect(kinds.join(' ')).to.equal(stepsOf[network.name]);
      const side = network.input[1];
      expect(found.input).to.deep.equal([1, side, side, 3]);
      expect(found.values.device.get('input')!.shape).to.deep.equal([1, 3, side, side]);
    });
  }

  for (const name of ['torchvision', 'caffenet', 'cifar-alexnet']) {
    it(`${name}, ten views of two pictures: crops, layers and average pass`, async () => {
      const network = narrow(networkNamed(name));
      const found = await judged(modelFor(network, { views: 10, batch: 2 }), { batch: 2, repeat: 2 });
      expect(found.verdict, JSON.stringify(found.layers.map(({ reason }) => reason))).to.equal('pass');
      expect(rowsOf(found)).to.include.members(['image/views views', 'probabilities average']);
      expect(found.layers.find(({ layer }) => layer === 'conv1')!.shape[0]).to.equal(20);
      expect(found.layers.at(-1)!.shape).to.deep.equal([2, 12]);
      expect(found.placement).to.equal(`${found.layers.length} of ${found.layers.length} on CPU`);
    });
  }

  it('repeated elsewhere in the batch the views of a picture stay with it', async () => {
    const found = await judged(modelFor(narrow(networkNamed('cifar-alexnet')), { views: 10 }), { repeat: 2 });
    const place = found.repeats!.find(({ change }) => change === 'place')!;
    // a batch of four both times: only what reads another picture moves by more than a few units
    expect(Math.max(0, ...place.moved.map(({ ulps }) => ulps))).to.be.below(1000);
  });

  it('float16, decomposed LRN, photographs and numbers', async () => {
    const network = narrow(networkNamed('bvlc-alexnet'));
    const half = modelFor(network, { precision: 'float16', lrn: 'decomposed', views: 10 });
    const photo = fixturePath('rgb-letters.jpg');
    expect((await judged(half, { input: [photo] })).verdict).to.equal('pass');
    const whole = random([2, 227, 227, 3], 9, 1);
    const bytes = { ...whole, data: whole.data.map((v: number) => Math.floor((v + 1) * 128)) };
    const input = Object.assign(random([2, 227, 227, 3], 9, 1), { data: bytes.data });
    expect((await judged(modelFor(network), { input, repeat: 2 })).verdict).to.equal('pass');
    const refused = await judged(modelFor(network), { input: whole }).catch(String);
    expect(refused).to.match(
      /the input holds -?0\.\d+, but the file takes pictures of whole numbers 0 to 255/,
    );
  });

  /** The file with one thing changed. */
  const spoilt = (
    bytes: Uint8Array,
    change: (graph: NonNullable<ModelProto['graph']>) => void,
  ): Uint8Array => {
    const model = decodeModel(bytes);
    change(model.graph!);
    return encodeModel(model);
  };
  const initializer = (name: string, raw: ArrayBufferView) => (graph: NonNullable<ModelProto['graph']>) => {
    const found = graph.initializer.find((tensor) => tensor.name === name)!;
    found.rawData = new Uint8Array(raw.buffer);
  };
  const opType = (name: string, type: string) => (graph: NonNullable<ModelProto['graph']>) => {
    graph.node.find((node) => node.name === name)!.opType = type;
  };

  it('what is wrong is found where it is', async () => {
    const bvlc = narrow(networkNamed('bvlc-alexnet'));
    const torch = narrow(networkNamed('torchvision'));
    const cifar = narrow(networkNamed('cifar-alexnet'));
    const caffe = modelFor(bvlc, { meanImage: undefined });
    const ten = modelFor(cifar, { views: 10 });
    // the first window in place of the second
    const ends = initializer('image/views/1/ends', BigInt64Array.of(28n, 28n));
    const shifted = spoilt(ten, ends);
    const cases: [Uint8Array, Parameters<typeof spoilt>[1], string][] = [
      [caffe, initializer('image/channels/bgr', Int32Array.of(0, 1, 2)), 'image/channels'],
      [caffe, initializer('image/mean/by', Float32Array.of(104, 117, 124)), 'input'],
      [modelFor(bvlc), initializer('image/mean/by', new Float32Array(3 * 227 * 227)), 'input'],
      [modelFor(torch), opType('image/mean', 'Add'), 'image/mean'],
      [modelFor(torch), initializer('image/range/by', Float32Array.of(256)), 'image/range'],
      [modelFor(torch), initializer('image/deviation/by', Float32Array.of(0.229, 0.225, 0.224)), 'input'],
      [shifted, initializer('image/views/1/starts', BigInt64Array.of(0n, 0n)), 'image/views'],
      [ten, initializer('probabilities/views', Float32Array.of(5)), 'probabilities'],
    ];
    for (const [bytes, change, row] of cases) {
      const { verdict, first } = await judged(spoilt(bytes, change));
      expect([verdict, first], row).to.deep.equal(['fail', row]);
    }
  });

  it('a file that says of itself what it is not is one line', async () => {
    const network = narrow(networkNamed('cifar-alexnet'));
    const told = (key: string, value: string) => {
      const model = decodeModel(modelFor(network));
      model.metadataProps.find((entry) => entry.key === key)!.value = value;
      return judged(encodeModel(model)).catch(String);
    };
    expect(await told('image', '{}')).to.match(/metadata 'image' do not tell views and mean image/);
    expect(await told('image', '{"views":1,"meanImage":true}')).to.match(/takes no mean image/);
    const bgr = JSON.stringify({ ...network.preprocess, channels: 'BGR' });
    const { layers } = (await told('preprocess', bgr)) as VerifyResult;
    expect(layers.find(({ verdict }) => verdict === 'fail')).to.include({
      layer: 'image/channels',
      reason: 'the file has no such step',
    });
  });
});
