/**
 * Everything that is to be known of a GPU, in one run of at most eight minutes: what works, whether every layer of
 * every network and every gradient is right there, what is deterministic, how fast it is.
 *
 *   npm run gpu [-- --on cuda,webgpu] [--minutes 8] [--json gpu.json] [--python python3] [--small]
 *   on a bare machine (bench/pack-device.ts):  bash .device/run.sh bench/gpu-check.js --json gpu.json
 *
 * Each step runs in a process of its own with a limit, and what fails or dies stops none of the others. What times
 * nothing runs side by side first, a process for every four cores. The JSON file and the table beside it (gpu.md) are
 * written after every step; what no time was left for stands in them as not run.
 * `npx tsx bench/gpu/document.ts gpu.json` puts the table into docs/devices.md. --small takes the smallest network
 * for a try of the check itself.
 */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { gpus } from '../lib/runtime/hardware.ts';
import { installation } from '../lib/runtime/installation.ts';
import type { Device } from '../lib/runtime/session.ts';
import { TF32_VARIABLE } from '../lib/runtime/tf32.ts';
import { networks } from '../reference/networks/index.ts';
import { type Found, lastWords, parts, type Question } from './gpu/parts.ts';
import { lineOf, markdown, type Row } from './gpu/table.ts';

const { values: options } = parseArgs({
  options: {
    on: { type: 'string', default: 'cuda,webgpu' },
    minutes: { type: 'string', default: '8' },
    json: { type: 'string', default: 'gpu.json' },
    python: { type: 'string', default: 'python3' },
    small: { type: 'boolean', default: false },
    part: { type: 'string' },
  },
});

/** The most important first: what comes last is what a short run lacks. Seconds are each step's limit. */
function plan(): [number, Question][] {
  const network = options.small ? 'cifar-alexnet' : 'alexnet2012';
  const all = options.small ? ['cifar-alexnet'] : networks.map(({ name }) => name);
  const large = options.small ? 4 : 128;
  const batches = options.small ? [1, 4] : [1, 16, 128, 512];
  const python = options.python;
  const has = (device: Device) => options.on.split(',').includes(device);
  const on = (device: Device): [number, Question][] => [
    [60, { part: 'right', network, device }],
    [60, { part: 'planted', network, device }],
    [90, { part: 'right', graph: 'gradients', network, device, batches: [4] }],
    [120, { part: 'right', graph: 'training', network, device, batches: [2] }],
    [60, { part: 'right', precision: 'float16', network, device }],
    [60, { part: 'determinism', network, device }],
    [60, { part: 'speed', network, device, batches }],
    [60, { part: 'speed', input: 'uint8', network, device, batches }],
  ];
  const cuda: [number, Question][] = [
    [60, { part: 'tf32', network, device: 'cuda', tf32: true }],
    [90, { part: 'switched', network: 'cifar-alexnet', device: 'cuda', tf32: true }],
    [60, { part: 'peer', network, device: 'cuda', batches: [large], python }],
    [90, { part: 'step', network, device: 'cuda', batches: [large], python }],
    [60, { part: 'speed', network, device: 'cuda', batches, tf32: true }],
    [60, { part: 'speed', precision: 'float16', network, device: 'cuda', batches }],
    [60, { part: 'peer', network, device: 'cuda', batches: [large], python, tf32: true }],
    [90, { part: 'step', network, device: 'cuda', batches: [large], python, tf32: true }],
  ];
  const others = (device: Device) =>
    all
      .filter((name) => name !== network)
      .map((name): [number, Question] => [60, { part: 'right', network: name, device }]);
  return [
    [60, { part: 'diagnosis' }],
    ...(has('cuda') ? [...on('cuda'), ...cuda] : []),
    ...(has('webgpu') ? on('webgpu') : []),
    ...(has('cpu') ? on('cpu') : []),
    ...(['cuda', 'webgpu', 'cpu'] as const).filter(has).flatMap(others),
  ];
}

if (options.part) {
  const question = JSON.parse(options.part) as Question;
  process.stdout.write(`\n${JSON.stringify(await parts[question.part](question))}\n`);
} else await main();

async function main(): Promise<void> {
  const deadline = performance.now() + Number(options.minutes) * 60_000;
  const machine = {
    processor: `${cpus().length} × ${cpus()[0]?.model.trim()}`,
    gpus: await gpus(),
    node: process.version,
    onnxruntime: installation()?.version,
    command: `bench/gpu-check.ts ${process.argv.slice(2).join(' ')}`.trim(),
    date: new Date().toISOString().slice(0, 10),
  };
  const steps = plan();
  const found: Row[] = [];
  const rows = () => Object.values(found); // as planned, without those that are still to come
  const step = async (at: number): Promise<void> => {
    const [limit, question] = steps[at];
    const left = (deadline - performance.now()) / 1000;
    const start = performance.now();
    const saw: Found =
      left < 5
        ? { ok: null, says: 'not run: no time was left' }
        : await apart(question, Math.min(limit, left), left < limit);
    const seconds = Number(((performance.now() - start) / 1000).toFixed(1));
    found[at] = { question, seconds, ...saw };
    writeFileSync(options.json, `${JSON.stringify({ machine, rows: rows() }, null, 1)}\n`);
    writeFileSync(options.json.replace(/(\.json)?$/, '.md'), markdown({ machine, rows: rows() }));
    process.stderr.write(`${lineOf(found[at])}\n`);
  };
  const timed = ([, { part }]: (typeof steps)[number]) =>
    part === 'speed' || part === 'peer' || part === 'step';
  const waiting = [...steps.keys()].filter((at) => !timed(steps[at]));
  const worker = async () => {
    for (let at = waiting.shift(); at !== undefined; at = waiting.shift()) await step(at);
  };
  await Promise.all(Array.from({ length: Math.ceil(availableParallelism() / 4) }, worker));
  for (const at of steps.keys()) if (timed(steps[at])) await step(at);
  process.exitCode = rows().some(({ ok }) => ok === false) ? 1 : 0;
}

/** One step in a process of its own; what ended it is its finding, unless the whole run's time did (`cut`). */
function apart(question: Question, seconds: number, cut: boolean): Promise<Found> {
  const env: NodeJS.ProcessEnv = { ...process.env, [TF32_VARIABLE]: '0' };
  if (question.tf32) delete env[TF32_VARIABLE];
  const argv = [...process.execArgv, process.argv[1], `--part=${JSON.stringify(question)}`];
  return new Promise((resolve) => {
    const child = spawn(process.execPath, argv, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let words = '';
    const timer = setTimeout(() => child.kill('SIGKILL'), seconds * 1000);
    child.stdout.on('data', (part) => {
      out += part;
    });
    child.stderr.on('data', (part) => {
      words = `${words}${part}`.slice(-4000);
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const last = out.trim().split('\n').at(-1) ?? '';
      if (code === 0) return resolve(JSON.parse(last) as Found);
      if (signal === 'SIGKILL' && cut) return resolve({ ok: null, says: 'stopped: no time was left' });
      const ended =
        signal === 'SIGKILL'
          ? `not done after ${seconds.toFixed(0)} s`
          : `ended with ${signal ?? `exit code ${code}`}`;
      resolve({ ok: false, says: `${ended}: ${lastWords(words)}` });
    });
  });
}
