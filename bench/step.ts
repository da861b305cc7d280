/**
 * Time of a training step against PyTorch's: the same weights, images, dropout masks and rule, in turns.
 *
 *   npx tsx bench/step.ts [--network alexnet2012] [--batch 16] [--device cpu|cuda|webgpu] [--rounds 9] [--tf32]
 *                         [--peer cpu|cuda|none] [--python /usr/bin/python3] [--peer-script FILE] [--json FILE]
 *
 * Both take uint8 images from the CPU in every step and shift them on the device; neither draws anything.
 * Before the clock runs, the losses of three steps must agree. Each takes as many steps a call as fill the time
 * that `alexnet train` gives a call on that device, and hands back the loss of every step at its end. Quoted
 * are the medians and the least of the rounds, and the median of the rounds' ratios. --tf32 lets CUDA use it,
 * here and in PyTorch.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { fromTensor, type NumericValue } from '../lib/array/value.ts';
import { type Device, LABELS, probe } from '../lib/runtime/devices.ts';
import { gpus } from '../lib/runtime/hardware.ts';
import { restartForTf32 } from '../lib/runtime/tf32.ts';
import { openStepper, type Stepper, type StepperSpec } from '../lib/train/device.ts';
import { TARGET } from '../lib/train/epochs.ts';
import type { StepFeed } from '../lib/train/feed.ts';
import { networks } from '../reference/networks/index.ts';
import type { Network } from '../reference/networks/layers.ts';
import { inputsOf, layerMacs, macs, shapes, weightShapes } from '../reference/oracle.ts';
import { streamOf, words } from '../reference/random.ts';
import { sizeOf, zeros } from '../reference/tensor.ts';
import { trunk } from '../reference/training/gradient.ts';
import { initialise } from '../reference/training/init.ts';
import { writeNpz } from '../spec/support/tensor-bytes.ts';
import { refuse } from './experiments.ts';
import { median } from './statistics.ts';

const { values: options } = parseArgs({
  options: {
    network: { type: 'string', default: 'alexnet2012' },
    batch: { type: 'string', default: '16' },
    device: { type: 'string', default: 'cpu' },
    rounds: { type: 'string', default: '9' },
    peer: { type: 'string', default: 'cpu' },
    tf32: { type: 'boolean', default: false },
    python: { type: 'string', default: '/usr/bin/python3' },
    'peer-script': { type: 'string' },
    json: { type: 'string' },
  },
});
const network =
  networks.find(({ name }) => name === options.network) ?? refuse(`unknown network '${options.network}'`);
const whole = (name: 'batch' | 'rounds'): number => {
  const value = Number(options[name]);
  return Number.isSafeInteger(value) && value > 0 ? value : refuse(`--${name}: an integer of at least 1`);
};
const batch = whole('batch');
const rounds = whole('rounds');
const device = options.device as Device;

/** Small, so that the losses of both stay together for a few steps; the time does not depend on it. */
const LEARNING_RATE = 1e-5;
const momentum = 0.9;
const weightDecay = 0.0005;

/** Whole numbers below `limit` from a stream of the project's generator. */
const drawn = (name: string, count: number, limit: number): number[] =>
  Array.from(words(0, streamOf(`bench.${name}`), count), (word) => Math.floor((word * limit) / 2 ** 32));

interface Subject {
  readonly images: Uint8Array<ArrayBuffer>;
  readonly labels: Int32Array<ArrayBuffer>;
  readonly masks: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
}

function subjectOf({ input, layers }: Network): Subject {
  const known = shapes(network, batch);
  const dropped = layers.flatMap((layer, index) =>
    layer.kind === 'dropout' ? [[layer.name, sizeOf(known.get(inputsOf(network, index)[0])!)] as const] : [],
  );
  const classes = known.get(trunk(network).layers.at(-1)!.name)![1];
  return {
    images: Uint8Array.from(drawn('images', batch * sizeOf(input), 256)),
    labels: Int32Array.from(drawn('labels', batch, classes)),
    masks: new Map(dropped.map(([name, size]) => [name, Uint8Array.from(drawn(name, size, 2))])),
  };
}

/** K steps; their losses, and milliseconds a step. */
type Run = (steps: number) => Promise<{ losses: number[]; ms: number }>;
interface Engine {
  readonly name: string;
  readonly run: Run;
  close(): Promise<void>;
}

async function ours({ images, labels, masks }: Subject): Promise<Engine> {
  const [, side] = network.input;
  const spec: StepperSpec = {
    network,
    batch,
    augment: { side, how: { crop: side, offsets: 'all', mirror: false, chunk: 1, lighting: 'none' } },
    dropout: masks.size > 0,
    masks: [...masks].map(([layer, { length }]) => ({ layer, size: length })),
    rule: 'pytorch',
    momentum,
    weightDecay,
    factors: new Map(),
  };
  // made here and held by nobody else: the state is half a gigabyte
  const stepper: Stepper = await openStepper(
    spec,
    { device },
    {
      weights: initialise(network, 0, 'kaiming'),
      momenta: new Map([...weightShapes(network)].map(([name, shape]) => [name, zeros(shape)])),
    },
  );
  const feed: StepFeed = {
    images,
    offsets: new Int32Array(2 * batch),
    mirrored: new Uint8Array(batch),
    light: new Float32Array(3 * batch),
    masks: [...masks.values()],
  };
  const input = { feed, labels, learningRate: LEARNING_RATE };
  return {
    name: `alexnet-oracle, onnxruntime-node on ${LABELS[device]}`,
    async run(steps) {
      const start = performance.now();
      const results = await stepper.run(Array.from({ length: steps }, () => input));
      return {
        losses: results.map(({ loss }) => loss),
        ms: (performance.now() - start) / steps,
      };
    },
    close: () => stepper.close(),
  };
}

async function pytorch({ images, labels, masks }: Subject): Promise<Engine> {
  const folder = mkdtempSync(join(tmpdir(), 'alexnet-step-'));
  const { mean, deviation, channels, range } = network.preprocess;
  if (channels !== 'RGB' || range !== 255) throw new Error('PyTorch gets RGB from 0 to 255 here');
  const about = { layers: trunk(network).layers, mean, deviation, momentum, weightDecay };
  writeFileSync(join(folder, 'network.json'), JSON.stringify({ ...about, learningRate: LEARNING_RATE }));
  const arrays: [string, NumericValue][] = [
    ...[...initialise(network, 0, 'kaiming')].map(([name, t]): [string, NumericValue] => [
      name,
      fromTensor(t),
    ]),
    ['images', { dtype: 'uint8', shape: [batch, ...network.input], data: images }],
    ['labels', { dtype: 'int32', shape: [batch], data: labels }],
    ...[...masks].map(([name, data]): [string, NumericValue] => [
      `${name}.mask`,
      { dtype: 'uint8', shape: [batch, data.length / batch], data },
    ]),
  ];
  writeFileSync(join(folder, 'data.npz'), writeNpz(arrays));
  const script = options['peer-script'] ?? fileURLToPath(new URL('./engines/torchstep.py', import.meta.url));
  const argv = [script, folder, options.peer, `${availableParallelism()}`, options.tf32 ? 'tf32' : 'float32'];
  const child = spawn(options.python, argv, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.on('error', ({ message }) => refuse(`PyTorch: ${message}`));
  const answer = answersOf(child);
  const started = answer() as Promise<{ torch: string; name: string }>;
  const { torch, name } = await started.finally(() => rmSync(folder, { recursive: true }));
  return {
    name: `PyTorch ${torch} on ${name}${options.tf32 ? ', TF32' : ''}`,
    async run(steps) {
      child.stdin!.write(`${steps}\n`);
      const { losses, seconds } = (await answer()) as { losses: number[]; seconds: number };
      return { losses, ms: (1000 * seconds) / steps };
    },
    close: async () => void child.kill(),
  };
}

/** The next line of the child's, as JSON. */
function answersOf(child: ChildProcess): () => Promise<unknown> {
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  return async () => {
    const { done, value } = await lines.next();
    if (done) throw new Error('PyTorch ended without an answer');
    return JSON.parse(value);
  };
}

/** Steps that fill a call of `alexnet train`. */
const callOf = (ms: number): number => Math.max(1, Math.round(TARGET[device] / ms));

/**
 * Losses of three steps, over the first. A loss of this size is off by a few times 2⁻²⁴ in float32, and by a
 * few times 2⁻¹⁰ with TF32; the limits leave a factor of 2⁸ and 2³ for what the steps make of that. A mask,
 * mean or momentum that is another changes the losses by more: spec/suite/step.spec.ts tries one.
 */
function mustAgree(a: readonly number[], b: readonly number[]): number {
  const difference = Math.max(...a.map((loss, i) => Math.abs(loss - b[i]) / b[0]));
  if (!(difference < (options.tf32 ? 2 ** -7 : 2 ** -14)))
    throw new Error(`the losses differ: ${a} and ${b}`);
  return difference;
}

if (await restartForTf32(device, options.tf32, console.error)) process.exit();
const { reason } = await probe(device);
if (reason) refuse(`${device}: ${reason}`);
const subject = subjectOf(network);
const engines = [await ours(subject), ...(options.peer === 'none' ? [] : [await pytorch(subject)])];
const first: number[][] = [];
for (const { run } of engines) first.push((await run(3)).losses);
const difference = first.length > 1 ? mustAgree(first[0], first[1]) : undefined;
const steps: number[] = [];
for (const { run } of engines) steps.push(callOf((await run(1)).ms));
const times: number[][] = engines.map(() => []);
for (let round = 0; round < rounds; round++) {
  for (const [e, { run }] of engines.entries()) times[e].push((await run(steps[e])).ms);
}
for (const { close } of engines) await close();

const ratios = times.length > 1 ? times[0].map((ms, round) => ms / times[1][round]) : [];
/** Forward, and both gradients of every layer but the first, which has no gradient of its input. */
const flops = 2 * batch * (3 * macs(network) - layerMacs(network, 0));
const rows = engines.map(({ name }, e) => ({
  engine: name,
  steps: steps[e],
  medianMs: Number(median(times[e]).toPrecision(4)),
  leastMs: Number(Math.min(...times[e]).toPrecision(4)),
  imagesPerSecond: Number(((1000 * batch) / median(times[e])).toPrecision(4)),
  gigaflops: Number((flops / median(times[e]) / 1e6).toPrecision(3)),
}));
const result = {
  network: network.name,
  batch,
  rounds,
  rows,
  ratio: ratios.length > 0 ? Number(median(ratios).toPrecision(3)) : undefined,
  difference,
  peakMB: Math.round(process.resourceUsage().maxRSS / 1024),
  machine: {
    processor: `${cpus().length} × ${cpus()[0].model.trim()}`,
    gpus: await gpus(),
    load: Number(loadavg()[0].toFixed(1)),
    node: process.version,
  },
};
for (const row of rows)
  console.log(
    `${network.name}, batch ${batch}: ${row.engine}: median ${row.medianMs} ms a step, least ${row.leastMs}, ` +
      `${row.imagesPerSecond} images/s, ${row.gigaflops} GFLOP/s (${row.steps} steps a call)`,
  );
if (result.ratio !== undefined)
  console.log(
    `ratio ${result.ratio} (median of the rounds'); losses of three steps within ${difference?.toExponential(1)}`,
  );
console.log(`peak memory of this process ${result.peakMB} MB; load ${result.machine.load}`);
if (options.json) writeFileSync(options.json, `${JSON.stringify(result, null, 1)}\n`);
