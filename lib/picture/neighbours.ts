/** Figure 4 of the paper: the pictures of a folder whose last hidden layer is nearest to that of a photo. */
import { realpath } from 'node:fs/promises';
import { InputError } from '../errors.ts';
import type { Path } from '../image/load.ts';
import { codes, distance, hiddenOf } from './codes.ts';
import { eachCode, photoAt } from './folder.ts';
import { figure, panel } from './maps.ts';
import { above, beside, line, MUTED, type Part, sheetOf } from './sheet.ts';
import type { Drawn, Photo, Subject } from './subject.ts';

export interface NeighboursOptions {
  readonly folder?: string;
  readonly count?: number;
  readonly progress?: (done: number, total: number) => void;
}

interface Neighbour {
  readonly image: string;
  readonly file: Path;
  readonly distance: number;
}

/**
 * Rejects with InputError where no folder is given or it has no picture that can be read. A picture that cannot be
 * read is a failure of one line; the photo itself is left out.
 */
export async function neighbours(subject: Subject, photo: Photo, options: NeighboursOptions): Promise<Drawn> {
  const { folder, count = 6, progress } = options;
  if (folder === undefined)
    throw new InputError('picture neighbours needs a folder of pictures: --folder DIR');
  const hidden = hiddenOf(subject.network);
  const [wanted] = codes(hidden, subject, [photo.input]);
  const own = photo.path === null ? undefined : await realpath(photo.path);
  const found: Neighbour[] = [];
  const failures = await eachCode(
    hidden,
    subject,
    folder,
    (coded) => {
      for (const { image, file, code } of coded)
        found.push({ image, file, distance: distance(wanted, code) });
      progress?.(found.length, found.length);
    },
    async (file) => own !== undefined && (await realpath(file)) === own,
  );
  if (found.length === 0)
    throw new InputError(failures[0]?.error ?? `${folder}: no other picture in this folder`);
  // those that are as near keep the order of their names
  const nearest = found.sort((a, b) => a.distance - b.distance).slice(0, count);
  const layer = hidden.layers.at(-1)!.name;
  const shown = await Promise.all(
    nearest.map(async ({ file, image, distance: d }) =>
      panel((await photoAt(file, image, subject)).crop, image.split('/').at(-1)!, distanceLine(d)),
    ),
  );
  const about = [
    `The ${nearest.length} nearest of ${found.length} pictures, by Euclidean distance of the ${wanted.length} values of ${layer}.`,
    `${subject.network.name}, weights: ${subject.source}`,
  ];
  return {
    facts: {
      layer,
      pictures: found.length,
      neighbours: nearest.map(({ image, distance: d }) => ({ image, distance: d })),
      failures,
    },
    failures,
    sheet: sheetOf('Nearest pictures', about, rows([panel(photo.crop, photo.name), ...shown])),
  };
}

/** The photo first; beyond six neighbours in rows of seven. */
function rows(panels: readonly Part[]): Part {
  const starts = Array.from({ length: Math.ceil(panels.length / 7) }, (_, i) => 7 * i);
  return above(
    starts.map((start) => beside(panels.slice(start, start + 7), 12)),
    12,
  );
}

const distanceLine = (d: number): Part => line(`distance ${figure(d)}`, { colour: MUTED });
