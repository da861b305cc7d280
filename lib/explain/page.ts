/** The companion's page: the one file that the build bundled, with its data put in. */
import { existsSync, readFileSync } from 'node:fs';
import { EnvironmentError } from '../errors.ts';
import type { Gathered } from './gather.ts';

/** Seen from dist/lib/explain, and from the source beside a built dist/. */
const PLACES = ['../../companion/page.html', '../../dist/companion/page.html'];

function template(): string {
  const found = PLACES.map((place) => new URL(place, import.meta.url)).find((url) => existsSync(url));
  if (!found) throw new EnvironmentError("the companion's page is not built: npm run build");
  return readFileSync(found, 'utf8');
}

/** The page. Where its data are embedded, it may reach nothing and run nothing else; else what its own server has. */
export function pageOf({ start, files }: Gathered, held: 'embedded' | 'served', from = template()): string {
  // in a script that is no program only its end tag would be read as HTML
  const json = JSON.stringify(start).replaceAll('<', '\\u003c');
  const data = held === 'served' ? [] : [...files];
  const scripts = [
    `<script type="application/json" id="start">${json}</script>`,
    ...data.map(
      ([name, bytes]) =>
        `<script type="text/plain" id="${name}">${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')}</script>`,
    ),
  ];
  const slots: Record<string, string> = {
    connect: held === 'served' ? "'self'" : "'none'",
    scripts: held === 'served' ? " 'self'" : '',
    start: scripts.join('\n'),
  };
  return from.replace(/\{\{(connect|scripts|start)\}\}/g, (_, slot: string) => slots[slot]);
}
