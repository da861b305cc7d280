/** Version of this package, read from its package.json. */
import { readFileSync } from 'node:fs';

function packageVersion(): string {
  // from source the file is one folder up, from dist/ two
  for (const path of ['../package.json', '../../package.json']) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'));
      if (name === 'alexnet-oracle') return version;
    } catch {}
  }
  return 'unknown';
}

export const version = packageVersion();
