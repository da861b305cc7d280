/** `npm run exercise 3 [FILE]`: how far your solution to an exercise is. Exit code 0: done; 1: not yet; 2: bad usage. */
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { check } from './check.ts';
import { exercises } from './steps.ts';

const [number, file] = process.argv.slice(2);
const exercise = exercises[Number(number) - 1];
if (!exercise) {
  console.error(
    `which exercise? npm run exercise 1, up to ${exercises.length} (exercises/README.md tells what they are)`,
  );
  process.exit(2);
}
const path =
  file === undefined ? fileURLToPath(new URL(`../${exercise.stub}`, import.meta.url)) : resolve(file);
const { done, line, hint } = check(Number(number), await import(pathToFileURL(path).href));
console.log(line);
if (hint) console.log(`hint: ${hint}`);
process.exitCode = done ? 0 : 1;
