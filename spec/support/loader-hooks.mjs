/** The hooks of loader.mjs: lib/x.ts is dist/lib/x.js, and so are reference/ and export/. */
import { readFile } from 'node:fs/promises';

const ROOT = new URL('../../', import.meta.url).href;

export async function resolve(specifier, context, next) {
  const found = await next(specifier, context);
  if (!found.url.startsWith(ROOT)) return found;
  const [, path] = /^((?:reference|export|lib)\/.*)\.ts$/.exec(found.url.slice(ROOT.length)) ?? [];
  return path ? { url: `${ROOT}dist/${path}.js`, format: 'module', shortCircuit: true } : found;
}

/** As it lies there: tsx would look for TypeScript in it. */
export async function load(url, context, next) {
  if (!url.startsWith(`${ROOT}dist/`)) return next(url, context);
  return { format: 'module', source: await readFile(new URL(url)), shortCircuit: true };
}
