/**
 * TypeDoc over every door of package.json's `exports`. A warning is an error; the usual one is a type that stands in
 * the signature of something public and is not exported.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../', import.meta.url);
const path = (relative) => fileURLToPath(new URL(relative, root));
const { exports } = JSON.parse(readFileSync(path('package.json'), 'utf8'));
const sourceOf = ({ types }) => types.replace(/^\.\/dist\/(.*)\.d\.ts$/, '$1.ts');

export default {
  name: 'alexnet-oracle',
  entryPoints: Object.values(exports)
    .filter((door) => typeof door === 'object')
    .map((door) => path(sourceOf(door))),
  tsconfig: path('tsconfig.build.json'),
  out: path('api'),
  disableSources: true,
  treatWarningsAsErrors: true,
  // `npm run check` looks for errors of types
  skipErrorChecking: true,
};
