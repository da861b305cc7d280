/** What becomes of a class when a square as grey as the mean covers one place of the photo after another. */
import type { Image } from '../../reference/input/preprocess.ts';
import { forward } from '../../reference/oracle.ts';
import { trunk } from '../../reference/training/gradient.ts';
import * as loss from '../../reference/training/loss.ts';
import { InputError } from '../errors.ts';
import { operations } from '../fast/index.ts';
import { reach } from './colour.ts';
import { beginOf, type Cover, coveredRow, coverOf } from './cover.ts';
import { legend, mapOf, panel } from './maps.ts';
import { probabilities, run } from './running.ts';
import { beside, sheetOf } from './sheet.ts';
import { classAsked, type Drawn, type Photo, percent, type Subject } from './subject.ts';

export interface OcclusionOptions {
  readonly class?: string;
  /** Pixels of the square's side. */
  readonly square?: number;
  /** Along each side of the photo, at least 2. */
  readonly places?: number;
  readonly progress?: (done: number, total: number) => void;
}

/** Throws InputError for a square that is larger than the photo. */
export function occlusion(subject: Subject, photo: Photo, options: OcclusionOptions): Drawn {
  const { network, weights, classes } = subject;
  const [, , H, W] = photo.input.shape;
  const usual = coverOf(network);
  const cover = { size: options.square ?? usual.size, places: options.places ?? usual.places };
  if (cover.size > Math.min(H, W))
    throw new InputError(`--square ${cover.size}: the network sees ${H}×${W} pixels: take fewer`);
  const before = probabilities(run(network, weights, photo.input));
  const k = classAsked(options.class, before, classes);
  const covered: number[] = [];
  for (let row = 0; row < cover.places; row++) {
    const z = forward(trunk(network), weights, coveredRow(photo.input, cover, row), { operations });
    const { p } = loss.forward(z, new Uint16Array(cover.places));
    for (let n = 0; n < cover.places; n++) covered.push(p[n * classes.length + k]);
    options.progress?.(row + 1, cover.places);
  }
  const change = covered.map((p) => p - before[k]);
  const most = reach(change);
  const about = [
    `${classes[k]}, ${percent(before[k])}: its probability with a square of ${cover.size} × ${cover.size} pixels covered,`,
    `from ${percent(Math.min(...covered))} to ${percent(Math.max(...covered))} over ${cover.places} × ${cover.places} places.`,
    `${network.name}, weights: ${subject.source}`,
  ];
  const worst = covered.indexOf(Math.min(...covered));
  const [row, column] = [Math.floor(worst / cover.places), worst % cover.places];
  const panels = [
    panel(photo.crop, photo.name),
    panel(withSquare(photo.crop, cover, row, column), 'covered where it counts most'),
    panel(mapOf(change, [cover.places, cover.places], most), 'change of the probability', legend(most)),
  ];
  const begins = (extent: number): number[] =>
    Array.from({ length: cover.places }, (_, at) => beginOf(at, cover, extent));
  return {
    facts: {
      class: k,
      name: classes[k],
      probability: before[k],
      square: cover.size,
      rows: begins(H),
      columns: begins(W),
      probabilities: covered,
    },
    sheet: sheetOf('Occlusion', about, beside(panels, 20)),
  };
}

function withSquare(image: Image, cover: Cover, row: number, column: number): Image {
  const { width, height } = image;
  const data = new Uint8Array(image.data);
  const left = beginOf(column, cover, width);
  const top = beginOf(row, cover, height);
  for (let y = top; y < top + cover.size; y++)
    data.fill(128, 3 * (y * width + left), 3 * (y * width + left + cover.size));
  return { width, height, data };
}
