/**
 * The last step of the build: the companion's page, and a mended manifest. The package carries onnx-proto, with the protobufjs that package.json's `overrides`
 * choose; but onnx-proto's own manifest still asks for protobufjs 6, and in every project that depends on this one
 * `npm ci`, `npm ls` and `npm sbom` would fail for want of it. So its manifest is made to ask for what is used.
 * `npm pack` takes it as it lies in node_modules; no script of ours would run then, as .npmrc switches them off.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { companionPage } from './companion.ts';

const root = new URL('../', import.meta.url);
const read = (path: string) => JSON.parse(readFileSync(new URL(path, root), 'utf8'));

const BUNDLED = 'node_modules/onnx-proto/package.json';
const { protobufjs } = read('package.json').overrides;
const manifest = read(BUNDLED);
if (manifest.dependencies.protobufjs !== protobufjs) {
  manifest.dependencies.protobufjs = protobufjs;
  // in place: npm packs what its own record of node_modules names only while no folder there is newer than the record
  writeFileSync(new URL(BUNDLED, root), `${JSON.stringify(manifest, null, 2)}\n`);
}

mkdirSync(new URL('dist/companion', root), { recursive: true });
writeFileSync(new URL('dist/companion/page.html', root), await companionPage());
