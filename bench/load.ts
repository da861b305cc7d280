/**
 * Small pictures by the thousands. To the server of docs/examples/server.mjs: many clients, each with its next picture
 * as soon as it has its answer, and every answer is held against what a classifier here says. Through `predict --out`:
 * as many files, and a line for each. How the memory of both grows.
 *
 *   npm run -s build && npx tsx bench/load.ts [--clients 200] [--pictures 20000]
 */
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { linkSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import jpeg from 'jpeg-js';
import { Classifier, type Prediction } from '../lib/classify/classifier.ts';
import { quantile } from './statistics.ts';

const HERE = new URL('../', import.meta.url);
const NETWORK = 'cifar-alexnet';
const THOUSAND = 1000;

/** 24 pictures of 32×32, as JPEG. */
const pictures: readonly Buffer[] = Array.from({ length: 24 }, (_, n) => {
  const data = Buffer.alloc(4 * 32 * 32);
  for (const i of data.keys()) {
    const x = (i >> 2) % 32;
    const y = i >> 7;
    data[i] = 128 + 127 * Math.sin((((i % 4) + 1) * x + (n % 8) * y) / 9 + n);
  }
  return jpeg.encode({ width: 32, height: 32, data }, 90).data;
});

/** Makes a process tell, when it is asked, how late its event loop was; 'begin' forgets that. */
const METER = `data:text/javascript,${encodeURIComponent(`
import { monitorEventLoopDelay } from 'node:perf_hooks';
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
process.on('message', (word) => {
  process.send({ p99: delay.percentile(99) / 1e6, most: delay.max / 1e6 });
  if (word === 'begin') delay.reset();
});
process.channel.unref();`)}`;

/** Milliseconds, with the one of the clock that takes it. */
interface Delay {
  readonly p99: number;
  readonly most: number;
}

/** Most resident bytes: in the second thousand (`window`) of pictures, in the one around the middle, in the last. */
type Memory = readonly [warm: number, middle: number, end: number];

/** Watches the memory of a process; `done`: how far it is, `unit` a picture. Linux alone tells. */
function watchMemory(
  pid: number,
  done: () => number,
  window = THOUSAND,
): (count: number, unit?: number) => Memory {
  const samples: { readonly at: number; readonly bytes: number }[] = [];
  const timer = setInterval(() => {
    const kilobytes = /VmRSS:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    if (kilobytes) samples.push({ at: done(), bytes: 1024 * Number(kilobytes) });
  }, 20);
  return (count, unit = 1) => {
    clearInterval(timer);
    const most = (from: number, to: number): number =>
      Math.max(...samples.filter(({ at }) => at >= from * unit && at <= to * unit).map(({ bytes }) => bytes));
    const windows = [window, (count - window) / 2, count - window];
    const [warm, middle, end] = windows.map((from) => most(from, from + window));
    return [warm, middle, end];
  };
}

export interface ServerLoad {
  readonly perSecond: number;
  /** Milliseconds from the request to the whole answer. */
  readonly latency: { readonly median: number; readonly p99: number };
  readonly delay: Delay;
  readonly memory: Memory;
}

/** Rejects at the first answer that is wrong. */
export async function loadServer(clients: number, count: number): Promise<ServerLoad> {
  const wanted = await predictions();
  const server = fork(fileURLToPath(new URL('docs/examples/server.mjs', HERE)), {
    env: { ...process.env, PORT: '0', DEVICE: 'cpu' },
    execArgv: ['--import', METER],
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  const ended = once(server, 'exit');
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  try {
    const [said] = await Promise.race([once(server.stdout!, 'data'), ended]);
    const address = String(said).trim();
    if (!address.startsWith('http')) throw new Error(`the server did not start: ${address}`);
    const meter = async (word = 'tell'): Promise<Delay> => {
      server.send(word);
      const [told] = await once(server, 'message');
      return told;
    };
    const times: number[] = [];
    let next = 0;
    async function client(): Promise<void> {
      while (next < count) {
        const n = next++ % pictures.length;
        const started = performance.now();
        const { status, text } = await post(address, agent, pictures[n]);
        times.push(performance.now() - started);
        if (status !== 200 || !agree(JSON.parse(text), wanted[n]))
          throw new Error(`picture ${n}: ${status} ${text}`);
      }
    }
    await meter('begin');
    const memory = watchMemory(server.pid!, () => times.length);
    const started = performance.now();
    await Promise.all(Array.from({ length: clients }, client));
    const seconds = (performance.now() - started) / 1000;
    return {
      perSecond: count / seconds,
      latency: { median: quantile(times, 0.5), p99: quantile(times, 0.99) },
      delay: await meter(),
      memory: memory(count),
    };
  } finally {
    agent.destroy();
    server.kill('SIGTERM');
    const [code] = await ended;
    if (code !== 0) process.exitCode = 1;
  }
}

async function predictions(): Promise<Prediction[]> {
  await using net = await Classifier.open({ network: NETWORK, device: 'cpu', threads: 1 });
  return await net.classify(pictures);
}

/** The same classes; the last bits depend on what shares a run. */
const agree = (found: Pick<Prediction, 'guesses'>, wanted: Prediction): boolean =>
  wanted.guesses!.every((guess, i) => Math.abs(found.guesses![i].probability - guess.probability) < 1e-4) &&
  found.guesses![0].class === wanted.guesses![0].class;

function post(address: string, agent: Agent, body: Buffer): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-length': body.length };
    const asked = request(address, { agent, method: 'POST', headers }, async (answer) => {
      let text = '';
      for await (const piece of answer.setEncoding('utf8')) text += piece;
      resolve({ status: answer.statusCode!, text });
    });
    asked.on('error', reject).end(body);
  });
}

/** Of `predict --out`. */
export async function bulkMemory(count: number, window?: number): Promise<Memory> {
  const folder = mkdtempSync(join(tmpdir(), 'alexnet-load-'));
  const at = (name: string): string => join(folder, name);
  try {
    for (const [n, picture] of pictures.entries()) writeFileSync(at(`${n}.jpg`), picture);
    const names = Array.from({ length: count }, (_, i) => at(`link-${i}.jpg`));
    for (const [i, name] of names.entries()) linkSync(at(`${i % pictures.length}.jpg`), name);
    writeFileSync(at('list.txt'), names.join('\n'));
    const main = fileURLToPath(new URL('dist/lib/cli/main.js', HERE));
    const args = [
      'predict',
      at('list.txt'),
      '--network',
      NETWORK,
      '--device',
      'cpu',
      '--out',
      at('out.jsonl'),
    ];
    const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
    const ended = once(child, 'exit');
    const size = (): number => statSync(at('out.jsonl'), { throwIfNoEntry: false })?.size ?? 0;
    const memory = watchMemory(child.pid!, size, window);
    const [code] = await ended;
    const lines = readFileSync(at('out.jsonl'), 'utf8').split('\n').length - 1;
    if (code !== 0 || lines !== count) throw new Error(`predict --out ended with ${code}, ${lines} lines`);
    return memory(count, size() / count);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: { clients: { type: 'string', default: '200' }, pictures: { type: 'string', default: '20000' } },
  });
  const count = Number(values.pictures);
  const grown = (memory: Memory): string => {
    const [warm, middle, end] = memory.map((bytes) => bytes / 1e6);
    const each = (from: number, pictures: number): string => ((1e6 * (end - from)) / pictures).toFixed(0);
    return (
      `${warm.toFixed(0)} MB in the second thousand, ${middle.toFixed(0)} in the middle, ${end.toFixed(0)} in the last: ` +
      `${each(warm, count - 2 * THOUSAND)} bytes a picture, ${each(middle, count / 2)} in the second half`
    );
  };
  const { perSecond, latency, delay, memory } = await loadServer(Number(values.clients), count);
  console.log(`server, ${values.clients} clients, ${count} pictures: ${perSecond.toFixed(0)}/s`);
  console.log(`  latency: median ${latency.median.toFixed(0)} ms, p99 ${latency.p99.toFixed(0)} ms`);
  console.log(`  event loop delay: p99 ${delay.p99.toFixed(1)} ms, most ${delay.most.toFixed(1)} ms`);
  console.log(`  memory: ${grown(memory)}`);
  console.log(`predict --out, memory: ${grown(await bulkMemory(count))}`);
}
