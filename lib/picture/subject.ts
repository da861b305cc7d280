/** What a picture is of: a network with weights, and a photo as it gets it. */
import { basename } from 'node:path';
import { cropViews, type Image, preprocess } from '../../reference/input/preprocess.ts';
import type { Tensor } from '../../reference/tensor.ts';
import { InputError } from '../errors.ts';
import { decodeImageSync } from '../image/decode.ts';
import { readPicture } from '../image/load.ts';
import { findMean } from '../image/mean.ts';
import { classCount, classNames } from '../labels/labels.ts';
import { type Choice, type Chosen, resolve } from '../networks/resolve.ts';
import { boxed } from '../weights/shipped.ts';
import { madePhoto } from './photo.ts';
import type { Sheet } from './sheet.ts';

/** A network that sees photos. */
export interface Seer extends Pick<Chosen, 'network' | 'weights'> {
  readonly meanImage?: Tensor;
}

export interface Subject extends Chosen, Seer {
  readonly classes: readonly string[];
  /** Files that were read for it. */
  readonly read: readonly string[];
}

/**
 * With nothing said, the trained net in the box; with its mean image where it will see a photo; random weights
 * only where they are `drawn`. Rejects with InputError for what cannot be read.
 */
export async function subjectOf(asked: Choice, seesPhoto: boolean, drawn = true): Promise<Subject> {
  const choice = boxed(asked);
  const chosen = await resolve(choice, drawn);
  const { network } = chosen;
  const given = typeof choice.weights === 'string' ? choice.weights : undefined;
  const mean = seesPhoto ? await findMean(network.preprocess, undefined, given) : null;
  return {
    ...chosen,
    source: given === undefined ? chosen.source : chosen.source.replace(given, basename(given)),
    classes: chosen.classes ?? classNames(network.name, classCount(network)),
    meanImage: mean?.image,
    read: [given, mean?.file].filter((path) => path !== undefined),
  };
}

export interface Photo {
  /** null: the program's own. */
  readonly path: string | null;
  readonly name: string;
  readonly image: Image;
  /** The part that the network gets, before arithmetic. */
  readonly crop: Image;
  /** (1,3,H,W). */
  readonly input: Tensor;
}

/** Rejects with InputError for a file that is no picture, or one that the network cannot take. */
export async function photoOf(path: string | undefined, subject: Subject): Promise<Photo> {
  const image = path === undefined ? madePhoto() : decodeImageSync(await readPicture(path), path);
  return seen(image, path, subject);
}

/** The photo as the network gets it. */
export function seen(
  image: Image,
  path: string | undefined,
  { network, meanImage }: Omit<Seer, 'weights'>,
): Photo {
  const name = path === undefined ? 'a photo made by the program' : basename(path);
  try {
    const [crop] = cropViews(image, network.preprocess);
    const input = preprocess(image, network.preprocess, { meanImage });
    return { path: path ?? null, name, image, crop, input };
  } catch (error) {
    throw new InputError(`${path ?? name}: ${(error as Error).message}`);
  }
}

/** A picture before it is written, and the numbers behind it. */
export interface Drawn {
  readonly facts: object;
  readonly sheet: Sheet;
  /** Pictures of a folder that could not be read. */
  readonly failures?: readonly { readonly image: string; readonly error: string }[];
}

/** A class by its number or its name, the most probable one if none is asked for. Throws InputError for no class. */
export function classAsked(
  word: string | undefined,
  p: ArrayLike<number>,
  classes: readonly string[],
): number {
  if (word === undefined) return classes.reduce((best, _, k) => (p[k] > p[best] ? k : best), 0);
  const named = classes.findIndex((name) => name.toLowerCase() === word.toLowerCase());
  const k = named < 0 && /^\d+$/.test(word) ? Number(word) : named;
  if (k >= 0 && k < classes.length) return k;
  const some = classes.slice(0, 3).join(', ');
  throw new InputError(
    `--class ${word}: give a number from 0 to ${classes.length - 1}, or a name (${some}, …)`,
  );
}

export const percent = (p: number): string => `${(100 * p).toFixed(1)} %`;
