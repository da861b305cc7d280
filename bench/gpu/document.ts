/**
 * Puts what bench/gpu-check.ts found on a card into docs/devices.md, in the place of what was there of that card.
 *
 *   npx tsx bench/gpu/document.ts gpu.json
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Report, withReport } from './table.ts';

const DOCUMENT = fileURLToPath(new URL('../../docs/devices.md', import.meta.url));
const [path] = process.argv.slice(2);
if (!path) throw new Error('name the JSON file that bench/gpu-check.ts wrote');
const report = JSON.parse(readFileSync(path, 'utf8')) as Report;
writeFileSync(DOCUMENT, withReport(readFileSync(DOCUMENT, 'utf8'), report));
