/** Figure 4 of the paper: the pictures of a folder whose last hidden layer is nearest to that of a photo. */
import { realpath } from 'node:fs/promises';
import type { Network } from '../../reference/networks/layers.ts';
import { forward, inputsOf } from '../../reference/oracle.ts';
import { dense, type Storage, sizeOf, type Tensor, tensor } from '../../reference/tensor.ts';
import { InputError } from '../errors.ts';
import { operations } from '../fast/index.ts';
import { decodeImageSync } from '../image/decode.ts';
import { eachPicture, type Path, readPicture } from '../image/load.ts';
import { figure, panel } from './maps.ts';
import { above, beside, line, MUTED, type Part, sheetOf } from './sheet.ts';
import { type Drawn, type Photo, type Subject, seen } from './subject.ts';

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

/** Pictures that are computed together. */
const BATCH = 32;

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
  const failures: { image: string; error: string }[] = [];
  let batch: { readonly image: string; readonly file: Path; readonly input: Tensor }[] = [];
  const settle = (): void => {
    const measured = codes(
      hidden,
      subject,
      batch.map(({ input }) => input),
    );
    for (const [n, { image, file }] of batch.entries())
      found.push({ image, file, distance: distance(wanted, measured[n]) });
    batch = [];
    progress?.(found.length, found.length);
  };
  for await (const picture of eachPicture([folder])) {
    const image = picture.path;
    try {
      if ('message' in picture) throw new InputError(picture.message);
      if (own !== undefined && (await realpath(picture.file)) === own) continue;
      batch.push({ image, file: picture.file, input: (await again(picture.file, image, subject)).input });
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      failures.push({ image, error: error.message });
    }
    if (batch.length === BATCH) settle();
  }
  if (batch.length > 0) settle();
  if (found.length === 0)
    throw new InputError(failures[0]?.error ?? `${folder}: no other picture in this folder`);
  // those that are as near keep the order of their names
  const nearest = found.sort((a, b) => a.distance - b.distance).slice(0, count);
  const layer = hidden.layers.at(-1)!.name;
  const shown = await Promise.all(
    nearest.map(async ({ file, image, distance: d }) =>
      panel((await again(file, image, subject)).crop, image.split('/').at(-1)!, distanceLine(d)),
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

const again = async (file: Path, name: string, subject: Subject): Promise<Photo> =>
  seen(decodeImageSync(await readPicture(file), name), name, subject);

/** The network up to what its last fully connected layer reads, dropout aside: fc7, after its ReLU. */
function hiddenOf(network: Network): Network {
  const { layers } = network;
  const last = layers.findLastIndex(({ kind }) => kind === 'linear');
  const [read] = last < 0 ? ['input'] : inputsOf(network, last);
  let at = layers.findIndex(({ name }) => name === read);
  while (layers[at]?.kind === 'dropout')
    at = layers.findIndex(({ name }) => name === inputsOf(network, at)[0]);
  if (at < 0) throw new InputError(`${network.name} has no hidden layer by which pictures could be compared`);
  return { ...network, layers: layers.slice(0, at + 1) };
}

/** Of inputs (1,C,H,W) each. */
function codes(hidden: Network, { weights }: Subject, inputs: readonly Tensor[]): Storage[] {
  const size = sizeOf(hidden.input);
  const batch = new Float32Array(inputs.length * size);
  for (const [n, input] of inputs.entries()) batch.set(dense(input), n * size);
  const y = dense(forward(hidden, weights, tensor(batch, [inputs.length, ...hidden.input]), { operations }));
  const length = y.length / inputs.length;
  return inputs.map((_, n) => y.slice(n * length, (n + 1) * length));
}

function distance(a: Storage, b: Storage): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return Math.sqrt(sum);
}
