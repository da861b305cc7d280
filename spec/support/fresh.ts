/** Whether dist is what the sources say. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = new URL('../../', import.meta.url);

/** A source that has changed since dist was built; any where there is no dist; undefined where it is up to date. */
export function newerThanBuilt(): string | undefined {
  found ??= { newer: newerFile() };
  return found.newer;
}

/** Looked for once a process. */
let found: { readonly newer: string | undefined } | undefined;

function newerFile(): string | undefined {
  const at = statSync(new URL('dist/lib/cli/main.js', ROOT), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  for (const folder of ['reference', 'export', 'lib']) {
    const entries = readdirSync(new URL(folder, ROOT), { recursive: true, withFileTypes: true });
    for (const { parentPath, name } of entries.filter((entry) => entry.isFile()))
      if (statSync(join(parentPath, name)).mtimeMs > at) return join(parentPath, name);
  }
  return undefined;
}
