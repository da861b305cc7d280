/** Reads TypeScript source as far as the structure specs need: comments and strings told from code, and imports. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

export interface Source {
  /** From the repository's root, with slashes. */
  readonly path: string;
  readonly text: string;
  /** The text without comments. */
  readonly uncommented: string;
  /** The text without comments, and with nothing inside its strings and regular expressions. */
  readonly code: string;
  /** The text with nothing inside its strings, line by line: what could have been broken. */
  readonly lines: readonly string[];
}

export interface Import {
  /** What is imported: a path from the root ('reference/tensor.ts'), or a package or module name. */
  readonly target: string;
  /** static: loaded with the file; type: erased; lazy: import(). */
  readonly kind: 'static' | 'type' | 'lazy';
}

/** Every file below a folder of the repository whose name ends so; [] where the folder is not there. */
export function filesBelow(folder: string, ending: string): string[] {
  const full = join(root, folder);
  if (!statSync(full, { throwIfNoEntry: false })?.isDirectory()) return [];
  return readdirSync(full, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((path) => !path.startsWith('bench/peers/')) // what npm put there is not ours
    .sort();
}

export const sourcesBelow = (folder: string): Source[] =>
  ['.ts', '.tsx'].flatMap((ending) => filesBelow(folder, ending)).map(sourceAt);

export const sourceAt = (path: string): Source => sourceOf(path, readFileSync(join(root, path), 'utf8'));

const comment = /\/\/[^\n]*|\/\*[\s\S]*?\*\//;
const string = /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|\$\{(?:[^{}]|\{[^{}]*\})*\}|[^`\\])*`/;
/** A regular expression stands where a value is expected, else a slash divides. */
const expression = /(?<=(?:[(,=:?!&|[;{}]|return)\s*)\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n])+\/[a-z]*/;
const token = new RegExp([comment, string, expression].map(({ source }) => source).join('|'), 'g');

/** Splits text into what its comments, its strings and its code are. */
export function sourceOf(path: string, text: string): Source {
  const isComment = (t: string) => t.startsWith('//') || t.startsWith('/*');
  const lines = (t: string) => t.replace(/[^\n]+/g, ' ');
  const emptied = (t: string) => t[0] + t.replace(/[^\n]+/g, '') + t[0];
  return {
    path,
    text,
    lines: text.replace(token, (t) => (isComment(t) ? t : emptied(t))).split('\n'),
    uncommented: text.replace(token, (t) => (isComment(t) ? lines(t) : t)),
    code: text.replace(token, (t) => {
      if (isComment(t)) return lines(t);
      // what stands in a template's ${…} is code
      return t.startsWith('`') ? (t.match(/\$\{(?:[^{}]|\{[^{}]*\})*\}/g)?.join(' ') ?? '``') : t[0] + t[0];
    }),
  };
}

/** What a file imports and re-exports, in any form. */
export function importsOf({ path, uncommented }: Source): Import[] {
  const target = (name: string) => (name.startsWith('.') ? posix.join(posix.dirname(path), name) : name);
  const found: Import[] = [];
  const statement = /^\s*(?:import|export)\s+(type\b)?(?:[^;'"]*?\bfrom\s+)?['"]([^'"]+)['"]/gm;
  for (const [, type, name] of uncommented.matchAll(statement)) {
    found.push({ target: target(name), kind: type ? 'type' : 'static' });
  }
  for (const [, type, name] of uncommented.matchAll(/(typeof\s+)?\bimport\(\s*['"]([^'"]+)['"]/g)) {
    found.push({ target: target(name), kind: type ? 'type' : 'lazy' });
  }
  return found;
}
