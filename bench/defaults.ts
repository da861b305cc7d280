/**
 * npm run defaults: `alexnet train` with nothing said but how short the run is, on four data sets, from many seeds.
 * None of the runs may diverge, and on each set the best validation error is to be below that of guessing.
 *
 *   npm run defaults [-- --data CIFAR] [--photos DIR] [--weights FILE] [--mnist DIR] [--device auto] [--jobs 1]
 *                    [--threads N] [--folder .experiments] [--seeds 20] [--write]
 *
 * A set that is not there is left out, and that is said. --write puts the table into docs/training.md.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodePicture } from '../lib/data/dataset.ts';
import { openDataset } from '../lib/data/open.ts';
import { writeWhole } from '../lib/disk/write.ts';
import { encodePng } from '../lib/image/encode.ts';
import { centreSquare } from '../reference/input/preprocess.ts';
import { alexnet2012 } from '../reference/networks/alexnet2012.ts';
import { defaultsText, type Row } from './defaultsdocument.ts';
import { withBlocks } from './document.ts';
import { commandLine, type Experiment, runAll } from './experiments.ts';

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const { values, where, seeds, write } = commandLine({
  seeds: { type: 'string', default: '20' },
  photos: { type: 'string', default: file('../../shared/data/imagefolder/pexels_cat_dog') },
  weights: { type: 'string', default: file('../../shared/data/weights/torchvision-narrow.npz') },
  mnist: { type: 'string', default: file('../../shared/data/mnist') },
} as const);

/** The photos as squares of 256 pixels, which is how they are looked at: decoded once, not in each run. */
async function squares(folder: string): Promise<string> {
  const to = join(where.folder, 'photos');
  const data = await openDataset(folder);
  for (const [name, split] of data.splits) {
    for (let i = 0; i < split.count; i++) {
      const picture = split.picture(i);
      const place = join(to, name, data.classes[split.label(i)]);
      const path = join(place, `${basename(picture.name)}.png`);
      if (existsSync(path)) continue;
      mkdirSync(place, { recursive: true });
      writeFileSync(path, encodePng(centreSquare(await decodePicture(picture), alexnet2012.preprocess)));
    }
  }
  data.close();
  return to;
}

interface Set {
  readonly key: string;
  readonly title: string;
  readonly path: string;
  readonly classes: number;
  readonly options: { readonly epochs: number; readonly images?: number; readonly weights?: string };
}

const photos = existsSync(values.photos) ? await squares(values.photos) : values.photos;
const sets: readonly Set[] = [
  { key: 'photos', title: 'cat and dog photos', path: photos, classes: 2, options: { epochs: 6 } },
  {
    ...{ key: 'tuned', title: 'the same, fine-tuned', path: photos, classes: 2 },
    options: { epochs: 6, weights: values.weights },
  },
  { key: 'cifar', title: 'CIFAR-10', path: where.data, classes: 10, options: { epochs: 3, images: 1000 } },
  { key: 'mnist', title: 'MNIST', path: values.mnist, classes: 10, options: { epochs: 3, images: 500 } },
];

const there = sets.filter(({ title, path }) => {
  if (!existsSync(path)) process.stderr.write(`${title}: left out, as ${path} is not there\n`);
  return existsSync(path);
});
// seed by seed: where it is cut off, all sets have as many runs
const experiments = seeds.flatMap((seed) =>
  there.map(({ key, path, options }): Experiment => {
    // of three times the best: enough to see it, and time is for steps
    const how = { ...options, validationImages: 500, validateEvery: options.epochs / 3, seed };
    return { key: `defaults-${key}-${seed}`, data: path, options: how };
  }),
);
const records = await runAll(experiments, where);
const rows = there.map(
  ({ key, title, classes, options: { epochs, images = null } }): Row => ({
    ...{ title, classes, epochs, images },
    records: records.filter((record) => record.key.startsWith(`defaults-${key}-`)),
  }),
);
const text = defaultsText(rows);
if (write) {
  const document = file('../docs/training.md');
  const content = withBlocks(readFileSync(document, 'utf8'), { defaults: text });
  await writeWhole({ path: document, mark: null, content }, { force: true });
}
process.stdout.write(`${text}\n`);
