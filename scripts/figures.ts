/** Makes the pictures of docs/pictures.md: npx tsx scripts/figures.ts */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encodePng } from '../lib/image/encode.ts';
import { picture } from '../lib/picture/index.ts';
import { madePhoto } from '../lib/picture/photo.ts';
import { crop, type Image, mirror } from '../reference/input/preprocess.ts';

const photo = madePhoto();
const { width, height } = photo;
const each = (change: (rgb: readonly [number, number, number]) => readonly number[]): Image => {
  const pixels = Array.from({ length: width * height }, (_, i) => [...photo.data.subarray(3 * i, 3 * i + 3)]);
  return { width, height, data: Uint8Array.from(pixels.flatMap(([r, g, b]) => change([r, g, b]))) };
};
const part = (x: number, y: number, side: number): Image => crop(photo, { x, y, width: side, height: side });

/** What a folder of photos would hold, made of the one that there is. */
const changed: Readonly<Record<string, Image>> = {
  mirrored: mirror(photo),
  dark: each((rgb) => rgb.map((v) => v / 3)),
  grey: each(([r, g, b]) => Array(3).fill((r + g + b) / 3)),
  'blue for red': each(([r, g, b]) => [b, g, r]),
  negative: each((rgb) => rgb.map((v) => 255 - v)),
  closer: part(40, 40, 170),
  'the funnel': part(100, 40, 80),
  'the sea': part(20, 190, 60),
  'the sky': part(10, 5, 70),
  'the bow': part(10, 110, 90),
};

const out = fileURLToPath(new URL('../docs/figures/', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'alexnet-'));
try {
  mkdirSync(out, { recursive: true });
  for (const [name, image] of Object.entries(changed))
    writeFileSync(join(folder, `${name}.png`), encodePng(image));
  await picture('kernels', { out: `${out}kernels.png` });
  await picture('features', { layer: 'relu1', out: `${out}features.svg` });
  await picture('saliency', { class: 'ship', out: `${out}saliency.svg` });
  await picture('occlusion', { square: 10, places: 16, out: `${out}occlusion.svg` });
  await picture('neighbours', { folder, count: 6, out: `${out}neighbours.svg` });
  await picture('network', { network: 'alexnet2012', out: `${out}network.svg` });
} finally {
  rmSync(folder, { recursive: true });
}
