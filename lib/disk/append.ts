/** Adds to a file that several programs share, such as the summary of a CI step. */
import { appendFile } from 'node:fs/promises';
import { writeError } from './errno.ts';

/** Appends the text; returns why that was not possible, or undefined. */
export async function append(path: string, text: string): Promise<string | undefined> {
  try {
    await appendFile(path, text);
    return undefined;
  } catch (error) {
    return writeError(path, error).message;
  }
}
