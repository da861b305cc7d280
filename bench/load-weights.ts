/**
 * Measures how long loading weights takes and how much memory it needs, each file in a process of its own:
 * `node --import=tsx bench/load-weights.ts NETWORK FILE…`. The figures count only after the values have been
 * compared, bit for bit, with those of the first file. Times are of files that lie in the page cache.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { table } from '../lib/report/table.ts';
import { loadWeights } from '../lib/weights/load.ts';
import { networkNamed } from '../reference/networks/index.ts';
import { dense } from '../reference/tensor.ts';

interface Measured {
  readonly source: string;
  readonly ms: number;
  readonly cpu: number;
  /** Growth of the resident set at its highest, over the bytes of the weights. */
  readonly memory: number;
  readonly sha256: string;
}

/** The largest resident set so far. Linux's own figure where there is one: the other is inherited from the parent. */
function highest(): number {
  const status = existsSync('/proc/self/status') ? readFileSync('/proc/self/status', 'utf8') : '';
  const peak = /VmHWM:\s+(\d+) kB/.exec(status)?.[1];
  return 1024 * (peak === undefined ? process.resourceUsage().maxRSS : Number(peak));
}

async function measure(network: string, path: string): Promise<Measured> {
  const base = highest();
  const cpu = process.cpuUsage();
  const start = performance.now();
  const { weights, source } = await loadWeights(path, networkNamed(network));
  const ms = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  const peak = highest() - base;
  const sum = createHash('sha256');
  let bytes = 0;
  for (const [, tensor] of [...weights].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const values = dense(tensor);
    sum.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    bytes += values.byteLength;
  }
  return { source, ms, cpu: (user + system) / 1000, memory: peak / bytes, sha256: sum.digest('hex') };
}

const [network, ...files] = process.argv.slice(2);
if (process.env.LOAD_WEIGHTS_CHILD) {
  process.stdout.write(JSON.stringify(await measure(network, files[0])));
} else {
  const rows: string[][] = [];
  let first = '';
  for (const file of files) {
    readFileSync(file); // into the page cache
    const runs = [1, 2, 3].map(() => {
      const { stdout, stderr } = spawnSync(
        process.execPath,
        ['--import=tsx', fileURLToPath(import.meta.url), network, file],
        { encoding: 'utf8', env: { ...process.env, LOAD_WEIGHTS_CHILD: '1' } },
      );
      if (stdout === '') throw new Error(stderr);
      return JSON.parse(stdout) as Measured;
    });
    const best = runs.reduce((a, b) => (a.ms < b.ms ? a : b));
    first ||= best.sha256;
    const same = best.sha256 === first ? 'yes' : 'NO';
    const kind = /\(([^,]*)/.exec(best.source)?.[1] ?? '';
    const ms = best.ms.toFixed(0);
    const cpu = best.cpu.toFixed(0);
    const memory = best.memory.toFixed(2);
    rows.push([basename(file), kind, ms, cpu, memory, same]);
  }
  const columns = ['file', 'format', 'ms', 'ms of CPU', 'memory / weights', 'same bits'].map((title, c) => ({
    title,
    align: c < 2 ? ('left' as const) : ('right' as const),
  }));
  process.stdout.write(`${table(columns, rows)}\n`);
}
