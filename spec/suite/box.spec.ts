/** The trained model in the box: fixtures/cifar-alexnet. */
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { PNG } from 'pngjs';
import { Classifier } from '../../lib/classify/classifier.ts';
import { openDataset } from '../../lib/data/open.ts';
import { openTensorFile } from '../../lib/disk/tensors.ts';
import { evaluate } from '../../lib/evaluate/index.ts';
import { cifar10 } from '../../lib/labels/labels.ts';
import { exportOnnx } from '../../lib/networks/export.ts';
import { verify } from '../../lib/verify/index.ts';
import { boxedWeights } from '../../lib/weights/shipped.ts';
import { runHere } from '../support/child.ts';
import { shared } from '../support/shared.ts';

const network = 'cifar-alexnet';
const card = readFileSync(new URL('../../fixtures/cifar-alexnet/README.md', import.meta.url), 'utf8');

/** A figure of the card: the number in the table's row that begins so. */
const said = (row: string): number => Number(new RegExp(`\\| ${row} \\| ([\\d.]+) %`).exec(card)?.[1]);

describe('the model in the box', function () {
  this.timeout(300_000);
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-box-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));
  const alexnet = (...args: string[]) => runHere(args, folder);

  it('takes at most 2 MB, all of it float16', async () => {
    const path = boxedWeights(network)!;
    expect(statSync(path).size).to.be.at.most(2e6);
    const file = await openTensorFile(path);
    expect(new Set([...file.tensors.values()].map(({ dtype }) => dtype))).to.deep.equal(new Set(['float16']));
    file.close();
  });

  it("names as many of CIFAR-10's test images as its card says, the mirror image makes it more", async function () {
    const options = { data: shared(this, 'cifar10'), network, device: 'cpu' } as const;
    const { top1, count, weights, classes } = await evaluate(options);
    expect(count).to.equal(10_000);
    expect(weights).to.include('cifar-alexnet');
    this.test!.title += ` (${(100 * top1.share!).toFixed(2)} %)`;
    expect(top1.share).to.be.at.least(0.82);
    // the card says what comes out; on another processor rounding may tip up to 5 of the 10,000 pictures (0.05 %)
    expect(100 * top1.share!).to.be.closeTo(said('one view'), 0.05);
    expect(classes.map(({ count }) => count)).to.deep.equal(new Array(10).fill(1000));
    const mirror = await evaluate({ ...options, views: 'mirror', limit: 2000 });
    // of 2,000 pictures in the place of 10,000, three standard deviations: 3·√(0.84·0.16/2000)
    expect(mirror.top1.share).to.be.closeTo(said('mirror average') / 100, 0.025);
  });

  it('alexnet predict PICTURE --network cifar-alexnet names test images, enlarged ones too', async function () {
    const data = await openDataset(shared(this, 'cifar10'));
    const split = data.splits.get('test')!;
    const truth: string[] = [];
    for (let i = 0; i < 12; i++) {
      const picture = split.picture(i);
      if (!('planes' in picture)) throw new Error('CIFAR-10 holds planes');
      writeFileSync(join(folder, `${i}.png`), enlarged(picture.planes, i % 2 === 0 ? 1 : 4));
      truth.push(cifar10[split.label(i)]);
    }
    data.close();
    const files = truth.map((_, i) => `${i}.png`);
    const run = await alexnet('predict', ...files, '--network', network, '--device', 'cpu', '--json');
    expect(run.status, run.err).to.equal(0);
    const { predictions, weights } = JSON.parse(run.out);
    expect(weights).to.include('weights.safetensors');
    const right = predictions.filter(
      ({ guesses }: { guesses: { name: string }[] }, i: number) => guesses[0].name === truth[i],
    );
    // 12 draws at 83 %: fewer than 6 right has a chance of 2 in 1,000
    expect(right.length).to.be.at.least(6);
  });

  it('Classifier.open takes it; a seed still means random weights', async () => {
    await using classifier = await Classifier.open({ network, device: 'cpu' });
    expect(classifier.model.random).to.equal(false);
    expect(classifier.model.source).to.include('cifar-alexnet');
    await using random = await Classifier.open({ network, seed: 0, device: 'cpu' });
    expect(random.model.random).to.equal(true);
    const refused = await Classifier.open({ network: 'torchvision', device: 'cpu' }).catch((e: Error) => e);
    expect(String(refused)).to.match(/Classifier\.open needs weights/);
  });

  it('export takes it', async () => {
    const { weights } = await exportOnnx(join(folder, 'box.onnx'), { network });
    expect(weights).to.include('cifar-alexnet');
  });

  it('a network without one in the box still needs weights, and is told of this one', async () => {
    cpSync(fileURLToPath(new URL('../../fixtures/image/rgb8.png', import.meta.url)), join(folder, 'a.png'));
    const run = await alexnet('predict', 'a.png', '--network', 'alexnet2012');
    expect(run.status).to.equal(2);
    expect(run.err).to.match(/predict needs weights: --weights FILE, or --network cifar-alexnet/);
  });

  it('verifies layer by layer on the CPU', async () => {
    const { verdict } = await verify({ network, weights: boxedWeights(network)!, device: 'cpu' });
    expect(verdict).to.equal('pass');
  });
});

/** Planes (3,32,32) as a PNG, every pixel `times` × `times`. */
function enlarged(planes: Uint8Array, times: number): Buffer {
  const side = 32 * times;
  const png = new PNG({ width: side, height: side });
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const from = Math.floor(y / times) * 32 + Math.floor(x / times);
      for (let c = 0; c < 3; c++) png.data[4 * (y * side + x) + c] = planes[1024 * c + from];
      png.data[4 * (y * side + x) + 3] = 255;
    }
  }
  return PNG.sync.write(png);
}
