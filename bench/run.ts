/**
 * npm run bench: installs the peers, checks that all compute the same, times them in turn, prints tables, and writes
 * bench/results.json and docs/performance.svg. docs/performance.md tells how to read them.
 *
 *   npx tsx bench/run.ts [--rounds N] [--networks torchvision,alexnet2012] [--only contest,layers,scaling,cold]
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { table } from '../lib/report/table.ts';
import { networkNamed } from '../reference/networks/index.ts';
import { coldRows } from './cold.ts';
import { contest, type Entrant, type Row } from './contest.ts';
import { type Results, updateDocument } from './document.ts';
import { kernelPeak, layerRows } from './layers.ts';
import { engines, install } from './peers.ts';
import { plot } from './plot.ts';
import { batchRows, gradientRows, sizeRows } from './scaling.ts';
import { prepare } from './subject.ts';

const REVECTORIZE = ['--experimental-wasm-revectorize'];
const here = `Node ${process.versions.node.split('.')[0]}`;

const ENTRANTS: readonly Entrant[] = [
  { name: 'onnxruntime-node', engine: 'onnxruntime-node', threads: 1 },
  { name: 'onnxruntime-node', engine: 'onnxruntime-node', threads: 2 },
  { name: 'onnxruntime-web', engine: 'onnxruntime-web', threads: 1 },
  { name: 'onnxruntime-web', engine: 'onnxruntime-web', threads: 2 },
  { name: 'tfjs-wasm', engine: 'tfjs-wasm', threads: 1 },
  { name: 'tfjs-cpu', engine: 'tfjs-cpu', threads: 1, slow: true },
  { name: 'convnetjs', engine: 'convnetjs', threads: 1, slow: true },
  { name: `oracle, ${here}`, engine: 'oracle', threads: 1 },
  { name: `oracle, ${here}`, engine: 'oracle', threads: 2 },
  { name: `oracle float32, ${here}`, engine: 'oracle', threads: 1, accumulate: 'float32' },
  { name: `oracle float32, ${here}`, engine: 'oracle', threads: 2, accumulate: 'float32' },
  { name: 'oracle, Node 24', engine: 'oracle', threads: 1, node: 'node24' },
  {
    name: 'oracle, Node 24, 256 bits',
    ...{ engine: 'oracle', threads: 1, node: 'node24', flags: REVECTORIZE, wide: true },
  },
  {
    name: 'oracle float32, Node 24, 256 bits',
    ...{
      engine: 'oracle',
      threads: 1,
      accumulate: 'float32',
      node: 'node24',
      flags: REVECTORIZE,
      wide: true,
    },
  },
];
/** Neither knows groups and normalisation as the paper has them. */
const ONLY_TORCHVISION = ['tfjs-cpu', 'convnetjs'];

const root = fileURLToPath(new URL('../', import.meta.url));
const resultsFile = `${root}bench/results.json`;
const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** Any list of flat records as a table. */
function print(title: string, rows: readonly object[]): void {
  if (rows.length === 0) return;
  const keys = Object.keys(rows[0]);
  const columns = keys.map((key, i) => ({
    title: key,
    align:
      i > 0 && typeof (rows[0] as Record<string, unknown>)[key] === 'number' ? ('right' as const) : undefined,
  }));
  const cells = rows.map((row) => keys.map((key) => String((row as Record<string, unknown>)[key] ?? '')));
  process.stdout.write(`\n${title}\n\n${table(columns, cells)}\n`);
}

async function runContest(name: string, rounds: number): Promise<Row[]> {
  const reason = install([...engines, 'node24']);
  if (reason) say(`${reason}: those are left out`);
  const entrants = ENTRANTS.filter(
    ({ name: entrant, engine, node }) =>
      (name === 'torchvision' || !ONLY_TORCHVISION.includes(entrant)) &&
      (!reason || (!node && (engine === 'oracle' || engine === 'onnxruntime-node'))),
  );
  return contest({ network: name, batches: [1, 16], rounds }, entrants, say);
}

const { values } = parseArgs({
  options: { rounds: { type: 'string' }, networks: { type: 'string' }, only: { type: 'string' } },
});
const rounds = Number(values.rounds ?? 7);
const names = (values.networks ?? 'torchvision,alexnet2012').split(',');
const parts = (values.only ?? 'contest,layers,scaling,cold').split(',');
for (const name of names) await prepare(networkNamed(name));

const results: Record<string, unknown> = existsSync(resultsFile)
  ? JSON.parse(readFileSync(resultsFile, 'utf8'))
  : {};
const [processor] = cpus();
results.machine = {
  processor: processor.model.trim(),
  cores: cpus().length,
  memoryGB: Math.round(totalmem() / 2 ** 30),
  node: process.versions.node,
  kernelGigaflops: { float64: Math.round(kernelPeak()), float32: Math.round(kernelPeak('float32')) },
};
const save = (): void => writeFileSync(resultsFile, `${JSON.stringify(results, null, 1)}\n`);
const busy = () => Number(loadavg()[0].toFixed(1));
const loadBefore = busy();

if (parts.includes('contest')) {
  let rows = (results.rows ?? []) as Row[];
  for (const name of names) {
    const now = await runContest(name, rounds);
    rows = [...rows.filter(({ network }) => network !== name), ...now];
    print(
      'CPU and wall time, milliseconds per image; ratio: CPU time over onnxruntime-node, one thread',
      now,
    );
    Object.assign(results, { rows, rounds, load: [loadBefore, busy()] });
    save();
  }
  const caption = `CPU time per image over onnxruntime-node's with one thread (${processor.model.trim()}); blue: the oracle`;
  writeFileSync(`${root}docs/performance.svg`, await plot(rows, caption));
}
if (parts.includes('layers')) {
  results.layers = names.flatMap((name) => layerRows(networkNamed(name), 16, rounds));
  print(`Layers of the oracle, batch 16, one thread, ${here}`, results.layers as object[]);
}
if (parts.includes('scaling')) {
  const network = networkNamed('torchvision');
  results.batches = batchRows(network, [1, 4, 16, 64], [1, 2]);
  results.sizes = sizeRows(network, [112, 224, 448]);
  results.gradients = gradientRows(network, 8);
  print('Batches and threads (torchvision)', results.batches as object[]);
  print('Image sizes (torchvision, batch 4)', results.sizes as object[]);
  print(
    'Rates of forward and gradients, 10⁹ operations a second (torchvision, batch 8)',
    results.gradients as object[],
  );
}
if (parts.includes('cold')) {
  const build = spawnSync('npm', ['run', '--silent', 'build'], {
    cwd: root,
    shell: process.platform === 'win32',
  });
  if (build.status !== 0) say('dist/ could not be built');
  results.cold = coldRows(rounds);
  print('From a cold start to the first result (torchvision)', results.cold as object[]);
}
save();
updateDocument(results as unknown as Results);
