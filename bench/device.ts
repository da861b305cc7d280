/**
 * Images per second on every device that works here, each verified layer by layer before it is timed.
 *
 *   npx tsx bench/device.ts [--network NAME] [--on cpu,cuda,cuda-tf32,webgpu] [--batches 1,16,128]
 *                           [--seconds S] [--json FILE]
 *
 * A run includes what a user waits for: the input's way to the device and the output's way back. Each device
 * is measured in a process of its own, CUDA with TF32 off (`cuda`) and on (`cuda-tf32`). Median over the runs
 * of S seconds (default 5, at least 3 runs), after two that are not counted. docs/devices.md says what was
 * measured so far.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { joined } from '../export/index.ts';
import { verify } from '../lib/index.ts';
import { readInput } from '../lib/networks/input.ts';
import { modelOf } from '../lib/networks/modelfile.ts';
import { resolve } from '../lib/networks/resolve.ts';
import { table } from '../lib/report/table.ts';
import { type Device, LABELS, probe } from '../lib/runtime/devices.ts';
import { gpus } from '../lib/runtime/hardware.ts';
import { installation } from '../lib/runtime/installation.ts';
import { lrnOf, openSession, type Session } from '../lib/runtime/session.ts';
import { TF32_VARIABLE } from '../lib/runtime/tf32.ts';
import { asTensor } from '../lib/runtime/values.ts';
import { dense, type Tensor, tensor } from '../reference/tensor.ts';

const CONFIGURATIONS = ['cuda', 'cuda-tf32', 'webgpu', 'cpu'] as const;
type Configuration = (typeof CONFIGURATIONS)[number];

interface Timing {
  readonly batch: number;
  readonly runs: number;
  readonly medianMs: number;
  readonly imagesPerSecond: number;
}

interface Result {
  readonly configuration: Configuration;
  /** Why it was not measured; the rest is absent then. */
  readonly reason?: string;
  readonly software?: string;
  readonly verdict?: string;
  /** The first layer that failed. */
  readonly first?: string | null;
  readonly placement?: string;
  /** The fewest effective bits of a convolution or fully connected layer. */
  readonly bits?: number;
  readonly openMs?: number;
  readonly timings?: readonly Timing[];
}

const { values: options } = parseArgs({
  options: {
    network: { type: 'string', default: 'alexnet2012' },
    on: { type: 'string', default: CONFIGURATIONS.join() },
    batches: { type: 'string', default: '1,16,128' },
    seconds: { type: 'string', default: '5' },
    json: { type: 'string' },
    one: { type: 'string' },
  },
});
const deviceOf = (configuration: Configuration): Device =>
  configuration === 'cuda-tf32' ? 'cuda' : configuration;

const network = options.network;
const seconds = Number(options.seconds);

/**
 * How far a timed run's output, a whole vector, may be from the oracle's: it runs the graph that was verified, with
 * onnxruntime's fusions, and the check is there for a batch that is mixed up. 2⁻¹⁰ is TF32's unit roundoff.
 */
const tolerance = (configuration: Configuration): number =>
  configuration === 'cuda-tf32' ? 32 * 2 ** -10 : 2 ** -10;

if (options.one) process.stdout.write(`${JSON.stringify(await measure(options.one as Configuration))}\n`);
else await main();

async function main(): Promise<void> {
  const results: Result[] = [];
  for (const configuration of CONFIGURATIONS) {
    if (!options.on.split(',').includes(configuration)) continue;
    process.stderr.write(`${configuration} …\n`);
    results.push(apart(configuration));
  }
  const [cpu] = cpus();
  const machine = {
    cpu: `${cpus().length} × ${cpu?.model ?? 'unknown'}`,
    gpus: await gpus(),
    node: process.version,
    onnxruntime: installation()?.version,
  };
  const cards = machine.gpus.map(({ name, driver }) => `${name} (${driver ?? 'no driver'})`).join(', ');
  console.log(`${network}, ${machine.cpu}, GPU: ${cards || 'none'}, Node ${machine.node}`);
  console.log(`onnxruntime ${machine.onnxruntime}\n\n${text(results)}`);
  if (options.json)
    writeFileSync(options.json, `${JSON.stringify({ network, machine, results }, null, 2)}\n`);
  if (results.some(({ verdict }) => verdict === 'fail')) process.exitCode = 1;
}

/** One configuration in a process of its own: a driver that crashes takes nothing with it. */
function apart(configuration: Configuration): Result {
  const env: NodeJS.ProcessEnv = { ...process.env, [TF32_VARIABLE]: '0' };
  if (configuration === 'cuda-tf32') delete env[TF32_VARIABLE];
  const argv = [...process.execArgv, ...process.argv.slice(1), `--one=${configuration}`];
  const { status, signal, stdout } = spawnSync(process.execPath, argv, {
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status === 0) return JSON.parse(stdout) as Result;
  return { configuration, reason: `its process ended with ${signal ?? `exit code ${status}`}` };
}

async function measure(configuration: Configuration): Promise<Result> {
  const device = deviceOf(configuration);
  const { works, reason, software } = await probe(device);
  if (!works) return { configuration, reason };
  const require = configuration === 'cuda-tf32' ? 'tf32' : 'float32';
  const { verdict, first, placement, layers, values } = await verify({ network, device, require });
  const bits = Math.min(...layers.map(({ introduced }) => introduced?.bits ?? Number.POSITIVE_INFINITY));
  const head = { configuration, ...(software ? { software } : {}), verdict, first, placement, bits };
  if (verdict === 'fail') return head;
  const expected = values.oracle.get(layers.at(-1)!.layer)!;
  const { network: built, weights, source } = await resolve({ network });
  const lrn = lrnOf(device);
  const bytes = joined(modelOf(built, weights, { source, lrn }).chunks());
  const image = (await readInput(built, {})).tensor;
  const start = performance.now();
  await using session = await openSession(bytes, device);
  const openMs = performance.now() - start;
  const timings: Timing[] = [];
  for (const batch of options.batches.split(',').map(Number)) {
    timings.push(await time(session, repeated(image, batch), expected, tolerance(configuration)));
  }
  return { ...head, openMs, timings };
}

/** The first image of x, `batch` times. */
function repeated(x: Tensor, batch: number): Tensor {
  const [, ...rest] = x.shape;
  const size = rest.reduce((product, extent) => product * extent, 1);
  const one = dense(x).subarray(0, size);
  const data = new Float32Array(batch * size);
  for (let n = 0; n < batch; n++) data.set(one, n * size);
  return tensor(data, [batch, ...rest]);
}

async function time(session: Session, x: Tensor, expected: Tensor, limit: number): Promise<Timing> {
  const [batch] = x.shape;
  const feeds = new Map([['input', x]]);
  const runs: number[] = [];
  const begin = performance.now();
  for (let run = 0; run < 5 || performance.now() - begin < seconds * 1000; run++) {
    const start = performance.now();
    const results = await session.run(feeds);
    const passed = performance.now() - start;
    if (run >= 2) runs.push(passed);
    else for (const [name, value] of results) mustAgree(asTensor(value, name), expected, limit);
  }
  const medianMs = runs.sort((a, b) => a - b)[runs.length >> 1];
  return { batch, runs: runs.length, medianMs, imagesPerSecond: (1000 * batch) / medianMs };
}

/** Throws unless every image's output is the verified one. */
function mustAgree(y: Tensor, expected: Tensor, limit: number): void {
  const [got, want] = [dense(y), dense(expected)];
  const size = want.length / expected.shape[0];
  for (let n = 0; n < y.shape[0]; n++) {
    let error = 0;
    let norm = 0;
    for (let k = 0; k < size; k++) {
      error += (got[n * size + k] - want[k]) ** 2;
      norm += want[k] ** 2;
    }
    if (!(Math.sqrt(error / norm) <= limit)) {
      throw new Error(
        `image ${n} of ${y.shape[0]}: the timed run differs from the oracle by ${Math.sqrt(error / norm)}`,
      );
    }
  }
}

function text(results: readonly Result[]): string {
  const columns = ['device', 'verified', 'bits', 'opens in', 'batch', 'ms a batch', 'images/s'].map(
    (title, c) => ({
      title,
      align: c < 2 ? ('left' as const) : ('right' as const),
    }),
  );
  const rows = results.flatMap(
    ({ configuration, reason, software, verdict, first, bits, openMs, timings }) => {
      const tf32 = configuration === 'cuda-tf32' ? ', TF32' : '';
      const label = `${LABELS[deviceOf(configuration)]}${tf32}${software ? ` (${software})` : ''}`;
      if (reason) return [[label, 'not measured', '', '', '', '', '']];
      const head = [label, first ? `${verdict}: ${first}` : `${verdict}`, bits?.toFixed(1) ?? ''];
      if (!timings) return [[...head, '', '', '', '']];
      return timings.map(({ batch, medianMs, imagesPerSecond }, i) => [
        ...(i === 0 ? [...head, `${((openMs ?? 0) / 1000).toFixed(1)} s`] : ['', '', '', '']),
        String(batch),
        medianMs.toFixed(medianMs < 10 ? 2 : 0),
        imagesPerSecond.toFixed(imagesPerSecond < 100 ? 1 : 0),
      ]);
    },
  );
  const reasons = results.flatMap(({ configuration, reason }) =>
    reason ? [`${configuration}: ${reason}`] : [],
  );
  return [table(columns, rows), ...reasons].join('\n');
}
