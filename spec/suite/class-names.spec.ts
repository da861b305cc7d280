/** Class names go with trained weights into every format that can hold them, and `predict` shows them. */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { Classifier } from '../../lib/classify/classifier.ts';
import { evaluate } from '../../lib/evaluate/index.ts';
import { exportOnnx } from '../../lib/networks/export.ts';
import { train } from '../../lib/train/index.ts';
import { convertWeights } from '../../lib/weights/convert.ts';
import { loadWeights } from '../../lib/weights/load.ts';
import { temporary } from '../support/training-data.ts';

describe('class names', function () {
  this.timeout(120_000);
  const folder = temporary();
  const data = join(folder, 'pictures');
  const picture = join(data, 'Otter, sea', '0.png');
  const names = ['Otter, sea', 'ant', 'Ünze "Z"'];
  let weights: string;

  before(async () => {
    for (const name of names) {
      mkdirSync(join(data, name), { recursive: true });
      for (let i = 0; i < 2; i++) {
        copyFileSync(
          new URL('../../fixtures/image/5x3-interlaced.png', import.meta.url),
          join(data, name, `${i}.png`),
        );
      }
    }
    const network = 'cifar-alexnet';
    const options = { network, width: 0.05, epochs: 1, batch: 2, augment: 'none', device: 'cpu' } as const;
    const { files } = await train({ ...options, data, threads: 1, out: join(folder, 'out') });
    weights = files.best!;
  });

  const guesses = async (file: string, classNames?: string) => {
    await using net = await Classifier.open({ weights: file, network: 'cifar-alexnet', classNames });
    const [prediction] = await net.classify(picture);
    return prediction.guesses!.map(({ name }) => name).sort();
  };

  it('come with the weights that training writes, and predict shows them', async () => {
    expect((await loadWeights(weights)).classes).to.deep.equal(names);
    expect(await guesses(weights)).to.deep.equal(names);
  });

  it('go on into safetensors and ONNX; a format that cannot hold them is named', async () => {
    const copy = join(folder, 'copy.safetensors');
    const onnx = join(folder, 'net.onnx');
    const plain = join(folder, 'net.npz');
    await convertWeights(weights, copy);
    await exportOnnx(onnx, { weights: copy });
    expect(await guesses(copy)).to.deep.equal(names);
    expect(await guesses(onnx)).to.deep.equal(names);
    const { notes } = await convertWeights(weights, plain);
    expect(notes.join('\n')).to.match(
      /does not carry the class names \(--class-names takes a file of them\)/,
    );
    expect(await guesses(plain)).to.deep.equal(['class 0', 'class 1', 'class 2']);
  });

  it('lie beside weights as classes.txt, and go into what is made of them', async () => {
    const beside = join(folder, 'beside');
    mkdirSync(beside);
    const plain = join(beside, 'net.npz');
    const onnx = join(folder, 'of-npz.onnx');
    const tensors = join(folder, 'of-npz.safetensors');
    await convertWeights(weights, plain);
    writeFileSync(join(beside, 'classes.txt'), `${names.join('\n')}\n`);
    expect(await guesses(plain)).to.deep.equal(names);
    await exportOnnx(onnx, { weights: plain, network: 'cifar-alexnet', input: 'uint8' });
    await convertWeights(plain, tensors, { network: 'cifar-alexnet' });
    for (const made of [onnx, tensors]) expect((await loadWeights(made)).classes).to.deep.equal(names);
    const { names: own } = await evaluate({ data, weights: plain, network: 'cifar-alexnet', device: 'cpu' });
    expect(own).to.deep.equal(names);
    writeFileSync(join(beside, 'classes.txt'), 'one\ntwo');
    const refused = await guesses(plain).catch(String);
    expect(refused).to.match(/classes\.txt: 2 names for 3 classes/);
    expect(await guesses(weights)).to.deep.equal(names);
  });

  it('match the classes of a data set by name', async () => {
    const { matched, names: own } = await evaluate({ data, weights, device: 'cpu' });
    expect(matched).to.equal('name');
    expect(own).to.deep.equal(names);
  });
});
