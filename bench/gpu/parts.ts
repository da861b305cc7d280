/**
 * The parts of the GPU check (bench/gpu-check.ts): each runs in a process of its own and returns what it saw. They
 * need the device alone, except for `peer` and `step`, which compare with PyTorch on the same card.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { joined } from '../../export/index.ts';
import { doctor, verify } from '../../lib/index.ts';
import { modelOf } from '../../lib/networks/modelfile.ts';
import { type Device, lrnOf } from '../../lib/runtime/session.ts';
import { TF32_VARIABLE } from '../../lib/runtime/tf32.ts';
import { repeatLines } from '../../lib/verify/repeats.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import { initialise } from '../../reference/training/init.ts';
import { median } from '../statistics.ts';
import { ours, pytorch } from './engines.ts';

/** What a part is asked; each uses what concerns it. */
export interface Question {
  readonly part: keyof typeof parts;
  readonly network?: string;
  readonly device?: Device;
  readonly precision?: 'float32' | 'float16';
  readonly input?: 'float32' | 'uint8';
  readonly graph?: 'gradients' | 'training';
  readonly batches?: readonly number[];
  readonly seconds?: number;
  /** TF32 stays on; the process gets NVIDIA_TF32_OVERRIDE=0 else. */
  readonly tf32?: boolean;
  readonly python?: string;
  /** When TF32 is switched off, for `switched`. */
  readonly when?: 'before' | 'after' | 'main' | 'worker';
}

export interface Found {
  /** Whether it is what it should be; null for what is only measured. */
  readonly ok: boolean | null;
  /** One line for the table. */
  readonly says: string;
  readonly figures?: unknown;
}

type Part = (question: Question) => Promise<Found>;

/** The devices that work, and the commands for what is missing. */
const diagnosis: Part = async () => {
  const found = await doctor();
  const states = found.devices.map(({ device, works, reason }) => `${device}: ${works ? 'works' : reason}`);
  return { ok: null, says: states.join('; '), figures: found };
};

/** Every layer of a network at full size, or every gradient or step of training, within its bound. */
const right: Part = async ({ network, device, precision, graph, batches }) => {
  const folder = mkdtempSync(join(tmpdir(), 'alexnet-gpu-'));
  try {
    const model = join(folder, 'm.onnx');
    if (precision === 'float16') {
      const net = networkNamed(network!);
      const options = {
        source: 'seed 0',
        precision,
        lrn: lrnOf(device!),
      } as const;
      writeFileSync(model, joined(modelOf(net, initialise(net, 0, 'kaiming'), options).chunks()));
    }
    const found = await verify({
      network,
      device,
      ...(precision === 'float16' ? { model } : {}),
      ...(graph ? { graph, batch: batches?.[0] } : {}),
      ...(graph === 'training' ? { steps: 2 } : {}),
    });
    const compared = found.layers.flatMap(({ introduced }) => introduced ?? []);
    const over = Math.max(...compared.map(({ overBound }) => overBound));
    const bits = Math.min(...compared.map(({ bits }) => bits ?? Number.POSITIVE_INFINITY));
    const wider = found.layers.filter(({ introduced }) => introduced?.named).map(({ layer }) => layer);
    const transform = wider.length > 0 ? `; by a transform's bound: ${wider.join(' ')}` : '';
    const runs = found.runs.map(({ verdict }) => verdict).join(' ');
    const failed = found.first ? `, first ${found.first}: ${whyOf(found.layers, found.first)}` : '';
    return {
      ok: found.verdict === 'pass' || (found.verdict === 'suspicious' && wider.length > 0),
      says: `${found.verdict}${failed}; ${bits.toFixed(1)} bits, error/bound ${over.toPrecision(2)}; ${found.placement}; runs: ${runs}${transform}`,
      figures: { verdict: found.verdict, bits, over, wider, placement: found.placement, first: found.first },
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

const whyOf = (layers: readonly { layer: string; reason: string }[], first: string): string =>
  layers.find(({ layer }) => layer === first)?.reason ?? '';

/** With TF32 left on, every convolution and fully connected layer must be told from float32. */
const tf32: Part = async ({ network, device }) => {
  const { layers, verdict } = await verify({ network, device, require: 'float32', tf32: true });
  const products = layers.filter(({ kind }) => kind === 'conv2d' || kind === 'linear');
  const told = products.filter(({ verdict }) => verdict === 'fail');
  const bits = products.map(({ layer, introduced }) => `${layer} ${introduced?.bits?.toFixed(1)}`);
  return {
    ok: told.length === products.length && verdict === 'fail',
    says: `${told.length} of ${products.length} convolutions and fully connected layers told from float32: ${bits.join(', ')} bits`,
  };
};

/**
 * Whether TF32 can be switched off in a process that runs already (lib/runtime/tf32.ts): the variable set before the
 * first session, after one, before a worker's, and by a worker. A try is another process: `when` says which this is.
 */
const switched: Part = async ({ network, when }) => {
  if (when === undefined) {
    const tries = ['before', 'after', 'main', 'worker'] as const;
    const bits = tries.map((word) => tried({ part: 'switched', network, when: word }));
    const says = tries.map((word, i) => `${word}: ${bits[i]}`).join(', ');
    return { ok: null, says: `least bits after ${TF32_VARIABLE}=0 was set in the process: ${says}` };
  }
  if (when === 'after') await leastBits(network!);
  if (when !== 'worker') process.env[TF32_VARIABLE] = '0';
  const bits =
    when === 'main' || when === 'worker' ? await inWorker(network!, when) : await leastBits(network!);
  return { ok: null, says: bits.toFixed(1) };
};

function tried(question: Question): string {
  const { [TF32_VARIABLE]: _, ...env } = process.env;
  const argv = [...process.execArgv, process.argv[1], `--part=${JSON.stringify(question)}`];
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, argv, {
    encoding: 'utf8',
    env,
    timeout: 30_000,
  });
  if (status === 0) return (JSON.parse(stdout.trim().split('\n').at(-1)!) as Found).says;
  return `ended with ${signal ?? status}: ${lastWords(stderr)}`;
}

/** The line that says what went wrong, of what a process that died left on its standard error. */
export const lastWords = (stderr: string): string =>
  (
    stderr.split('\n').findLast((line) => /^\s*\w*Error\b.*: /.test(line)) ??
    stderr.trim().split('\n').at(-1)!
  )
    .trim()
    .slice(0, 300);

/** Fewest effective bits of the convolutions and fully connected layers on CUDA. */
export async function leastBits(network: string): Promise<number> {
  const { layers } = await verify({ network, device: 'cuda', require: 'tf32' });
  const products = layers.filter(({ kind }) => kind === 'conv2d' || kind === 'linear');
  return Math.min(...products.map(({ introduced }) => introduced?.bits ?? Number.POSITIVE_INFINITY));
}

function inWorker(network: string, when: 'main' | 'worker'): Promise<number> {
  const script = new URL(`./switched-worker${extname(import.meta.url)}`, import.meta.url);
  const worker = new Worker(script, { workerData: { network, when } });
  return new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
}

/** A file whose norm1 has another k must fail, in norm1. */
const planted: Part = async ({ network, device }) => {
  const net = networkNamed(network!);
  const layers = net.layers.map((layer) =>
    layer.name === 'norm1' && layer.kind === 'lrn'
      ? { ...layer, attributes: { ...layer.attributes, k: layer.attributes.k + 0.01 } }
      : layer,
  );
  const folder = mkdtempSync(join(tmpdir(), 'alexnet-gpu-'));
  try {
    const model = join(folder, 'm.onnx');
    const weights = initialise(net, 0, 'kaiming');
    const lrn = lrnOf(device!);
    writeFileSync(model, joined(modelOf({ ...net, layers }, weights, { source: 'seed 0', lrn }).chunks()));
    const { verdict, first, layers: rows } = await verify({ model, network, device });
    return {
      ok: verdict === 'fail' && first === 'norm1',
      says: `k + 0.01 in norm1: ${verdict}, first ${first}: ${whyOf(rows, first ?? '')}`,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

/** Which layers keep their bits between runs, sessions, batch sizes and places in the batch. */
const determinism: Part = async ({ network, device }) => {
  const { repeats = [] } = await verify({ network, device, repeat: 3 });
  return { ok: null, says: repeatLines(repeats).join('; '), figures: repeats };
};

/** Images per second from host memory and back, after the outputs agree with the oracle's. */
const speed: Part = async ({ network, device, batches = [1], seconds = 2, ...how }) => {
  const net = networkNamed(network!);
  const engine = await ours(net, device!, how);
  const rows: { batch: number; ms: number; imagesPerSecond: number }[] = [];
  for (const batch of batches) {
    const ms: number[] = [];
    const begin = performance.now();
    while (ms.length < 5 || performance.now() - begin < seconds * 1000) ms.push(await engine.run(batch));
    const middle = median(ms.slice(2));
    rows.push({ batch, ms: middle, imagesPerSecond: (1000 * batch) / middle });
  }
  await engine.close();
  const says = rows.map(
    ({ batch, imagesPerSecond }) => `batch ${batch}: ${imagesPerSecond.toFixed(0)} images/s`,
  );
  return { ok: null, says: says.join(', '), figures: rows };
};

/** The same images through ours and PyTorch in turns, each from host memory and back. */
const peer: Part = async ({ network, device, batches = [128], seconds = 2, python = 'python3', ...how }) => {
  const net = networkNamed(network!);
  const engine = await ours(net, device!, how);
  const torch = await pytorch(net, device === 'cuda' ? 'cuda' : 'cpu', python, how.tf32 ?? false, batches[0]);
  const ratios: number[] = [];
  const times: [number[], number[]] = [[], []];
  await engine.run(batches[0]);
  const begin = performance.now();
  while (ratios.length < 5 || performance.now() - begin < seconds * 1000) {
    const mine = await engine.run(batches[0]);
    const theirs = await torch.run();
    times[0].push(mine);
    times[1].push(theirs);
    ratios.push(theirs / mine);
  }
  await engine.close();
  torch.close();
  const rate = (ms: number[]) => (1000 * batches[0]) / median(ms);
  const ratio = median(ratios);
  const figures = {
    batch: batches[0],
    ours: rate(times[0]),
    pytorch: rate(times[1]),
    ratio,
    torch: torch.name,
  };
  return {
    ok: ratio >= 0.9,
    says: `batch ${batches[0]}: ${figures.ours.toFixed(0)} images/s, ${torch.name} ${figures.pytorch.toFixed(0)}: ratio ${ratio.toFixed(2)} (wanted: 0.9)`,
    figures,
  };
};

/** A training step beside PyTorch's (bench/step.ts). */
const step: Part = async ({ network, device, batches = [128], python = 'python3', tf32: keep }) => {
  const folder = mkdtempSync(join(tmpdir(), 'alexnet-gpu-'));
  const json = join(folder, 'step.json');
  const script = fileURLToPath(new URL(`../step${extname(import.meta.url)}`, import.meta.url));
  const args = ['--network', network!, '--device', device!, '--peer', device!, '--python', python];
  const more = ['--batch', `${batches[0]}`, '--rounds', '5', '--json', json, ...(keep ? ['--tf32'] : [])];
  try {
    const { status, stderr } = spawnSync(process.execPath, [...process.execArgv, script, ...args, ...more], {
      encoding: 'utf8',
    });
    if (status !== 0) return { ok: false, says: `exit ${status}: ${stderr.trim().split('\n').at(-1)}` };
    const { rows, ratio, difference } = JSON.parse(readFileSync(json, 'utf8'));
    const says = rows.map((row: { engine: string; medianMs: number }) => `${row.engine} ${row.medianMs} ms`);
    return {
      ok: ratio <= 1.5,
      says: `${says.join(', ')}: ratio ${ratio} (wanted: 1.5)`,
      figures: { rows, ratio, difference },
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

export const parts = { diagnosis, right, tf32, switched, planted, determinism, speed, peer, step };
