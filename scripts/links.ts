/**
 * Links of the documents to lines: [`code`](../reference/ops/lrn.ts#L99) leads to the line that declares `code`, where it is a
 * name, or that has it. `npm run links` puts the numbers right; a spec holds them.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const LINK = /\[`([^\n]+?)`\]\(\.\.\/([\w./-]+\.ts)#L(\d*)\)/g;
const docs = fileURLToPath(new URL('../docs/', import.meta.url));
export const source = (path: string): string => readFileSync(`${docs}../${path}`, 'utf8');

/** The line that declares a name, or has a piece of code. Throws unless there is exactly one. */
export function lineOf(text: string, code: string): number {
  const name = /^\w+$/.test(code);
  const declares = new RegExp(`^\\s*(?:export )?(?:const|let|function|interface|type) ${code}\\b`);
  const lines = text
    .split('\n')
    .flatMap((line, i) => ((name ? declares.test(line) : line.includes(code)) ? [i + 1] : []));
  if (lines.length !== 1) throw new Error(`\`${code}\` stands on ${lines.length} lines (${lines})`);
  return lines[0];
}

/** The document with right numbers. Throws, naming the link, where there is no such line. */
export function relinked(document: string, read = source): string {
  return document.replace(LINK, (link, code: string, path: string) => {
    try {
      return `[\`${code}\`](../${path}#L${lineOf(read(path), code)})`;
    } catch (error) {
      throw new Error(`${link}: ${(error as Error).message}`);
    }
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const name of readdirSync(docs).filter((file) => file.endsWith('.md'))) {
    writeFileSync(docs + name, relinked(readFileSync(docs + name, 'utf8')));
  }
}
