/**
 * A module hook that puts one mutated file in the place of the right one. A spec is loaded as FILE?mutant=N; what it
 * loads gets the same mark where it leads to the mutated file, so that Node loads it anew, and nothing else. In a thread
 * or a process that a spec starts everything is new, and nothing needs a mark.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

let folder = '';
/** The mutant of this thread or process, where it has one alone. */
let own;
let known = { id: '', file: '', through: new Set() };

export const initialize = (at) => {
  ({ folder, own } = at);
};

function planted(id) {
  if (known.id !== id) {
    const { file, through } = JSON.parse(readFileSync(`${folder}/${id}.json`, 'utf8'));
    known = { id, file, through: new Set(through) };
  }
  return known;
}

const idOf = (url) => /\?mutant=(\d+)$/.exec(url ?? '')?.[1];

export async function resolve(specifier, context, next) {
  const id = idOf(context.parentURL) ?? idOf(specifier);
  const found = await next(specifier.replace(/\?mutant=\d+$/, ''), context);
  if (id === undefined || !found.url.startsWith('file:')) return found;
  return planted(id).through.has(fileURLToPath(found.url))
    ? { ...found, url: `${found.url}?mutant=${id}` }
    : found;
}

export async function load(url, context, next) {
  const id = idOf(url) ?? own;
  if (id === undefined || !url.startsWith('file:')) return next(url, context);
  const plain = url.replace(/\?mutant=\d+$/, '');
  const loaded =
    fileURLToPath(plain) === planted(id).file
      ? { format: 'module', source: readFileSync(`${folder}/${id}.js`, 'utf8'), shortCircuit: true }
      : await next(plain, context);
  if (plain === url || !loaded.source) return loaded;
  // the mark is nothing that the module should see: it starts threads by this address
  const source = loaded.source.toString().replaceAll('import.meta.url', JSON.stringify(plain));
  return { ...loaded, source };
}
