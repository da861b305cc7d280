/**
 * npm run ablations: what the paper takes away from its net on ImageNet, taken away from the small AlexNet on
 * CIFAR-10: normalisation, overlap of the pooling windows, dropout, augmentation, the second tower.
 *
 *   npm run ablations [-- --data DIR] [--device auto] [--jobs 1] [--threads N] [--folder .experiments] [--seeds 3]
 *                     [--epochs 10] [--images 10000] [--width 0.5] [--write]
 *
 * The recipe is recipes/cifar-alexnet.json but, to have many runs in little time, with fewer epochs and images and
 * half the widths. --write puts the records into bench/ablations.json and the table into docs/cifar.md.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { writeWhole } from '../lib/disk/write.ts';
import { readConfig } from '../lib/train/options.ts';
import { cifarAlexnet } from '../reference/networks/cifar.ts';
import { conv, type Layer, maxpool, type Network } from '../reference/networks/layers.ts';
import { ablationsText } from './ablationsdocument.ts';
import { withBlocks } from './document.ts';
import { commandLine, type Experiment, runAll } from './experiments.ts';

const { values, where, seeds, whole, write } = commandLine({
  epochs: { type: 'string', default: '10' },
  images: { type: 'string', default: '10000' },
  width: { type: 'string', default: '0.5' },
} as const);
const epochs = whole('epochs', 1);
const images = whole('images', 1);
const width = Number(values.width);

/** cifar-alexnet with other layers; a name of its own, so that a checkpoint is not taken for another's. */
const variant = (name: string, change: (layer: Layer) => Layer | null): Network => ({
  ...cifarAlexnet,
  name: `cifar-alexnet, ${name}`,
  layers: cifarAlexnet.layers.flatMap((layer) => change(layer) ?? []),
});

const withoutLrn = variant('no lrn', (layer) => (layer.kind === 'lrn' ? null : layer));

/** z = s = 2, rounded so that the maps have the same 14, 7 and 3 pixels a side. */
const withoutOverlap = variant('no overlap', (layer) =>
  layer.kind === 'maxpool' ? maxpool(layer.name, { kernel: [2, 2], rounding: 'floor' }) : layer,
);

/** The paper's net for one GPU: no groups, half the kernels but in the last convolution (footnote in section 3.2). */
const oneTower = variant('one tower', (layer) => {
  if (layer.kind !== 'conv2d') return layer;
  const channels = layer.name === 'conv6' ? layer.channels : layer.channels / 2;
  return conv(layer.name, channels, layer.kernel[0], { pad: 1 });
});

type Change = Partial<Experiment['options']>;
const changes: readonly [string, Change][] = [
  ['whole', { network: cifarAlexnet }],
  ['lrn', { network: withoutLrn }],
  ['overlap', { network: withoutOverlap }],
  ['dropout', { network: cifarAlexnet, dropout: false }],
  ['augmentation', { network: cifarAlexnet, augment: 'none' }],
  ['towers', { network: oneTower }],
];

const recipe = await readConfig(fileURLToPath(new URL('../recipes/cifar-alexnet.json', import.meta.url)));
const schedule = { kind: 'cosine', rate: recipe.learningRate!, warmUp: 1, total: epochs } as const;
const experiments = seeds.flatMap((seed) =>
  changes.map(([name, change]): Experiment => {
    const { network: _, ...rest } = recipe;
    return {
      key: `ablation-${name}-${seed}`,
      options: { ...rest, schedule, epochs, images, validateEvery: epochs, width, seed, ...change },
    };
  }),
);
const results = { epochs, images, width, records: await runAll(experiments, where) };
const text = ablationsText(results);
if (write) {
  const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
  const document = file('../docs/cifar.md');
  await writeWhole(
    { path: document, mark: null, content: withBlocks(readFileSync(document, 'utf8'), { ablations: text }) },
    { force: true },
  );
  await writeWhole(
    { path: file('./ablations.json'), mark: null, content: `${JSON.stringify(results)}\n` },
    { force: true },
  );
}
process.stdout.write(`${text}\n`);
