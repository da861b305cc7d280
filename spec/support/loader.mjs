/**
 * How Node reads the sources, in the specs and in the processes that they start: TypeScript by tsx; but where dist is
 * as new as the sources, what is built. That loads in half the time, in threads and child processes most of all.
 */
import { register } from 'node:module';
import { fileURLToPath } from 'node:url';

// for mocha's workers and what they start: glibc takes large arrays as huge pages and keeps what is freed, as fresh
// pages cost up to a third of a full-size verification's time (docs/performance.md); other C libraries do not read it
process.env.GLIBC_TUNABLES ??= ['hugetlb=1', 'mmap_threshold=1073741824', 'trim_threshold=4294967296']
  .map((setting) => `glibc.malloc.${setting}`)
  .join(':');

const dist = fileURLToPath(new URL('../../dist/', import.meta.url));
// a child process of what is built needs none of this
if (!process.argv[1]?.startsWith(dist)) {
  await import('tsx');
  const { newerThanBuilt } = await import('./fresh.ts');
  // a mutant (bench/self) is in no build
  if (!process.env.ALEXNET_MUTANT && !newerThanBuilt()) register('./loader-hooks.mjs', import.meta.url);
}
