/** A prediction as one line of a file, and back to the picture's name: JSON, or CSV (RFC 4180). */
import { InputError } from '../errors.ts';
import type { Prediction } from './classifier.ts';

export interface Format {
  /** What a file begins with; '' where that is a line like any other. */
  readonly head: string;
  line(prediction: Prediction): string;
  /** The picture of line number `at`, from 0; null for the head, undefined for a line of something else. */
  nameIn(line: string, at: number): string | null | undefined;
  /** Whether line number `at` may begin so. */
  begins(words: string, at: number): boolean;
}

/** By the file's name. Throws InputError where it is neither .jsonl nor .csv. */
export function formatOf(file: string, top: number): Format {
  if (file.endsWith('.jsonl')) return jsonLines;
  if (file.endsWith('.csv')) return csv(top);
  throw new InputError(`${file}: must end in .jsonl or .csv`);
}

const START = '{"image":';

const jsonLines: Format = {
  head: '',
  line: (prediction) => `${JSON.stringify(prediction)}\n`,
  nameIn(line) {
    try {
      const { image } = JSON.parse(line);
      return line.startsWith(START) && typeof image === 'string' ? image : undefined;
    } catch {
      return undefined;
    }
  },
  begins: (words) => START.startsWith(words.slice(0, START.length)),
};

function csv(top: number): Format {
  const ranks = Array.from({ length: top }, (_, i) => `class${i + 1},name${i + 1},probability${i + 1}`);
  const head = `${['image', 'error', ...ranks].join()}\n`;
  return {
    head,
    line({ image, error = '', guesses = [] }) {
      if (/[\r\n]/.test(image))
        throw new InputError(`${JSON.stringify(image)}: a name with a line break needs .jsonl`);
      const fields = guesses.flatMap((guess) => [guess.class, guess.name, guess.probability]);
      return `${[image, error, ...fields].map(field).join()}\n`;
    },
    nameIn(line, at) {
      if (at === 0) return `${line}\n` === head ? null : undefined;
      const [, quoted, plain] = /^(?:"((?:[^"]|"")*)"|([^",]*)),/.exec(line) ?? [];
      return quoted?.replaceAll('""', '"') ?? plain;
    },
    begins: (words, at) => at > 0 || head.startsWith(words),
  };
}

function field(value: string | number): string {
  const words = String(value).replace(/[\r\n]+/g, ' ');
  return /[",]/.test(words) ? `"${words.replaceAll('"', '""')}"` : words;
}
