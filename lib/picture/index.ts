/** The functions behind `alexnet picture`. */
import { among, type Checks, called, checkAgainst, checkArgument, text, truth, whole } from '../checks.ts';
import { checkTargets, type Target } from '../disk/target.ts';
import { writeWhole } from '../disk/write.ts';
import { InputError } from '../errors.ts';
import { encodePng } from '../image/encode.ts';
import { type Choice, choiceChecks } from '../networks/resolve.ts';
import { drawing } from './drawing.ts';
import { features } from './features.ts';
import { kernels } from './kernels.ts';
import { type NeighboursOptions, neighbours } from './neighbours.ts';
import { type OcclusionOptions, occlusion } from './occlusion.ts';
import { pixelsOf } from './pixels.ts';
import { saliency } from './saliency.ts';
import { type Drawn, photoOf, type Subject, subjectOf } from './subject.ts';
import { svgOf } from './svg.ts';

export interface PictureOptions extends Choice, OcclusionOptions, NeighboursOptions {
  /** A JPEG or PNG file; default: a photo that the program makes. */
  readonly image?: string;
  /** Of kernels and features; default: the first. */
  readonly layer?: string;
  /** A file to write: .png or .svg. */
  readonly out?: string;
  /** Overwrite a file that this program did not write. */
  readonly force?: boolean;
}

type Key = keyof PictureOptions;
interface Kind {
  /** Options that go with it, beside those of the network. */
  readonly own: readonly Key[];
  draw(subject: Subject, options: PictureOptions): Drawn | Promise<Drawn>;
}

const kinds = {
  kernels: { own: ['layer'], draw: (subject, { layer }) => kernels(subject, layer) },
  features: {
    own: ['image', 'layer'],
    draw: async (subject, { image, layer }) => features(subject, await photoOf(image, subject), layer),
  },
  saliency: {
    own: ['image', 'class'],
    draw: async (subject, options) => saliency(subject, await photoOf(options.image, subject), options.class),
  },
  occlusion: {
    own: ['image', 'class', 'square', 'places'],
    draw: async (subject, options) => occlusion(subject, await photoOf(options.image, subject), options),
  },
  neighbours: {
    own: ['image', 'folder', 'count'],
    draw: async (subject, options) => neighbours(subject, await photoOf(options.image, subject), options),
  },
  network: { own: [], draw: ({ network }) => drawing(network) },
} as const satisfies Record<PictureKind, Kind>;

export type PictureKind = 'kernels' | 'features' | 'saliency' | 'occlusion' | 'neighbours' | 'network';
export const pictureKinds = Object.keys(kinds) as PictureKind[];

const checks: Checks<PictureOptions> = {
  ...choiceChecks,
  ...{ image: text, layer: text, out: text, folder: text, class: text },
  ...{ square: whole(1), places: whole(2), count: whole(1), progress: called, force: truth },
};

/** What a picture shows, and the numbers behind it. */
export interface Pictured extends Pick<Drawn, 'facts' | 'failures'> {
  readonly network: string;
  /** The file, or 'seed 0, kaiming'. */
  readonly weights: string;
  readonly notes: readonly string[];
}

/**
 * Draws a picture, and writes it where `out` is given. Rejects with InputError for what cannot be read or written, a
 * layer or a class that there is not, and an option that does not go with such a picture.
 */
export async function picture(kind: PictureKind, options: PictureOptions = {}): Promise<Pictured> {
  checkArgument('picture: kind', kind, among(pictureKinds));
  checkAgainst(checks, options, 'picture');
  const { own, draw }: Kind = kinds[kind];
  const known: readonly Key[] = Object.values(kinds).flatMap((other): readonly Key[] => other.own);
  const stray = known.find((key) => options[key] !== undefined && !own.includes(key));
  if (stray)
    throw new InputError(`${stray === 'image' ? 'a photo' : `--${stray}`} does not go with picture ${kind}`);
  const { out, force, network, weights, seed, init } = options;
  const given = [options.image, weights].filter((path) => typeof path === 'string');
  const target = out === undefined ? undefined : targetOf(out);
  if (target) await checkTargets([target], { inputs: given, force });
  const subject = await subjectOf(
    { network, weights, seed, init },
    own.includes('image'),
    kind !== 'network',
  );
  const { facts, failures, sheet } = await draw(subject, options);
  if (target) {
    const content = target.mark === 'svg' ? svgOf(sheet) : encodePng(pixelsOf(sheet));
    await writeWhole({ ...target, content }, { inputs: [...given, ...subject.read], force });
  }
  return { network: subject.network.name, weights: subject.source, notes: subject.notes, facts, failures };
}

function targetOf(path: string): Target & { readonly mark: 'svg' | 'png' } {
  const mark = /\.(svg|png)$/i.exec(path)?.[1].toLowerCase();
  if (mark === 'svg' || mark === 'png') return { path, mark, option: '--out' };
  throw new InputError(`${path}: a picture's name ends in .png or .svg`);
}
