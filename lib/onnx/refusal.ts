/** Errors about a model's file: one line, whatever names the file has. */
import { InputError } from '../errors.ts';

const LONGEST = 500;

/** Control characters become '?', so that a name in a file breaks no line and moves no cursor. */
export function refusal(file: string, message: string): InputError {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  const line = message.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, '?');
  return new InputError(`${file}: ${line.length > LONGEST ? `${line.slice(0, LONGEST)}…` : line}`);
}
