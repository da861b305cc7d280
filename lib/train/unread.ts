/**
 * The pictures of a run that cannot be read. Nobody looks for them beforehand: one is noted where it is found, and is
 * skipped from then on for all of the run, resumed too, even if it could be read again.
 */
import type { Dataset, Split } from '../data/dataset.ts';
import { InputError } from '../errors.ts';

export interface UnreadPicture {
  readonly part: 'training' | 'validation';
  /** Number in its part. */
  readonly index: number;
  /** One line that begins with the picture's name. */
  readonly error: string;
}

export interface Unread {
  has(part: UnreadPicture['part'], index: number): boolean;
  /** Throws InputError where the run is strict, and where a class, or the validation, has no other picture left. */
  add(picture: UnreadPicture): void;
  /** In the order of parts and numbers. */
  readonly all: readonly UnreadPicture[];
}

interface Parts {
  readonly train: Split;
  readonly validation: Split | null;
}

interface Options {
  readonly strict?: boolean;
  /** Those that an earlier part of the run found. */
  readonly before?: readonly UnreadPicture[];
  readonly log?: (line: string) => void;
}

/** So many have a line of their own. */
const LISTED = 10;

export function openUnread(data: Dataset, parts: Parts, { strict, before = [], log }: Options = {}): Unread {
  const found = new Map<string, UnreadPicture>();
  const keyOf = (part: string, index: number) => `${part} ${index}`;
  const left = data.classes.map(() => 0);
  for (let i = 0; i < parts.train.count; i++) left[parts.train.label(i)]++;
  let validating = parts.validation?.count ?? 0;
  const add = (picture: UnreadPicture): void => {
    const { part, index, error } = picture;
    const key = keyOf(part, index);
    if (!found.has(key)) {
      found.set(key, picture);
      if (strict) throw new InputError(error);
      if (found.size <= LISTED) log?.(`skipped: ${error}`);
      if (found.size === LISTED + 1) log?.('skipped: more, which are counted at the end');
      if (part === 'validation') validating--;
      else left[parts.train.label(index)]--;
    }
    if (part === 'validation' && validating === 0)
      throw new InputError(`${data.path}: no picture to validate can be read (${error})`);
    const label = part === 'training' ? parts.train.label(index) : -1;
    if (left[label] === 0)
      throw new InputError(
        `${data.path}: class '${data.classes[label]}' has no picture that can be read (${error})`,
      );
  };
  for (const picture of before) add(picture);
  return {
    has: (part, index) => found.size > 0 && found.has(keyOf(part, index)),
    add,
    get all() {
      return [...found.values()].sort((a, b) => a.part.localeCompare(b.part) || a.index - b.index);
    },
  };
}

/** '3 pictures that cannot be read: 2 to train, 1 to validate'. */
export function unreadText(all: readonly UnreadPicture[]): string {
  const validating = all.filter(({ part }) => part === 'validation').length;
  const pictures = all.length === 1 ? '1 picture' : `${all.length} pictures`;
  return `${pictures} that cannot be read: ${all.length - validating} to train, ${validating} to validate`;
}
