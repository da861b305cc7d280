/** Files that take pictures: every step of the preprocessing in the graph is judged like a layer. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { joined } from '../../export/index.ts';
import { decodeModel, encodeModel, type ModelProto } from '../../export/proto.ts';
import { floatValue, fromTensor } from '../../lib/array/value.ts';
import { Classifier } from '../../lib/classify/classifier.ts';
import { predict } from '../../lib/classify/predict.ts';
import { writeTensors } from '../../lib/disk/tensors.ts';
import { evaluate } from '../../lib/evaluate/index.ts';
import { decodeImage } from '../../lib/image/decode.ts';
import type { VerifyResult } from '../../lib/index.ts';
import { verify } from '../../lib/index.ts';
import { modelOf } from '../../lib/networks/modelfile.ts';
import { preprocess } from '../../reference/input/preprocess.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { zeros } from '../../reference/tensor.ts';
import { fixture } from '../support/data-fixtures.ts';
import { fixturePath } from '../support/golden-pictures.ts';
import { asSmallAsCifar, narrow, random, randomWeights } from '../support/models.ts';
import { needsPython } from '../support/pytorch.ts';
import { linesOnWebgpu, needsSwiftshader } from '../support/swiftshader.ts';
import { writeNpz } from '../support/tensor-bytes.ts';

const onWebgpu = `
import { pictureSide } from '@/reference/input/pixels.ts';
import { modelOf } from '@/lib/networks/modelfile.ts';
import { builtModel } from '@/lib/onnx/read.ts';
import { pairOf } from '@/lib/verify/pairing.ts';
import { verifyLayers } from '@/lib/verify/layers.ts';
import { networkNamed } from '@/reference/networks/index.ts';
import { tensor } from '@/reference/tensor.ts';
import { narrow, random, randomWeights } from '@/spec/support/models.ts';
const found = [];
const small = narrow(networkNamed('cifar-alexnet'), 8);
const spec = small.preprocess;
const bgr = { ...spec, channels: 'BGR', range: 1, mean: [0.5, 0.4, 0.3], deviation: [0.2, 0.3, 0.4] };
for (const [views, opset, preprocess, resize] of [[10, 21, bgr], [1, 22, spec, true]]) {
  const network = { ...small, preprocess };
  const weights = randomWeights(network, 3);
  const file = modelOf(network, weights, { source: '', input: 'uint8', views, opset, resize, lrn: 'band' });
  const side = pictureSide({ preprocess: network.preprocess, views });
  const shape = resize ? [1, 45, 58, 3] : [1, side, side, 3];
  const pixels = random(shape, 6).data.map((v) => Math.floor((v + 1) * 128));
  const pair = pairOf(builtModel(file), network, weights);
  const input = tensor(pixels, shape);
  const { verdict, layers } = await verifyLayers({ pair, input, device: 'webgpu', levels: [] });
  const elsewhere = layers.filter(({ devices }) => devices.join() !== 'WebGPU').map(({ layer }) => layer);
  found.push([opset, verdict, elsewhere]);
}
console.log(JSON.stringify(found));`;

/** What is done to a picture, once each way: spec/export/pixels.spec.ts has every network. */
const stepsOf: Record<string, string> = {
  'alexnet2012-as-run': 'planes mean',
  caffenet: 'planes channels mean',
  torchvision: 'planes range mean deviation',
  'cifar10-full': 'planes mean',
  'cifar-alexnet': 'planes mean deviation',
};

const smallAs = (name: string): Network =>
  asSmallAsCifar(networkNamed(name), narrow(networkNamed('cifar-alexnet')));

/** Pictures of 227 × 227 as of 32 × 32, but for one network. */
const sized = (name: string): Network =>
  ['alexnet2012-as-run', 'torchvision'].includes(name) ? smallAs(name) : narrow(networkNamed(name));

describe('files that take pictures', function () {
  this.timeout(300_000);
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

  for (const name of Object.keys(stepsOf)) {
    const network = sized(name);
    it(`${name}: every step and every layer passes`, async () => {
      const found = await judged(modelFor(network));
      expect(found.verdict, JSON.stringify(found.layers.map(({ reason }) => reason))).to.equal('pass');
      const kinds = found.layers.slice(0, -network.layers.length).map(({ kind }) => kind);
      expect(kinds.join(' ')).to.equal(stepsOf[name]);
      const side = network.input[1];
      expect(found.input).to.deep.equal([1, side, side, 3]);
      expect(found.values.device.get('input')!.shape).to.deep.equal([1, 3, side, side]);
    });
  }

  for (const name of ['caffenet', 'cifar-alexnet']) {
    it(`${name}, ten views of two pictures: crops, layers and average pass`, async () => {
      const network = smallAs(name);
      const found = await judged(modelFor(network, { views: 10, batch: 2 }), { batch: 2 });
      expect(found.verdict, JSON.stringify(found.layers.map(({ reason }) => reason))).to.equal('pass');
      expect(rowsOf(found)).to.include.members(['image/views views', 'probabilities average']);
      expect(found.layers.find(({ layer }) => layer === 'conv1')!.shape[0]).to.equal(20);
      expect(found.layers.at(-1)!.shape).to.deep.equal([2, 12]);
      expect(found.placement).to.equal(`${found.layers.length} of ${found.layers.length} on CPU`);
    });
  }

  describe('of any size', () => {
    const network = narrow(networkNamed('cifar-alexnet'));
    const resize = { resize: true } as const;

    for (const mode of ['shorter', 'warp'] as const)
      it(`${mode}: resize and crop pass, of noise and of a photograph`, async () => {
        const how = { ...network.preprocess, resize: { mode, size: 32 } };
        const file = modelFor({ ...network, preprocess: how }, resize);
        for (const input of [undefined, [fixturePath('subsampled420.jpg')]]) {
          const found = await judged(file, { input });
          expect(found.verdict, JSON.stringify(found.layers.map(({ reason }) => reason))).to.equal('pass');
          const rows = rowsOf(found).slice(0, 4);
          expect(rows).to.deep.equal(
            ['columns', 'rows', 'crop', 'planes'].map((kind) => `image/${kind} ${kind}`),
          );
          expect(found.input.slice(1, 3)).not.to.deep.equal(network.input.slice(1));
        }
      });

    it('two pictures in ten views each, of which a run has one size', async () => {
      const file = modelFor(network, { ...resize, views: 10 });
      const photo = fixturePath('rgb-letters.jpg');
      const { verdict, layers } = await judged(file, { input: [photo, photo] });
      expect([verdict, layers.at(-1)!.shape]).to.deep.equal(['pass', [2, 12]]);
      const sizes = { input: [photo, fixturePath('subsampled420.jpg')] };
      expect(await judged(file, sizes).catch(String)).to.match(/those of one run have one size/);
    });

    it('what is wrong is found where it is', async () => {
      const file = modelFor(network, resize);
      const attribute = (node: string, name: string, value: number | string) => (graph: Graph) => {
        const found = graph.node.find((one) => one.name === node)!.attribute!.find((a) => a.name === name)!;
        Object.assign(
          found,
          typeof value === 'string' ? { s: new TextEncoder().encode(value) } : { i: value },
        );
      };
      const int64 = (name: string, value: bigint) => initializer(name, BigInt64Array.of(value));
      const cases: [Parameters<typeof spoilt>[1], string][] = [
        [attribute('image/columns', 'exclude_outside', 0), 'image/columns'],
        [attribute('image/rows', 'coordinate_transformation_mode', 'asymmetric'), 'image/rows'],
        [attribute('image/rows', 'mode', 'cubic'), 'image/rows'],
        [int64('image/columns/extent/size', 33n), 'image/columns'],
        [int64('image/crop/two', 3n), 'image/crop'],
      ];
      for (const [change, row] of cases) {
        const { verdict, first } = await judged(spoilt(file, change));
        expect([verdict, first], row).to.deep.equal(['fail', row]);
      }
    });

    it('give their weights and preprocessing to predict, which resizes outside', async () => {
      const photo = fixturePath('rgb-letters.jpg');
      const guessed = async (options: object) => {
        writeFileSync(path, modelFor(network, options));
        return (await predict(photo, { weights: path, device: 'cpu', threads: 0 })).predictions[0].guesses;
      };
      expect(await guessed(resize)).to.deep.equal(await guessed({ input: 'float32' }));
    });
  });

  it('repeated elsewhere in the batch the views of a picture stay with it', async () => {
    const found = await judged(modelFor(narrow(networkNamed('cifar-alexnet')), { views: 10 }), { repeat: 2 });
    const place = found.repeats!.find(({ change }) => change === 'place')!;
    // a batch of four both times: only what reads another picture moves by more than a few units
    expect(Math.max(0, ...place.moved.map(({ ulps }) => ulps))).to.be.below(1000);
  });

  it('float16, decomposed LRN, photographs and numbers', async () => {
    const network = smallAs('bvlc-alexnet');
    const half = modelFor(network, { precision: 'float16', lrn: 'decomposed', views: 10 });
    const photo = fixturePath('rgb-letters.jpg');
    expect((await judged(half, { input: [photo] })).verdict).to.equal('pass');
    const whole = random([2, 28, 28, 3], 9, 1);
    const bytes = { ...whole, data: whole.data.map((v: number) => Math.floor((v + 1) * 128)) };
    const input = Object.assign(random([2, 28, 28, 3], 9, 1), { data: bytes.data });
    expect((await judged(modelFor(network), { input, repeat: 2 })).verdict).to.equal('pass');
    const refused = await judged(modelFor(network), { input: whole }).catch(String);
    expect(refused).to.match(
      /the input holds -?0\.\d+, but the file takes pictures of whole numbers 0 to 255/,
    );
  });

  it('give weights and mean image to predict: the same classes without the mean beside', async () => {
    const network = narrow(networkNamed('cifar10-full'));
    const meanImage = random([3, 32, 32], 4, 120);
    const form = { source: 'a spec', input: 'uint8', meanImage } as const;
    writeFileSync(path, joined(modelOf(network, randomWeights(network, 3), form).chunks()));
    await writeTensors(join(folder, 'mean.npy'), { mean: zeros([3, 32, 32]) });
    const how = { ...network.preprocess, resize: { mode: 'warp', size: 32 } } as const;
    const photo = fixturePath('rgb-letters.jpg');
    const asked = { weights: path, preprocess: how, device: 'cpu', top: 12 } as const;
    const [{ guesses }] = (await predict(photo, asked)).predictions;
    const picture = await decodeImage(readFileSync(photo), photo);
    const x = preprocess(picture, how, { meanImage });
    const p = new Float32Array(12);
    for (const { class: k, probability } of guesses!) p[k] = probability;
    const values = join(folder, 'predicted.npz');
    const prob = floatValue(p, [1, 12]);
    writeFileSync(values, writeNpz(Object.entries({ input: fromTensor(x), prob })));
    const found = await verify({ network, weights: randomWeights(network, 3), values, device: 'cpu' });
    expect([found.verdict, found.layers.at(-1)!.reason]).to.deep.equal(['pass', '']);
  });

  it('predict and evaluate take as many views as the file does, unless they are told', async () => {
    const network = narrow(networkNamed('cifar-alexnet'));
    writeFileSync(path, modelFor(network, { views: 10 }));
    const photo = fixturePath('rgb-letters.jpg');
    const asked = { weights: path, device: 'cpu', threads: 0 } as const;
    const predicted = async (views?: 1 | 10) => {
      const { predictions, views: found } = await predict(photo, { ...asked, ...(views && { views }) });
      return { found, guesses: predictions[0].guesses };
    };
    const own = await predicted();
    expect(own).to.deep.equal(await predicted(10));
    expect([own.found, (await predicted(1)).guesses![0].probability]).not.to.include(
      own.guesses![0].probability,
    );
    const evaluated = { data: fixture('folders'), weights: path, engine: 'oracle', limit: 1 } as const;
    const names = join(folder, 'names.txt');
    writeFileSync(names, 'circle\ncross\nsquare\nstripes\na\nb\nc\nd\ne\nf\ng\nh\n');
    expect((await evaluate({ ...evaluated, classNames: names })).views).to.equal(10);
    expect((await evaluate({ ...evaluated, classNames: names, views: 'mirror' })).views).to.equal(2);
  });

  it('Classifier feeds pictures: the bits of what is preprocessed outside; ten views are averaged there', async () => {
    const photo = fixturePath('rgb-letters.jpg');
    const picture = await decodeImage(readFileSync(photo), photo);
    for (const views of [1, 10] as const) {
      const asked = { network: 'cifar-alexnet', device: 'cpu', threads: 0, views, top: 10 } as const;
      await using net = await Classifier.open(asked);
      await net.warmUp();
      const sent: string[] = [];
      const { postMessage } = Worker.prototype;
      Worker.prototype.postMessage = function (call, ...more) {
        if (call.what === 'run') sent.push(`${call.pieces[0].constructor.name} ${call.shape}`);
        postMessage.call(this, call, ...more);
      };
      const [{ guesses }] = await net.classify([photo]).finally(() => {
        Worker.prototype.postMessage = postMessage;
      });
      expect(sent).to.deep.equal([views === 1 ? 'Uint8Array 1,28,28,3' : 'Uint8Array 1,32,32,3']);
      const outside = await net.probabilities(preprocess(picture, net.model.preprocess, { views }));
      for (const { class: k, probability } of guesses!)
        if (views === 1) expect(probability).to.equal(outside[k]);
        else expect(probability).to.be.closeTo(outside[k], 10 * 2 ** -24); // ten terms of at most 1, in float32
    }
  });

  type Graph = NonNullable<ModelProto['graph']>;

  /** The file with one thing changed. */
  const spoilt = (bytes: Uint8Array, change: (graph: Graph) => void): Uint8Array => {
    const model = decodeModel(bytes);
    change(model.graph!);
    return encodeModel(model);
  };
  const initializer = (name: string, raw: ArrayBufferView) => (graph: Graph) => {
    const found = graph.initializer.find((tensor) => tensor.name === name)!;
    found.rawData = new Uint8Array(raw.buffer);
  };
  const opType = (name: string, type: string) => (graph: Graph) => {
    graph.node.find((node) => node.name === name)!.opType = type;
  };

  it('what is wrong is found where it is', async () => {
    const bvlc = smallAs('bvlc-alexnet');
    const torch = smallAs('torchvision');
    const cifar = narrow(networkNamed('cifar-alexnet'));
    const caffe = modelFor(bvlc, { meanImage: undefined });
    const ten = modelFor(cifar, { views: 10 });
    // the first window in place of the second
    const ends = initializer('image/views/1/ends', BigInt64Array.of(28n, 28n));
    const shifted = spoilt(ten, ends);
    const cases: [Uint8Array, Parameters<typeof spoilt>[1], string][] = [
      [caffe, initializer('image/channels/bgr', Int32Array.of(0, 1, 2)), 'image/channels'],
      [caffe, initializer('image/mean/by', Float32Array.of(104, 117, 124)), 'input'],
      [modelFor(bvlc), initializer('image/mean/by', new Float32Array(3 * 28 * 28)), 'input'],
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

  it('pass on WebGPU, every step there but of bytes, max-pooling up to opset 21', async function () {
    const [line] = await linesOnWebgpu(onWebgpu, needsSwiftshader(this));
    expect(JSON.parse(line)).to.deep.equal([
      [21, 'pass', []],
      [22, 'pass', ['image/columns', 'image/rows', 'image/crop', 'pool1', 'pool3', 'pool6']],
    ]);
  });

  it("pass Python's onnx checker in full, up to the opset that it knows", function () {
    needsPython(this, 'onnx', 'python3-onnx');
    const files = ['bvlc-alexnet', 'torchvision', 'cifar-alexnet'].flatMap((name) =>
      [13, 15, 17].map((opset) => {
        const file = join(folder, `${name}-${opset}.onnx`);
        const network = narrow(networkNamed(name));
        writeFileSync(file, modelFor(network, { opset, views: opset === 15 ? 1 : 10 }));
        return file;
      }),
    );
    const script = `import sys, onnx
for name in sys.argv[1:]: onnx.checker.check_model(name, full_check=True)`;
    const { status, stderr } = spawnSync('/usr/bin/python3', ['-c', script, ...files], { encoding: 'utf8' });
    expect(status, stderr).to.equal(0);
  });
});
