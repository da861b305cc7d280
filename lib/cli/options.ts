/** Options that several commands share, and how their words become values. */

import { type Command, InvalidArgumentError, Option } from 'commander';
import { lrnForms } from '../../export/index.ts';
import { networks } from '../../reference/networks/index.ts';
import { methods } from '../../reference/training/init.ts';
import { MOST_THREADS, range } from '../checks.ts';
import { DEVICE_WORDS, deviceWord } from '../runtime/devices.ts';

/** An integer of at least `least`, at most `most`. */
export const integer =
  (least: number, most = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most)
      throw new InvalidArgumentError(`It must be ${range(least, most)}.`);
    return value;
  };

/** Any number. */
export function real(text: string): number {
  if (text.trim() === '' || !Number.isFinite(Number(text)))
    throw new InvalidArgumentError('It must be a number.');
  return Number(text);
}

/** Repeated options gather their values. */
export const gather = (text: string, before: readonly string[] = []): readonly string[] => [...before, text];

/** An option with a few words to choose from. */
export function oneOf(flags: string, about: string, words: readonly string[], fallback?: string): Option {
  const option = new Option(flags, about).choices(words);
  return fallback === undefined ? option : option.default(fallback);
}

export const networkNames = networks.map(({ name }) => name).join(', ');
export const networkOption = (): Option => new Option('--network <name>', `one of ${networkNames}`);

export const weightOptions = (command: Command): Command =>
  command
    .addOption(networkOption())
    .option('--weights <file>', 'weights: .safetensors, .npz, .onnx, .pth, .caffemodel')
    .option('--seed <n>', 'random weights from this seed', integer(0))
    .addOption(oneOf('--init <method>', 'how random weights are drawn (kaiming)', methods));

/** `about`: where it has no default. */
export function deviceOption(about?: string): Option {
  const option = new Option('--device <device>', `${about ?? 'where onnxruntime runs'}: ${DEVICE_WORDS}`);
  option.argParser((text) => {
    const wish = deviceWord(text);
    if (wish) throw new InvalidArgumentError(`It must be ${wish}.`);
    return text;
  });
  return about ? option : option.default('auto');
}

/** Several that share the work, too: what is parsed is a word or a list of them. */
export const devicesOption = (): Option => {
  const option = new Option(
    '--device <device>',
    `where onnxruntime runs: ${DEVICE_WORDS}; several: cuda:0,cuda:1`,
  );
  option.argParser((text) => {
    const words = text.split(',');
    const wish = words.map((word) => deviceWord(word)).find((one) => one !== undefined);
    if (wish) throw new InvalidArgumentError(`It must be ${wish}, or several with commas between.`);
    return words.length > 1 ? words : text;
  });
  return option.default('auto');
};

/** Two devices: what is parsed is a list. */
export const towersOption = (): Option =>
  new Option(
    '--towers <devices>',
    'the two towers of section 3.2, each on its device: cpu,cpu; cuda:0,cuda:1',
  ).argParser((text) => {
    const words = text.split(',');
    const wish = words.map((word) => deviceWord(word)).find((one) => one !== undefined);
    if (wish || words.length !== 2)
      throw new InvalidArgumentError(`It must be two, with a comma between, of ${DEVICE_WORDS}.`);
    return words;
  });

/** What --views is where it is not given. */
export const VIEWS_MEANT = '(as a file of --weights that takes pictures has it, else 1)';

/** The one that is meant where nothing is said comes first. */
export const engineOption = (about: string, engines: readonly ('oracle' | 'onnxruntime')[]): Option =>
  oneOf('--engine <engine>', about, engines, engines[0]);

export const decoderOption = (): Option =>
  oneOf('--decoder <decoder>', 'who decodes pictures', ['jpeg-js', 'sharp'], 'jpeg-js');

export const threadsOption = (): Option =>
  new Option('--threads <n>', `threads that decode, ${MOST_THREADS} at most (one a core)`).argParser(
    integer(1, MOST_THREADS),
  );

export const lrnOption = (): Option =>
  oneOf('--lrn <form>', 'LRN as the native operator, decomposed, or by a band matrix', lrnForms);

export const forceOption = (): Option =>
  new Option('--force', 'overwrite files that this program did not write (never one that it reads)');

export const jsonOption = (): Option => new Option('--json', 'print JSON instead of the table');
