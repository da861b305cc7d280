import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { bytesView, fromTensor, type NumericValue, toTensor } from '../../../lib/array/value.ts';
import { InputError } from '../../../lib/errors.ts';
import { forward, weightShapes } from '../../../lib/fast/oracle.ts';
import { loadWeights } from '../../../lib/weights/load.ts';
import { layOut } from '../../../lib/weights/mapping.ts';
import { formatPreprocess } from '../../../lib/weights/preprocess.ts';
import { networkNamed } from '../../../reference/networks/index.ts';
import { dense, type Shape, sizeOf } from '../../../reference/tensor.ts';
import { writeNpz, writeSafetensors } from '../../support/tensor-bytes.ts';
import { arraysOf, needShared, sharedPath } from '../../support/weight-files.ts';

const cifar = networkNamed('cifar10-full');
const arrays = (
  name: (own: string) => string = (own) => own,
  shapes: ReadonlyMap<string, Shape> = weightShapes(cifar),
) =>
  new Map<string, NumericValue>(
    [...shapes].map(([own, shape], index) => {
      const data = new Float32Array(sizeOf(shape)).fill(index + 1);
      return [name(own), { dtype: 'float32', shape, data }];
    }),
  );
const caffe = (own: string) => own.replace('.weight', '/0').replace('.bias', '/1');

describe('loadWeights', () => {
  let folder = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'weights-'));
  });
  after(() => rmSync(folder, { recursive: true }));
  const put = (name: string, bytes: Uint8Array): string => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };
  const refused = async (path: string, reason: RegExp, network = cifar) => {
    const error = await loadWeights(path, network).then(
      () => null,
      (e: unknown) => e as Error,
    );
    expect(error).to.be.instanceOf(InputError);
    expect(error?.message)
      .to.match(reason)
      .and.match(/^[^\n]+$/);
    expect(error?.message.startsWith(path)).to.equal(true);
  };

  const namings: [string, (own: string) => string][] = [
    ['this project', (own) => own],
    ['Caffe', caffe],
    ['ONNX model zoo', (own) => own.replace('.weight', '_w_0').replace('.bias', '_b_0')],
    ['Caffe', (own) => `data/${caffe(own)}`],
    ['this project', (own) => `module.${own}`],
    ['this project', (own) => `net.features.${own}`],
  ];
  for (const [naming, name] of namings) {
    it(`knows ${name('conv1.weight')} and so on as the names of ${naming}`, async () => {
      const loaded = await loadWeights(put('w.npz', writeNpz(arrays(name))), cifar);
      expect(loaded.source).to.match(new RegExp(`${naming}('s)? names`));
      for (const [own, { data }] of arrays())
        expect([...dense(loaded.weights.get(own)!)]).to.deep.equal([...data]);
    });
  }

  it('takes halves exactly and leaves float64 as it is', async () => {
    const mixed = arrays();
    mixed.set('ip1.bias', { dtype: 'float16', shape: [10], data: new Uint16Array(10).fill(0x3555) });
    mixed.set('conv1.bias', { dtype: 'float64', shape: [32], data: new Float64Array(32).fill(0.1) });
    const { weights } = await loadWeights(put('w.safetensors', writeSafetensors(mixed)), cifar);
    expect(weights.get('ip1.bias')!.data[0]).to.equal(0.333251953125);
    expect(weights.get('conv1.bias')!.data[0]).to.equal(0.1);
  });

  it("reads the preprocessing that travels with the weights, and says when the channels are not the network's", async () => {
    const bgr = { ...cifar.preprocess, channels: 'BGR' as const };
    const metadata = new Map([['preprocess', formatPreprocess(bgr)]]);
    const loaded = await loadWeights(put('w.st', writeSafetensors(arrays(), metadata)), cifar);
    expect(loaded.preprocess).to.deep.equal(bgr);
    expect(loaded.notes.join()).to.match(/take BGR input; cifar10-full by itself takes RGB/);
    await refused(
      put('w.st', writeSafetensors(arrays(), new Map([['preprocess', '{"range":2}']]))),
      /preprocess: '/,
    );
  });

  it("keeps the network's own crop where the file's picture would not fit, and says so", async () => {
    const tiny = await arraysOf(
      fileURLToPath(new URL('../../../fixtures/format/weights/tiny.npz', import.meta.url)),
    );
    const metadata = new Map([['preprocess', formatPreprocess(networkNamed('bvlc-alexnet').preprocess)]]);
    const path = put('w.st', writeSafetensors(tiny, metadata));
    const { preprocess, notes } = await loadWeights(path, networkNamed('onnx-zoo'));
    expect(preprocess).to.deep.include({ crop: { size: 0, offset: 'floor' }, mean: [104, 117, 123] });
    expect(notes.join()).to.match(/pictures of 227; onnx-zoo takes 224/);
  });

  it('says when names tell of another input than the network takes', async () => {
    const tiny = fileURLToPath(new URL('../../../fixtures/format/weights/onnx/raw.onnx', import.meta.url));
    const notes = async (name: string) => (await loadWeights(tiny, networkNamed(name))).notes.join();
    expect(await notes('bvlc-alexnet')).to.equal('');
    expect(await notes('alexnet2012')).to.match(/usually take BGR input of 0..255; alexnet2012 takes RGB/);
  });

  it('refuses to guess between tensors of equal shape in several orders, naming the choices', async () => {
    // conv1 and conv2 of a cifar net with 3 maps in conv1: both are 3×3×5×5
    const shapes = new Map<string, Shape>([
      ['b10', [3, 3, 5, 5]],
      ['b9', [3, 3, 5, 5]],
      ['b11', [64, 3, 5, 5]],
      ['b12', [10, 1024]],
      ['c1', [3]],
      ['c2', [3]],
      ['c3', [64]],
      ['c4', [10]],
    ]);
    const path = put('w.npz', writeNpz(arrays((own) => own, shapes)));
    await refused(path, /ambiguous: conv1.weight could be 'b10' or 'b9'/);
    const named = new Map([...shapes].map(([name, shape]) => [name.replace('b10', 'b8'), shape]));
    const { weights, notes } = await loadWeights(put('w.npz', writeNpz(arrays((own) => own, named))), cifar);
    expect(weights.get('conv1.weight')!.data[0]).to.equal(1);
    expect(notes.join()).to.match(/order and shape/);
  });

  it('finds each place by shape alone, where neither the order of the file nor that of the names fits', async () => {
    const shapes: readonly (readonly [own: string, shape: Shape])[] = [
      ['ip1.bias', [10]],
      ['conv2.weight', [5, 4, 5, 5]],
      ['conv1.bias', [4]],
      ['conv3.weight', [6, 5, 5, 5]],
      ['conv1.weight', [4, 3, 5, 5]],
      ['ip1.weight', [10, 96]],
      ['conv3.bias', [6]],
      ['conv2.bias', [5]],
    ];
    const file = arrays((name) => name, new Map(shapes.map(([, shape], i) => [`t${i}`, shape])));
    const { weights } = await loadWeights(put('w.npz', writeNpz(file)), cifar);
    for (const [i, [own]] of shapes.entries()) expect(weights.get(own)!.data[0], own).to.equal(i + 1);
  });

  it('finds the network: from the metadata, or the only one that fits, or names the choices', async () => {
    const metadata = new Map([['network', 'cifar-relu']]);
    const said = await loadWeights(put('w.st', writeSafetensors(arrays(), metadata)));
    expect(said.network.name).to.equal('cifar-relu');
    const small = arrays((own) => own, weightShapes(networkNamed('cifar-alexnet')));
    expect((await loadWeights(put('w.npz', writeNpz(small)))).network.name).to.equal('cifar-alexnet');
    const error = await loadWeights(put('w.npz', writeNpz(arrays()))).catch((e: Error) => e);
    expect((error as Error).message).to.match(/several networks \(cifar10-full, cifar-relu, cifar-tanh\)/);
  });

  it('refuses NaN and infinity by tensor', async () => {
    for (const value of [Number.NaN, Number.NEGATIVE_INFINITY]) {
      const poisoned = arrays();
      (poisoned.get('conv2.weight')!.data as Float32Array)[5] = value;
      await refused(put('w.npz', writeNpz(poisoned)), /'conv2.weight' holds (NaN|-Infinity) \(value 5 of/);
    }
  });

  it('names what is missing, left over or misshapen', async () => {
    const less = arrays();
    less.delete('conv3.bias');
    await refused(put('w.npz', writeNpz(less)), /'conv3.bias' missing/);
    const own = new Map([...arrays().keys()].map((name) => [name, name]));
    for (const name of ['conv2.weight', 'conv2.bias']) {
      const pairs = new Map([...own].filter(([key]) => key !== name));
      const file = { tensors: arrays() as never, inOut: new Set<string>() };
      expect(() => layOut(cifar, file, pairs)).to.throw(`${name} is missing (cifar10-full needs it)`);
    }
    const more = arrays().set('momentum', { dtype: 'float32', shape: [1], data: new Float32Array(1) });
    await refused(put('w.npz', writeNpz(more)), /no place for 'momentum'/);
    const odd = arrays().set('conv3.bias', { dtype: 'float32', shape: [1], data: new Float32Array(1) });
    await refused(
      put('w.npz', writeNpz(odd)),
      /'conv3.bias' \[1\] cannot belong to cifar10-full: conv3.bias must be \[64\]/,
    );
    const few = arrays((own) => `x-${own}-y`);
    few.delete('x-conv1.bias-y');
    await refused(
      put('w.npz', writeNpz(few)),
      /cifar10-full needs 8 tensors, 7 are there: 'x-conv1.weight-y'/,
    );
  });

  it('refuses a missing file, a directory, an empty file and what is not a file of weights', async () => {
    await refused(join(folder, 'none.npz'), /no such file/);
    await refused(folder, /is a directory/);
    await refused(put('empty', new Uint8Array(0)), /empty/);
    await refused(put('text', Buffer.from('hello, world, this is not a file of weights')), /no known format/);
    await refused('/dev/zero', /no plain file|not a plain file/);
  });
});

describe('the shared weights', () => {
  before(function () {
    needShared(this);
  });

  const cases = [
    ['bvlc-narrow.npz', 'bvlc-alexnet', 'bvlc', 'prob'],
    ['bvlc-narrow.caffemodel', 'bvlc-alexnet', 'bvlc', 'prob'],
    ['bvlc-narrow-v1.caffemodel', 'bvlc-alexnet', 'bvlc', 'prob'],
    ['torchvision-narrow.pth', 'torchvision', 'torchvision', 'logits'],
    ['torchvision-narrow-legacy.pth', 'torchvision', 'torchvision', 'logits'],
    ['torchvision-narrow.npz', 'torchvision', 'torchvision', 'logits'],
    ['torchvision-narrow-deflated.npz', 'torchvision', 'torchvision', 'logits'],
    ['torchvision-narrow.safetensors', 'torchvision', 'torchvision', 'logits'],
  ];
  for (const [file, name] of cases) {
    it(`${file} has the same bits as the npz`, async () => {
      const wanted = await loadWeights(
        sharedPath(`weights/${name === 'torchvision' ? name : 'bvlc'}-narrow.npz`),
        networkNamed(name),
      );
      const { weights } = await loadWeights(sharedPath(`weights/${file}`), networkNamed(name));
      expect([...weights.keys()]).to.deep.equal([...wanted.weights.keys()]);
      for (const [own, tensor] of weights) {
        expect(tensor.shape, own).to.deep.equal(wanted.weights.get(own)!.shape);
        expect(bytesView(fromTensor(tensor)), own).to.deep.equal(
          bytesView(fromTensor(wanted.weights.get(own)!)),
        );
      }
    });
  }

  it("cifar10-full's HDF5 file has the same bits as its npz, and mean.binaryproto as mean.npy", async () => {
    const folder = sharedPath('trained/cifar10-full/');
    const [h5, npz] = [
      await loadWeights(`${folder}cifar10_full_iter_70000.caffemodel.h5`, cifar),
      await loadWeights(`${folder}cifar10_full_iter_70000.npz`, cifar),
    ];
    for (const [own, tensor] of npz.weights)
      expect(fromTensor(h5.weights.get(own)!), own).to.deep.equal(fromTensor(tensor));
    const [mean] = (await arraysOf(`${folder}mean.binaryproto`)).values();
    const [wanted] = (await arraysOf(`${folder}mean.npy`)).values();
    expect([...mean.data]).to.deep.equal([...wanted.data]);
  });

  for (const [file, name, prefix, output] of cases) {
    it(`${file} gives golden.npz's outputs through the oracle to 1e-12`, async () => {
      const golden = await arraysOf(sharedPath('weights/golden.npz'));
      const { network, weights } = await loadWeights(sharedPath(`weights/${file}`), networkNamed(name));
      const input = toTensor(golden.get(`${prefix}.input`)!);
      const y = dense(forward(network, weights, input, { precision: 'float64' }));
      const wanted = golden.get(`${prefix}.${output}`)!.data as Float64Array;
      const largest = Math.max(...wanted.map(Math.abs));
      for (const [i, value] of wanted.entries()) expect(Math.abs(y[i] - value) / largest).to.be.below(1e-12);
    });
  }
});
