/** What the options of predict and evaluate do: options.spec.ts reads the titles. */
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { predictInto } from '../../lib/classify/bulk.ts';
import { predict } from '../../lib/classify/predict.ts';
import { writeTensors } from '../../lib/disk/tensors.ts';
import { evaluate } from '../../lib/evaluate/index.ts';
import { forward, type Weights } from '../../lib/fast/oracle.ts';
import { decodeImage } from '../../lib/image/decode.ts';
import { loadWeights } from '../../lib/weights/load.ts';
import { formatPreprocess } from '../../lib/weights/preprocess.ts';
import { boxedWeights } from '../../lib/weights/shipped.ts';
import { type Preprocess, preprocess } from '../../reference/input/preprocess.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { dense } from '../../reference/tensor.ts';
import { initialise } from '../../reference/training/init.ts';
import { commandLines } from '../support/command-lines.ts';
import { fixture } from '../support/data-fixtures.ts';
import { random, randomWeights } from '../support/models.ts';

interface Guess {
  readonly class: number;
  readonly name: string;
  readonly probability: number;
}
const image = (name: string): string =>
  fileURLToPath(new URL(`../../fixtures/image/${name}`, import.meta.url));
const names = 'abcdefghij';
const SUM = 1e-6;
const hasSharp = (() => {
  try {
    return createRequire(import.meta.url).resolve('sharp') !== '';
  } catch {
    return false;
  }
})();

/** A fixture's probabilities by the oracle alone, over the views. */
async function probabilities(
  network: Network,
  weights: Weights,
  how: Preprocess,
  views: 1 | 10 = 1,
  mean?: never,
) {
  const picture = await decodeImage(readFileSync(image('rgb-letters.jpg')), 'rgb-letters.jpg');
  const y = [...dense(forward(network, weights, preprocess(picture, how, { views, meanImage: mean })))];
  return Array.from(
    { length: 10 },
    (_, k) => y.filter((__, i) => i % 10 === k).reduce((a, b) => a + b) / views,
  );
}

function same(guesses: readonly Guess[], expected: readonly number[]): void {
  expect(guesses).to.have.length(expected.length);
  // float32 on both sides: a hundred roundings of a number below 1
  for (const guess of guesses) expect(guess.probability).to.be.closeTo(expected[guess.class], 100 * 2 ** -24);
}

/** How many threads it starts, and how many pictures each run in them takes, the fewest first. */
async function watched<T>(work: Promise<T>): Promise<{ found: T; threads: number; runs: number[] }> {
  const { postMessage } = Worker.prototype;
  const runs: number[] = [];
  let threads = 0;
  const count = () => void threads++;
  Worker.prototype.postMessage = function (call, ...more) {
    if (call.what === 'run') runs.push(call.pieces.length);
    postMessage.call(this, call, ...more);
  };
  process.on('worker', count);
  try {
    return { found: await work, threads, runs: runs.sort() };
  } finally {
    Worker.prototype.postMessage = postMessage;
    process.off('worker', count);
  }
}

describe('options of predict', function () {
  this.timeout(60_000);
  const { path, write, text, json, refused, heedsDevice, run } = commandLines();
  const small = networkNamed('cifar-alexnet');
  const boxed = async () => (await loadWeights(boxedWeights('cifar-alexnet')!, small)).weights;
  const line = `predict ${image('rgb-letters.jpg')} --device cpu --top 10`;
  const guessesOf = async (more: string) => (await json(`${line} ${more}`)).predictions[0].guesses as Guess[];

  it('predict --network, --views, --top, --class-names: ten views’ mean, which sums to 1, of classes so called', async () => {
    write('names.txt', [...names].join('\n'));
    const guesses = await guessesOf('--network cifar-alexnet --views 10 --class-names names.txt');
    same(guesses, await probabilities(small, await boxed(), small.preprocess, 10));
    expect(guesses.reduce((sum, { probability }) => sum + probability, 0)).to.be.closeTo(1, SUM);
    for (const { name, class: k } of guesses) expect(name).to.equal(names[k]);
    const centre = await guessesOf('--network cifar-alexnet');
    same(centre, await probabilities(small, await boxed(), small.preprocess));
    expect(centre[0].probability).not.to.equal(guesses[0].probability);
  });

  it('predict --seed, --init: random weights, never beside those in the box', async () => {
    const drawn = initialise(small, 4, 'paper');
    same(
      await guessesOf('--network cifar-alexnet --seed 4 --init paper'),
      await probabilities(small, drawn, small.preprocess),
    );
    expect(await refused(`${line} --network cifar-alexnet --init paper`)).to.match(/predict needs weights/);
  });

  it('predict --weights, --preprocess, --mean: the file’s, another’s, a mean image', async () => {
    const relu = networkNamed('cifar-relu');
    const weights = randomWeights(relu, 3);
    await writeTensors(path('w.npz'), weights);
    const how = { ...relu.preprocess, resize: { mode: 'warp', size: 32 }, meanImage: 'none' } as const;
    const bgr = { ...how, channels: 'BGR', mean: [0, 0, 0], deviation: [50, 50, 50] } as const;
    write('bgr.json', formatPreprocess(bgr));
    same(
      await guessesOf('--network cifar-relu --weights w.npz --preprocess bgr.json'),
      await probabilities(relu, weights, bgr),
    );
    const mean = random([3, 32, 32], 5, 100);
    await writeTensors(path('m.npy'), { mean });
    const wanting = { ...bgr, meanImage: 'required' } as const;
    write('mean.json', formatPreprocess(wanting));
    same(
      await guessesOf('--network cifar-relu --weights w.npz --preprocess mean.json --mean m.npy'),
      await probabilities(relu, weights, wanting, 1, mean as never),
    );
  });

  it('predict --engine, --device: who computes', async () => {
    const { device } = await json(`${line} --network cifar-alexnet --engine oracle`);
    expect(device).to.equal('oracle');
    const bare = line.replace('--device cpu ', '');
    expect(await heedsDevice(`${bare} --network cifar-alexnet`)).to.equal(true);
    expect(await watched(json(`${bare} --network cifar-alexnet --device cpu,cpu`))).to.include({
      threads: 2,
    });
    expect(await refused(`${bare} --network cifar-alexnet --device cpu,gpu`)).to.match(
      /or several with commas/,
    );
  });

  it('predict --decoder, --scan-budget: who decodes, and how many samples of scans it may visit', async () => {
    const net = '--network cifar-alexnet';
    const sharp = await run(`${line} ${net} --json --decoder sharp`);
    if (hasSharp) expect(sharp.out).not.to.equal((await run(`${line} ${net} --json`)).out);
    else expect([sharp.status, /sharp is not installed/.test(sharp.err)]).to.deep.equal([3, true]);
    write('large.jpg', manyScans(readFileSync(image('progressive.jpg'))));
    expect(await refused(`predict large.jpg ${net} --scan-budget 1`)).to.match(/over the budget of 1 /);
    expect((await run(`predict large.jpg ${net}`)).err).not.to.match(/budget/);
  });

  it('predict --batch, --threads; predict() maxBatch, progress, signal; Classifier.open() maxBatch: runs, threads, how far', async () => {
    const five = 'grey.jpg grey1.png grey2.png grey4.png grey8.png'.split(' ').map(image);
    const asked = `${five.join(' ')} --network cifar-alexnet --device cpu`;
    const { threads, runs, found } = await watched(json(`predict ${asked} --batch 2 --threads 3`));
    expect([runs, threads]).to.deep.equal([[1, 2, 2], 3 + 1]);
    expect(found.predictions.map((one: { image: string }) => one.image)).to.deep.equal(five);
    const seen: number[][] = [];
    const control = new AbortController();
    const how = { network: 'cifar-alexnet', engine: 'oracle', maxBatch: 1, threads: 1 } as const;
    const cut = await predict(five, {
      ...how,
      signal: control.signal,
      progress(done, total) {
        seen.push([done, total]);
        if (done === 3) control.abort();
      },
    });
    expect(cut.predictions.map(({ image }) => image)).to.deep.equal(five.slice(0, 3));
    expect(seen.at(-1)).to.deep.equal([3, 5]);
  });

  it('predict --out, --shard, --resume; predictInto() log, maxBatch, progress, signal: lines of a part, gone on with', async () => {
    const folder = fixture('folders');
    write('list.txt', `${folder}/train\n${folder}/val\n`);
    const command = (i: number) =>
      `predict list.txt --network cifar-alexnet --device cpu --out part${i}.jsonl --shard ${i}/2`;
    const parts = [await json(command(0)), await json(command(1))];
    expect(parts[0].written + parts[1].written).to.equal(20);
    expect(await refused(command(0))).to.match(/is there already: --resume goes on with it/);
    const lines = text('part0.jsonl').split('\n');
    write('part0.jsonl', lines.slice(0, 2).join('\n'));
    const again = await json(`${command(0)} --resume`);
    expect([again.before, again.written, again.failed]).to.deep.equal([1, lines.length - 2, 0]);
    expect(text('part0.jsonl').split('\n')).to.deep.equal(lines);
    expect(await refused('predict p.png --shard 0/2')).to.match(/--shard and --resume go with --out FILE/);
    const told: string[] = [];
    const seen: number[] = [];
    const control = new AbortController();
    const how = {
      network: 'cifar-relu',
      seed: 0,
      engine: 'oracle',
      mean: path('mean.npy'),
      maxBatch: 2,
    } as const;
    await writeTensors(how.mean, { mean: random([3, 32, 32], 5, 100) });
    await predictInto(path('few.jsonl'), [`${folder}/val`], {
      ...{ ...how, log: (words) => void told.push(words), signal: control.signal },
      progress: (done) => void (seen.push(done) === 3 && control.abort()),
    });
    expect([told, seen]).to.deep.equal([[`mean image: ${how.mean}`], [1, 2, 3]]);
  });

  it('predict --html, --force: a page, over none of what the run reads or another program wrote', async () => {
    const net = `${line} --network cifar-alexnet`;
    const { predictions } = await json(`${net} --html p.html`);
    expect(text('p.html')).to.match(/^<!doctype html>/);
    expect(text('p.html')).to.contain(`<td class="name">${predictions[0].guesses[0].name}</td>`);
    await json(`${net} --html p.html`);
    write('other.html', 'mine');
    expect(await refused(`${net} --html other.html`)).to.match(/other\.html: exists/);
    await json(`${net} --html other.html --force`);
    mkdirSync(path('photos'));
    write('photos/a.jpg', readFileSync(image('rgb-letters.jpg')));
    const folder = 'predict photos --network cifar-alexnet --html photos/a.jpg --force';
    expect(await refused(folder)).to.match(/would overwrite an input/);
    expect(await refused(`${net} --html p.html --out o.jsonl`)).to.match(
      /--out and --html do not go together/,
    );
  });

  it('predict() log: what a reader of the predictions should know', async () => {
    const lines: string[] = [];
    const how = { ...networkNamed('cifar-relu').preprocess, resize: { mode: 'warp', size: 32 } } as const;
    const mean = path('m.npy');
    await writeTensors(mean, { mean: random([3, 32, 32], 5, 100) }, { force: true });
    const log = (text: string) => void lines.push(text);
    const options = { network: 'cifar-relu', seed: 0, engine: 'oracle', preprocess: how, mean, log } as const;
    await predict(image('rgb-letters.jpg'), options);
    expect(lines).to.deep.equal([`mean image: ${mean}`]);
  });
});

/** The header says 9000×9000, in 20 scans of next to nothing, each over one of three colours: 1.6·10⁹ samples. */
function manyScans(file: Buffer): Buffer {
  const at = (marker: number, from = 0) => file.indexOf(Buffer.of(0xff, marker), from);
  const [frame, first] = [at(0xc2), at(0xda)];
  const second = at(0xda, first + 2);
  const scans = Array.from({ length: 20 }, () => file.subarray(second, second + 10));
  const huge = [file.subarray(0, first), ...scans, new Uint8Array(2 ** 20), Buffer.of(0xff, 0xd9)];
  const made = Buffer.concat(huge);
  for (const side of [5, 7]) made.writeUInt16BE(9000, frame + side);
  return made;
}

describe('options of evaluate', function () {
  this.timeout(60_000);
  const { path, write, text, json, run, refused, heedsDevice } = commandLines();
  const cifar = fixture('cifar');
  const line = `evaluate ${cifar} --device cpu --threads 1`;
  const relu = networkNamed('cifar-relu');
  const weights = randomWeights(relu, 3);
  const mean = random([3, 32, 32], 5, 100);
  before(async () => {
    await writeTensors(path('w.npz'), weights);
    await writeTensors(path('other.npy'), { mean });
  });

  /** The mean loss of the records of a batch file, over the views, by the oracle alone. */
  function lossOf(how: Preprocess, file = 'test_batch.bin', meanImage?: never): number {
    const records = readFileSync(`${cifar}/${file}`);
    const losses = Array.from({ length: records.length / 3073 }, (_, n) => {
      const record = records.subarray(n * 3073, (n + 1) * 3073);
      const data = new Uint8Array(3072).map((__, i) => record[1 + (i % 3) * 1024 + Math.floor(i / 3)]);
      const x = preprocess({ width: 32, height: 32, data }, how, { meanImage });
      return -Math.log(Math.max(2 ** -126, dense(forward(relu, weights, x))[record[0]]));
    });
    return losses.reduce((a, b) => a + b) / losses.length;
  }
  const close = (found: { loss: number }, loss: number) =>
    expect(found.loss).to.be.closeTo(loss, 1e-4 * loss);
  const net = '--network cifar-relu --weights w.npz';

  it('evaluate --network, --weights, --split, --preprocess, --mean: the loss by hand', async () => {
    close(await json(`${line} ${net}`), lossOf(relu.preprocess));
    const trained = await json(`${line} ${net} --split train`);
    expect(trained.data).to.include({ split: 'train', pictures: 15 });
    const bgr = { ...relu.preprocess, channels: 'BGR' } as const;
    write('bgr.json', formatPreprocess(bgr));
    close(await json(`${line} ${net} --preprocess bgr.json`), lossOf(bgr));
    close(await json(`${line} ${net} --mean other.npy`), lossOf(relu.preprocess, undefined, mean as never));
  });

  it('evaluate --seed, --init: random weights, never beside those in the box', async () => {
    const found = await json(`${line} --network cifar-alexnet --seed 4 --init paper`);
    expect(found).to.include({ random: true, weights: 'seed 4, paper' });
    const other = await json(`${line} --network cifar-alexnet --seed 5 --init caffe`);
    expect(other.loss).not.to.equal(found.loss);
    expect(await refused(`${line} --network cifar-alexnet --init paper`)).to.match(/evaluate needs weights/);
  });

  it('evaluate --views, --class-names, --top, --limit: views, names, k and pictures', async () => {
    write('names.txt', [...names].join('\n'));
    const found = await json(`${line} ${net} --views mirror --top 3 --limit 4`);
    expect([found.views, found.topK.k, found.count]).to.deep.equal([2, 3, 4]);
    expect((await json(`${line} ${net}`)).topK.k).to.equal(5);
    const named = await json(`${line} ${net} --class-names names.txt`);
    expect([named.names, named.matched]).to.deep.equal([[...names], 'order']);
  });

  it('evaluate --batch, --threads, --engine; evaluate() data, log, progress, signal: pictures a run, threads, who computes', async () => {
    const seen: number[][] = [];
    const told: string[] = [];
    const options = { network: 'cifar-relu', weights: path('w.npz'), mean: path('other.npy') };
    const evaluating = evaluate({
      ...{ ...options, data: cifar, engine: 'oracle', batch: 2, threads: 3 },
      log: (words) => void told.push(words),
      progress: (done, total) => void seen.push([done, total]),
    });
    expect(await watched(evaluating)).to.include({ threads: 3 });
    expect((await evaluating).device).to.equal(null);
    expect(seen).to.deep.equal([
      [2, 5],
      [4, 5],
      [5, 5],
    ]);
    expect(told).to.include(`mean image: ${path('other.npy')}`);
    const control = new AbortController();
    const cut = { ...options, data: cifar, engine: 'oracle', batch: 2, signal: control.signal } as const;
    expect((await evaluate({ ...cut, progress: () => control.abort() })).count).to.equal(2);
    expect((await json(`${line} ${net} --engine oracle`)).device).to.equal('oracle');
    const there = await watched(json(`${line} ${net} --batch 2 --threads 3`));
    expect(there).to.deep.include({ runs: [1, 2, 2], threads: 3 + 1 });
  });

  it('evaluate --device: where it is computed', async () => {
    expect(await heedsDevice(`evaluate ${cifar} ${net} --threads 1`)).to.equal(true);
    expect(await watched(json(`${line} ${net} --device cpu,cpu`))).to.include({ threads: 3 });
  });

  it('evaluate --decoder: who decodes', async () => {
    write('four.txt', 'circle\ncross\nsquare\nstripes\na\nb\nc\nd\ne\nf\n');
    const folders = `evaluate ${fixture('folders')} --network cifar-alexnet --class-names four.txt`;
    const { status, err } = await run(`${folders} --device cpu --decoder sharp`);
    expect([status, /sharp is not installed/.test(err)]).to.deep.equal(hasSharp ? [0, false] : [3, true]);
  });

  it('evaluate --html, --svg: page and drawing', async () => {
    await json(`${line} ${net} --html e.html --svg e.svg`);
    expect(text('e.html')).to.match(/^<!doctype html>/);
    expect(text('e.svg')).to.match(/^<svg /);
  });
});
