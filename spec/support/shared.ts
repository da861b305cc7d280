/** The shared test data beside the checkout, where there are any. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Context } from 'mocha';

const root = fileURLToPath(new URL('../../../shared/data/', import.meta.url));

/** Path of a shared file; where it is absent the test that asks is skipped, saying so. */
export function shared(test: Context, path: string): string {
  if (existsSync(root + path)) return root + path;
  console.log(`      skipped: there is no ../shared/data/${path}`);
  test.skip();
}
