import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { chooseSplit, openDataset } from '../../../lib/data/open.ts';
import { type EvaluateOptions, type Evaluation, evaluate } from '../../../lib/evaluate/index.ts';
import { forward, type Weights } from '../../../lib/fast/oracle.ts';
import { npyPieces } from '../../../lib/format/npy.ts';
import {
  confusionSvg,
  evaluationHtml,
  evaluationJson,
  evaluationText,
} from '../../../lib/report/evaluation.ts';
import { preprocess } from '../../../reference/input/preprocess.ts';
import { networkNamed } from '../../../reference/networks/index.ts';
import type { Network } from '../../../reference/networks/layers.ts';
import { dense } from '../../../reference/tensor.ts';
import { initialise } from '../../../reference/training/init.ts';
import { fixture, refusal } from '../../support/data-fixtures.ts';

/** Random weights of a network with that many classes, large enough that it does not always answer the same. */
function random(name: string, classes: number): { network: Network; weights: Weights } {
  const whole = networkNamed(name);
  const last = whole.layers.findLast(({ kind }) => kind === 'linear')!.name;
  const layers = whole.layers.map((layer) => (layer.name === last ? { ...layer, channels: classes } : layer));
  const network = { ...whole, layers } as Network;
  return { network, weights: initialise(network, 1, 'kaiming') };
}

describe('lib/evaluate', () => {
  const { network, weights } = random('cifar-alexnet', 4);
  const folders: EvaluateOptions = {
    data: fixture('folders'),
    network: network.name,
    weights,
    engine: 'oracle',
  };

  /** What the oracle says, one picture at a time, in this thread. */
  async function oneByOne(views: 1 | 2 | 10) {
    const split = chooseSplit(await openDataset(fixture('folders')));
    const answers = [];
    for (let i = 0; i < split.count; i++) {
      const { image, label } = await split.get(i);
      const y = [...dense(forward(network, weights, preprocess(image, network.preprocess, { views })))];
      const mean = [0, 1, 2, 3].map(
        (k) => y.reduce((sum, p, at) => (at % 4 === k ? sum + p : sum), 0) / views,
      );
      answers.push({ truth: label, predicted: mean.indexOf(Math.max(...mean)), p: mean[label], all: mean });
    }
    return answers;
  }

  for (const [views, number] of [
    [1, 1],
    ['mirror', 2],
    [10, 10],
  ] as const) {
    it(`counts what the oracle answers to each picture alone (views ${views}), in batches that do not divide`, async () => {
      const answers = await oneByOne(number);
      const result = await evaluate({ ...folders, views, batch: 3 });
      const right = answers.filter(({ truth, predicted }) => truth === predicted).length;
      expect([result.count, result.top1.right, result.topK]).to.deep.include.members([8, right]);
      expect(result.topK).to.include({ k: 4, right: 8 });
      const loss = answers.reduce((sum, { p }) => sum - Math.log(p), 0) / 8;
      expect(result.loss).to.be.closeTo(loss, 1e-12);
      for (const { truth, predicted, count } of result.confusion) {
        const same = answers.filter((answer) => answer.truth === truth && answer.predicted === predicted);
        expect(count).to.equal(same.length);
      }
      expect(result.confusion.reduce((sum, { count }) => sum + count, 0)).to.equal(8);
      expect(result.names).to.deep.equal(['circle', 'cross', 'square', 'stripes']);
      expect(result).to.include({ matched: 'order', views: number });
    });
  }

  it('scores by the class of the network that bears the name of the folder', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'alexnet-evaluate-'));
    try {
      const classNames = join(folder, 'names.txt');
      writeFileSync(classNames, 'stripes\nsquare\ncross\ncircle\n');
      const answers = await oneByOne(1);
      const result = await evaluate({ ...folders, classNames });
      const right = answers.filter(({ truth, predicted }) => 3 - truth === predicted);
      const loss = answers.reduce((sum, { all, truth }) => sum - Math.log(all[3 - truth]), 0) / 8;
      expect(result.loss).to.be.closeTo(loss, 1e-12);
      expect([result.matched, result.top1.right]).to.deep.equal(['name', right.length]);
      for (const [label, row] of result.classes.entries()) {
        expect(row).to.include({ class: 3 - label, count: 2 });
        expect(row.right).to.equal(right.filter(({ truth }) => truth === label).length);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('says the same whatever the batch, the threads and the engine', async () => {
    const same = ({ top1, topK, confusion, classes }: Evaluation) => ({ top1, topK, confusion, classes });
    const first = same(await evaluate(folders));
    expect(same(await evaluate({ ...folders, batch: 1, threads: 2 }))).to.deep.equal(first);
    expect(same(await evaluate({ ...folders, engine: 'onnxruntime', device: 'cpu' }))).to.deep.equal(first);
  });

  it('spreads --limit over the split, so that no class is left out', async () => {
    const { count, classes } = await evaluate({ ...folders, limit: 4, split: 'train' });
    expect(count).to.equal(4);
    expect(classes.map((row) => row.count)).to.deep.equal([1, 1, 1, 1]);
  });

  it('takes CIFAR-10 and MNIST, with a mean image that it names', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'alexnet-evaluate-'));
    try {
      const mean = join(folder, 'mean.npy');
      const grey = { dtype: 'float32', shape: [3, 32, 32], data: new Float32Array(3072).fill(128) } as const;
      writeFileSync(mean, Buffer.concat(npyPieces(grey)));
      const lines: string[] = [];
      const relu = random('cifar-relu', 10);
      const cifar = await evaluate({
        data: fixture('cifar'),
        network: 'cifar-relu',
        weights: relu.weights,
        engine: 'oracle',
        mean,
        log: (line) => lines.push(line),
      });
      expect(cifar.data).to.deep.equal({
        path: fixture('cifar'),
        format: 'CIFAR-10',
        split: 'test',
        pictures: 5,
      });
      expect([cifar.count, cifar.mean, cifar.matched]).to.deep.equal([5, mean, 'name']);
      expect(lines).to.deep.equal([`mean image: ${mean}`]);
      const digits = random('cifar-alexnet', 10).weights;
      const mnist = await evaluate({
        data: fixture('mnist'),
        network: 'cifar-alexnet',
        weights: digits,
        engine: 'oracle',
        top: 3,
      });
      expect([mnist.count, mnist.matched, mnist.topK.k]).to.deep.equal([4, 'order', 3]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('counts a picture that cannot be read as a failure, and fails where none can', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'alexnet-evaluate-'));
    try {
      cpSync(fixture('folders/val'), folder, { recursive: true });
      writeFileSync(join(folder, 'cross', '1.png'), 'no picture');
      const { count, failures, classes } = await evaluate({ ...folders, data: folder });
      expect(count).to.equal(7);
      expect(failures).to.have.length(1);
      expect(failures[0].image).to.equal(join(folder, 'cross', '1.png'));
      expect(failures[0].error).to.match(/^.*cross.1\.png: /);
      expect(classes[1].count).to.equal(1);
      for (const name of ['circle', 'cross', 'square', 'stripes']) {
        for (const i of [0, 1]) writeFileSync(join(folder, name, `${i}.png`), 'no picture');
      }
      expect(await refusal(() => evaluate({ ...folders, data: folder }))).to.match(
        /no picture could be read/,
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('refuses what does not fit, in one line, before any work', async () => {
    const lines: [EvaluateOptions, RegExp][] = [
      [
        { ...folders, weights: random('cifar-alexnet', 5).weights },
        /4 classes \(circle, .*the network has 5/,
      ],
      [{ ...folders, split: 'test' }, /there is no split 'test', only train, val/],
      [{ ...folders, data: fixture('nothing') }, /nothing: no such file/],
      [{ ...folders, mean: fixture('mean.npy') }, /takes no mean image/],
      [
        { data: fixture('cifar'), network: 'cifar10-full', weights: random('cifar10-full', 10).weights },
        /needs a mean image/,
      ],
      [
        { ...folders, preprocess: { ...network.preprocess, crop: { size: 30, offset: 'floor' } } },
        /it makes \[3,30,30\], but cifar-alexnet takes \[3,28,28\] \(--preprocess/,
      ],
      [
        {
          ...folders,
          data: fixture('mnist'),
          weights: random('cifar-alexnet', 10).weights,
          preprocess: { ...network.preprocess, resize: { mode: 'none', size: 32 } },
        },
        /must be 32×32, it is not resized \(= 28×28\)/,
      ],
    ];
    for (const [options, message] of lines) expect(await refusal(() => evaluate(options))).to.match(message);
  });

  it('writes text, JSON, a page and a drawing, names escaped', async () => {
    const result = await evaluate(folders);
    const odd = { ...result, names: ['<i>', '&', '"', 'stripes'] };
    expect(evaluationText(result)).to.match(/top-1 .* of 8 .*\ntop-4 +100\.00 %/);
    const { mistakes, ...fields } = { ...odd, mean: 'm.npy', failures: [{ image: 'a', error: 'a: no' }] };
    expect(JSON.parse(JSON.stringify(evaluationJson({ ...fields, mistakes })))).to.deep.equal({
      ...fields,
      ...{ version: 1, device: 'oracle' },
    });
    const html = await evaluationHtml(odd);
    expect(html).to.include('&lt;i&gt;').and.not.include('<i>');
    const svg = await confusionSvg(odd);
    expect(svg)
      .to.match(/^<svg [^>]*><!-- alexnet-oracle --><style>/)
      .and.include('&lt;i&gt;')
      .and.not.include('<i>');
    // each pair that occurred, its count written in its cell
    const written = [...svg.matchAll(/<text [^>]*>(\d+)<\/text>/g)].map(([, count]) => Number(count));
    const shown = result.confusion.map(({ count }) => count);
    expect(written.sort()).to.deep.equal(shown.sort());
  });

  it('tells its progress up to the end', async () => {
    const steps: string[] = [];
    await evaluate({ ...folders, batch: 3, progress: (done, total) => steps.push(`${done}/${total}`) });
    expect(steps).to.deep.equal(['3/8', '6/8', '8/8']);
  });

  it('tells how long it waited as a share of the time: a thread starts longer than the oracle computes', async () => {
    const { timing } = await evaluate({ ...folders, threads: 1 });
    // 8 pictures take some 10 ms: a thousand times less or more would be 0 or above 0.9999
    expect(timing.waited).to.be.within(0.1, 0.9995);
  });
});
