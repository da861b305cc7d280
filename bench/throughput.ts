/**
 * Pictures a second: decoding alone, the device alone, the pipeline of both, and the whole command, against jpeg-js by
 * itself in one thread. Each part runs in a process of its own, in turns; before any is timed, what the pipeline says
 * is held against the oracle.
 *
 *   npm run -s build && npx tsx bench/throughput.ts [--pictures DIR] [--weights FILE] [--network NAME] [--device D]
 *                                                   [--rounds N] [--write]
 *
 * `--write` puts the table into docs/performance.md. Medians of the rounds (default 5); CPU seconds are those of all
 * threads.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import jpeg from 'jpeg-js';
import type { DeviceWord } from '../lib/runtime/devices.ts';
import { markdown, withBlocks } from './document.ts';
import { median } from './statistics.ts';

const HERE = new URL('../', import.meta.url);
const SHARED = fileURLToPath(new URL('../shared/data/', HERE));

export interface Setting {
  readonly pictures: string;
  readonly weights: string;
  readonly network?: string;
  readonly device: string;
}

/** Of one pass over the pictures, in a process that has just started. */
export interface Timing {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakMB: number;
  /** 99th percentile of the event loop's delay, milliseconds, where a caller waits. */
  readonly delay?: number;
  /** The same once more, when everything has run before. */
  readonly again?: number;
  /** Of the pipeline: the most that a probability is off the oracle's. */
  readonly difference?: number;
}

/** What is built: threads of sources would compile them first. */
const built = {
  pool: (): Promise<typeof import('../lib/data/pool.ts')> => import(from('data/pool')),
  classifier: (): Promise<typeof import('../lib/classify/classifier.ts')> =>
    import(from('classify/classifier')),
  engine: (): Promise<typeof import('../lib/classify/engine.ts')> => import(from('classify/engine')),
  pipeline: (): Promise<typeof import('../lib/classify/pipeline.ts')> => import(from('classify/pipeline')),
};
const from = (path: string): string => new URL(`dist/lib/${path}.js`, HERE).href;

const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.jpe?g$/i.test(name))
    .sort()
    .map((name) => join(folder, name));

async function timed(run: () => Promise<unknown>): Promise<{ seconds: number; cpuSeconds: number }> {
  const cpu = process.cpuUsage();
  const started = performance.now();
  await run();
  const { user, system } = process.cpuUsage(cpu);
  return { seconds: (performance.now() - started) / 1000, cpuSeconds: (user + system) / 1e6 };
}

type Decoder = 'jpeg-js' | 'sharp';

/** Each in its own process; all but the first two take the decoder. */
const parts = {
  /** The library, one thread, none of this project's code. */
  async alone({ pictures }: Setting) {
    return timed(async () => {
      for (const file of filesIn(pictures))
        jpeg.decode(readFileSync(file), { useTArray: true, formatAsRGBA: false });
    });
  },

  async device({ pictures, ...setting }: Setting) {
    await using net = await open(setting, 'jpeg-js');
    const { startEngines } = await built.engine();
    const { batchFor } = await built.pipeline();
    const { network } = net.model;
    const [engine] = await startEngines(net.model, { device: setting.device as DeviceWord });
    await engine.ready;
    const count = filesIn(pictures).length;
    const size = network.input.reduce((a, b) => a * b);
    const batch = batchFor(network, engine.device);
    /** Two batches are under way, as in the pipeline. */
    const lane = async (take: () => number) => {
      for (let n = take(); n > 0; n = take())
        await engine.probabilities(Array.from({ length: n }, () => new Float32Array(size)));
    };
    const pass = () => {
      let left = count;
      const take = () => {
        const n = Math.min(batch, left);
        left -= n;
        return n;
      };
      return timed(() => Promise.all([lane(take), lane(take)]));
    };
    const first = await pass();
    const { seconds } = await pass();
    await engine.close();
    return { ...first, again: seconds };
  },

  async decode({ pictures, ...setting }: Setting, decoder: Decoder) {
    await using net = await open(setting, decoder);
    const { openPool } = await built.pool();
    await using pool = openPool({ form: 'input', preprocess: net.model.preprocess, decoder });
    const pass = () =>
      timed(() => Promise.all(filesIn(pictures).map((file) => pool.prepare([{ name: file, file }]))));
    const first = await pass();
    return { ...first, again: (await pass()).seconds };
  },

  async pipeline({ pictures, ...setting }: Setting, decoder: Decoder) {
    await using net = await open(setting, decoder);
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const pass = () =>
      timed(async () => {
        for await (const { error } of net.stream(pictures)) if (error) throw new Error(error);
      });
    const first = await pass();
    const { seconds } = await pass();
    delay.disable();
    const files = filesIn(pictures).slice(0, 4);
    const { Classifier } = await built.classifier();
    await using oracle = await Classifier.open({
      ...setting,
      device: undefined,
      decoder,
      top: 1000,
      engine: 'oracle',
    });
    await using whole = await open(setting, decoder, 1000);
    const [found, wanted] = [await whole.classify(files), await oracle.classify(files)];
    const all = wanted.flatMap(({ guesses }, i) =>
      guesses!.map(({ class: k, probability }) =>
        Math.abs(found[i].guesses!.find((guess) => guess.class === k)!.probability - probability),
      ),
    );
    return { ...first, again: seconds, delay: delay.percentile(99) / 1e6, difference: Math.max(...all) };
  },
};

async function open(setting: Omit<Setting, 'pictures'>, decoder: Decoder, top = 5) {
  const { Classifier } = await built.classifier();
  return Classifier.open({ ...setting, device: setting.device as DeviceWord, decoder, top });
}

type Part = keyof typeof parts | 'command';

/** Prints, when a process ends, what it has used. */
const METER = `data:text/javascript,${encodeURIComponent(`
import { writeSync } from 'node:fs';
process.on('exit', () => {
  const { user, system } = process.cpuUsage();
  writeSync(3, JSON.stringify({ cpuSeconds: (user + system) / 1e6, peakMB: process.resourceUsage().maxRSS / 1024 }));
});`)}`;

/** In a process of its own. Throws where that fails. */
export async function timingOf(part: Part, setting: Setting, decoder: Decoder): Promise<Timing> {
  const { pictures, weights, network, device } = setting;
  const command = [
    'predict',
    pictures,
    '--weights',
    weights,
    '--device',
    device,
    '--decoder',
    decoder,
    '--json',
  ];
  if (network) command.push('--network', network);
  const args =
    part === 'command'
      ? ['--import', METER, fileURLToPath(from('cli/main')), ...command]
      : [
          ...process.execArgv,
          fileURLToPath(import.meta.url),
          '--part',
          part,
          decoder,
          JSON.stringify(setting),
        ];
  const started = performance.now();
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit', 'pipe'] });
  let told = '';
  child.stdio[3]!.on('data', (text) => (told += text));
  const [status] = await once(child, 'close');
  if (status !== 0) throw new Error(`${part}, ${decoder}: exit ${status}`);
  return { seconds: (performance.now() - started) / 1000, ...JSON.parse(told) };
}

export interface Row {
  readonly name: string;
  readonly timing: Timing;
}

/** Every part in turn, round after round; medians. Throws where the pipeline does not say what the oracle says. */
export async function throughput(
  setting: Setting,
  decoders: readonly Decoder[],
  rounds: number,
  log: (line: string) => void = () => {},
): Promise<Row[]> {
  const plan: [string, Part, Decoder][] = [
    ['jpeg-js alone, one thread', 'alone', 'jpeg-js'],
    ['device alone', 'device', 'jpeg-js'],
    ...decoders.flatMap((decoder): [string, Part, Decoder][] => [
      [`decoding alone, ${decoder}`, 'decode', decoder],
      [`pipeline, ${decoder}`, 'pipeline', decoder],
      [`alexnet predict, ${decoder}`, 'command', decoder],
    ]),
  ];
  const found = plan.map((): Timing[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, [name, part, decoder]] of plan.entries()) {
      const timing = await timingOf(part, setting, decoder);
      // float32 on both sides: a thousand roundings of a number below 1
      if ((timing.difference ?? 0) > 1000 * 2 ** -24)
        throw new Error(`${name}: ${timing.difference} off the oracle`);
      found[i].push(timing);
      log(`${name}: ${timing.seconds.toFixed(2)} s, ${timing.cpuSeconds.toFixed(2)} CPU s`);
    }
  }
  return plan.map(([name], i) => {
    const of = (key: keyof Timing) =>
      found[i].every((one) => one[key] === undefined) ? undefined : median(found[i].map((one) => one[key]!));
    return {
      name,
      timing: {
        ...{ seconds: of('seconds')!, cpuSeconds: of('cpuSeconds')!, peakMB: of('peakMB')! },
        ...{ delay: of('delay'), again: of('again') },
      },
    };
  });
}

export function tableOf(rows: readonly Row[], count: number): string {
  const find = (start: string): Timing | undefined => rows.find(({ name }) => name.startsWith(start))?.timing;
  const alone = find('jpeg-js alone')!;
  const device = find('device alone')!;
  const titles = [
    '',
    'seconds',
    'pictures/s',
    'warm',
    'CPU s a picture',
    'of the slower stage',
    'of jpeg-js alone',
    'p99 delay, ms',
    'peak MB',
  ];
  return markdown(
    titles,
    rows.map(({ name, timing }) => {
      const { seconds, again, cpuSeconds, delay, peakMB } = timing;
      const decoding = name.startsWith('pipeline')
        ? find(`decoding alone, ${name.split(', ')[1]}`)
        : undefined;
      const slower = decoding && Math.max(decoding.again!, device.again!);
      return [
        name,
        seconds.toFixed(2),
        (count / seconds).toFixed(1),
        again === undefined ? null : (count / again).toFixed(1),
        (cpuSeconds / count).toFixed(3),
        slower === undefined ? null : (slower / again!).toFixed(2),
        name.startsWith('alexnet') ? (seconds / alone.seconds).toFixed(2) : null,
        delay === undefined ? null : delay.toFixed(1),
        peakMB.toFixed(0),
      ];
    }),
  );
}

const hasSharp = (): boolean => {
  try {
    return createRequire(import.meta.url).resolve('sharp') !== '';
  } catch {
    return false;
  }
};

async function main(): Promise<void> {
  if (process.argv[2] === '--part') {
    const [part, decoder, setting] = process.argv.slice(3);
    const timing = await parts[part as keyof typeof parts](JSON.parse(setting), decoder as Decoder);
    const peakMB = process.resourceUsage().maxRSS / 1024;
    writeFileSync(3, JSON.stringify({ ...timing, peakMB }));
    return;
  }
  const { values } = parseArgs({
    options: {
      pictures: { type: 'string', default: `${SHARED}imagefolder/pexels_cat_dog/train` },
      weights: { type: 'string', default: `${SHARED}weights/torchvision-narrow.npz` },
      network: { type: 'string' },
      device: { type: 'string', default: 'cpu' },
      rounds: { type: 'string', default: '5' },
      write: { type: 'boolean', default: false },
    },
  });
  const { rounds, write, ...setting } = values;
  const before = loadavg()[0];
  const decoders: Decoder[] = hasSharp() ? ['jpeg-js', 'sharp'] : ['jpeg-js'];
  const rows = await throughput(setting, decoders, Number(rounds), (line) => console.error(line));
  const count = filesIn(setting.pictures).length;
  const [{ model }] = cpus();
  const about =
    `${count} photos, device ${setting.device}; ${model.trim()}, ${availableParallelism()} cores; Node ${process.versions.node}; ` +
    `load ${before.toFixed(1)} before and ${loadavg()[0].toFixed(1)} after; medians of ${rounds} rounds.`;
  const text = `${about}\n\n${tableOf(rows, count)}`;
  console.log(text);
  const document = fileURLToPath(new URL('docs/performance.md', HERE));
  if (write) writeFileSync(document, withBlocks(readFileSync(document, 'utf8'), { throughput: text }));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
