/**
 * npm run figure1: figure 1 of the paper for real. The same four-layer net for CIFAR-10 with ReLU and with
 * tanh, nothing to regularise it, each with the learning rate that is fastest for it; how many epochs to 25 %
 * training error.
 *
 *   npm run figure1 [-- --start kaiming|caffe|both] [--data DIR] [--device auto] [--jobs 1] [--threads N]
 *                   [--folder .experiments] [--seeds 3] [--epochs 100] [--write]
 *
 * Twice, as it depends on how the net begins. kaiming: pixels of deviation 1, weights of deviation √(2/n). caffe: raw
 * pixels and the weights of cuda-convnet's and Caffe's examples of the time, 0.0001 in conv1, 0.01, 0.1 in ip1.
 *
 * First every rate with seed 0; a run that has not got there an epoch after the fastest is stopped. Then the best rate
 * of each with the other seeds. A run ends below 20 %. --write puts the records into bench/figure1.json, the drawings
 * into docs/figure1-*.svg and the figures into docs/cifar.md. Runs that were made are not made again (their records
 * are in --folder), and one that was cut off goes on.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { writeWhole } from '../lib/disk/write.ts';
import type { TrainArguments } from '../lib/train/index.ts';
import { cifarRelu, cifarTanh } from '../reference/networks/cifar.ts';
import type { Network } from '../reference/networks/layers.ts';
import { weightShapes } from '../reference/oracle.ts';
import { sizeOf } from '../reference/tensor.ts';
import { withBlocks } from './document.ts';
import { commandLine, type Experiment, recordOf, refuse, runAll } from './experiments.ts';
import {
  crossingOf,
  errorsOf,
  figureOf,
  type Neuron,
  neurons,
  type Results,
  type Start,
  starts,
  textOf,
} from './figure1document.ts';

const { values, where, seeds, whole, write } = commandLine({
  start: { type: 'string', default: 'kaiming' },
  epochs: { type: 'string', default: '100' },
} as const);
const epochs = whole('epochs', 1);
const chosen = starts.filter((start) => start === values.start || values.start === 'both');
if (chosen.length === 0) refuse(`--start is ${starts.join(', ')} or both`);

/** ε, tried in this order: the middle first, so that slow ones are stopped early. */
const RATES: Readonly<Record<Start, readonly number[]>> = {
  kaiming: [0.02, 0.04, 0.01, 0.08],
  caffe: [0.001, 0.002, 0.0005, 0.004, 0.008],
};

const networks: Readonly<Record<Neuron, Network>> = { relu: cifarRelu, tanh: cifarTanh };
const raw = (network: Network): Network => ({
  ...network,
  preprocess: { ...network.preprocess, deviation: [1, 1, 1] },
});

const keyOf = (start: Start, neuron: Neuron, rate: number, seed: number): string =>
  `figure1-${start}-${neuron}-${rate}-${seed}`;

/** No decay, no dropout, no distortion: "no regularization of any kind was employed". */
const plain = {
  schedule: 'constant',
  weightDecay: 0,
  augment: 'none',
  dropout: false,
  scale: false,
  batch: 128,
  validationImages: 1000,
} as const satisfies Partial<TrainArguments>;

function experimentOf(start: Start, neuron: Neuron, learningRate: number, seed: number): Experiment {
  const network = start === 'caffe' ? raw(networks[neuron]) : networks[neuron];
  const [, ...fanIn] = weightShapes(network).get('ip1.weight')!;
  // the last layer begins as the others do
  const last = start === 'kaiming' ? { lastDeviation: Math.sqrt(2 / sizeOf(fanIn)) } : {};
  return {
    key: keyOf(start, neuron, learningRate, seed),
    options: { ...plain, ...last, network, init: start, learningRate, seed, epochs },
    until: 0.2,
  };
}

/** Stops runs that have not got to 25 % an epoch after the fastest with the same neurons. */
function hopelessness() {
  const fastest = new Map<string, number>();
  return (key: string, errors: readonly number[]): boolean => {
    const kind = key.split('-').slice(0, 3).join('-');
    const best = fastest.get(kind) ?? Number.POSITIVE_INFINITY;
    const crossed = crossingOf(errors);
    if (crossed !== null) fastest.set(kind, Math.min(crossed, best));
    return crossed === null && errors.length > best + 1;
  };
}

async function resultsOf(start: Start): Promise<Results> {
  const search = neurons.flatMap((neuron) =>
    RATES[start].map((rate) => experimentOf(start, neuron, rate, 0)),
  );
  const hopeless = hopelessness();
  for (const experiment of search) {
    const made = recordOf(where.folder, experiment);
    if (made) hopeless(made.key, errorsOf(made));
  }
  const searched = await runAll(search, where, hopeless);
  const bestRate = (neuron: Neuron): number => {
    const times = RATES[start].map((rate) => {
      const record = searched.find(({ key }) => key === keyOf(start, neuron, rate, 0))!;
      return crossingOf(errorsOf(record)) ?? Number.POSITIVE_INFINITY;
    });
    if (!times.some(Number.isFinite))
      throw new Error(`${start}, ${neuron}: no rate reaches 25 % in ${epochs} epochs`);
    return RATES[start][times.indexOf(Math.min(...times))];
  };
  const best = { relu: bestRate('relu'), tanh: bestRate('tanh') };
  const others = seeds.slice(1);
  const repeated = await runAll(
    neurons.flatMap((neuron) => others.map((seed) => experimentOf(start, neuron, best[neuron], seed))),
    where,
  );
  return { start, best, records: [...searched, ...repeated] };
}

const all: Results[] = [];
for (const start of chosen) all.push(await resultsOf(start));
if (write) {
  const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
  const document = file('../docs/cifar.md');
  for (const results of all) {
    const blocks = { [`figure1 ${results.start}`]: textOf(results) };
    await writeWhole(
      { path: document, mark: null, content: withBlocks(readFileSync(document, 'utf8'), blocks) },
      { force: true },
    );
    await writeWhole(
      { path: file(`../docs/figure1-${results.start}.svg`), mark: null, content: await figureOf(results) },
      { force: true },
    );
  }
  const records = file('./figure1.json');
  const kept: Results[] = existsSync(records) ? JSON.parse(readFileSync(records, 'utf8')) : [];
  const others = kept.filter(({ start }) => !chosen.includes(start));
  await writeWhole(
    { path: records, mark: null, content: `${JSON.stringify([...others, ...all])}\n` },
    { force: true },
  );
}
for (const results of all) process.stdout.write(`${results.start}\n\n${textOf(results)}\n\n`);
