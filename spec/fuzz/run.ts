/**
 * Reads COUNT damaged files through every reader: `node --import=tsx spec/fuzz/run.ts [COUNT] [SEED]
 * [FORMAT]`. Each must be read or refused in one line within 2 s, within 4 times the file plus 64 MB of resident
 * memory (the arrays' own bytes where the system does not tell), with no file opened outside its folder, nothing
 * written and nothing run. Prints what it saw as JSON; exits 1 at the first breach, naming seed and file. A reader
 * that never comes back is found by a second thread.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { zlib } from '../../lib/disk/inflate.ts';
import { InputError } from '../../lib/errors.ts';
import { fromBytes } from '../../lib/format/source.ts';
import { openTensors } from '../../lib/format/tensors.ts';
import { grown, startAt } from './memory.ts';
import { generator, mutate } from './mutate.ts';
import { bombs, seeds } from './seeds.ts';
import { watchdog } from './watchdog.ts';

const [count = 10_000, start = 1] = process.argv.slice(2, 4).map(Number);
const only = process.argv[4] ?? '';
const SLOWEST = 2000;
const ALLOWANCE = 64e6;
/** Seconds after which a reader is taken to hang; far more than 2 s of a processor that others use too. */
const HANGING = 30;

/** Paths that the readers ask the file system for, while `watching`. */
const touched: string[] = [];
let watching = false;
function watch(): void {
  const names = [
    'openSync',
    'readFileSync',
    'writeFileSync',
    'mkdirSync',
    'unlinkSync',
    'renameSync',
    'rmSync',
    'readdirSync',
  ] as const;
  for (const name of names) {
    const original = fs[name] as (...args: unknown[]) => unknown;
    (fs as unknown as Record<string, unknown>)[name] = (...args: unknown[]) => {
      if (watching) touched.push(`${name} ${String(args[0])}`);
      return original(...args);
    };
  }
  syncBuiltinESMExports();
}

interface Outcome {
  readonly error: string | null;
  readonly bytes: number;
  /** Of the processor's time, all threads together: the clock also counts what other programs do. */
  readonly ms: number;
}

function stopwatch(): () => number {
  const start = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(start);
    return (user + system) / 1000;
  };
}

/** Opens a file and reads all of it. Throws only what must not happen. */
async function attempt(file: Buffer): Promise<Outcome> {
  const elapsed = stopwatch();
  let bytes = 0;
  try {
    const source = fromBytes(file, '/nowhere/model/fuzz.bin');
    const opened = await openTensors(file.length % 3 ? source : { ...source, unpacker: zlib });
    try {
      for (const array of opened.tensors.values()) {
        // what can be unpacked beside other work is, half of the time
        const { data, shape } = array.fetch && file.length % 2 ? await array.fetch() : array.read();
        bytes += data.byteLength;
        if (shape.reduce((a, b) => a * b, 1) !== data.length) throw new Error('shape and values disagree');
      }
    } finally {
      opened.close();
    }
    return { error: null, bytes, ms: elapsed() };
  } catch (error) {
    const { message } = error as Error;
    const known = error instanceof InputError || isPlain(error as Error);
    if (!known || message === '' || message.includes('\n')) throw error;
    return { error: message, bytes, ms: elapsed() };
  }
}

/**
 * Errors that loadWeights puts the file's name before; never a failure of the engine's (RangeError,
 * TypeError …).
 */
const isPlain = (error: Error): boolean => error.constructor === Error;

const all = (await seeds()).filter(([name]) => name.includes(only));
// once round, so that libraries are loaded before anything is watched or measured
for (const [, bytes] of all) await attempt(bytes).catch(() => {});
watch();
/** A bomb takes the place of every so many-th file. */
const RARE = 1000;
const large = only === '' ? bombs() : [];
const random = generator(start);
const seen = {
  files: 0,
  read: 0,
  refused: 0,
  slowest: 0,
  largest: 0,
  resident: 0,
  reasons: new Set<string>(),
};
const alive = watchdog(HANGING);
for (let i = 0; i < count; i++) {
  const [name, bytes] =
    i % RARE === 1 && large.length > 0 ? large[Math.floor(i / RARE) % large.length] : all[i % all.length];
  const [, other] = all[Math.floor(random() * all.length)];
  // bombs go in unharmed every second time
  const file = bytes.length > 1e5 && random() < 0.5 ? Buffer.from(bytes) : mutate(bytes, random, other);
  alive(`${name}, number ${i} of seed ${start}`);
  startAt();
  watching = true;
  let outcome: Outcome;
  try {
    outcome = await attempt(file);
  } catch (error) {
    fail(`${name}, number ${i} of seed ${start}: ${(error as Error).stack}`, file);
  }
  watching = false;
  const resident = grown() ?? outcome.bytes;
  seen.files++;
  if (outcome.error === null) seen.read++;
  else {
    seen.refused++;
    seen.reasons.add(outcome.error.replace(/[\d'"].*/, ''));
  }
  seen.slowest = Math.max(seen.slowest, outcome.ms);
  seen.largest = Math.max(seen.largest, outcome.bytes);
  if (outcome.ms > SLOWEST) fail(`${name}, number ${i} of seed ${start}: took ${outcome.ms} ms`, file);
  seen.resident = Math.max(seen.resident, resident);
  if (Math.max(outcome.bytes, resident) > 4 * file.length + ALLOWANCE)
    fail(`${name}, number ${i}: ${outcome.bytes} bytes of arrays, ${resident} resident`, file);
  if (touched.length > 0) fail(`${name}, number ${i}: touched ${touched.join()}`, file);
}
if (fs.existsSync('FUZZ_WAS_HERE')) fail('a pickle was run', Buffer.alloc(0));
const { reasons, ...numbers } = seen;
const summary = { ...numbers, reasons: reasons.size, seeds: all.length + large.length };
process.stdout.write(`${JSON.stringify(summary)}\n`);
process.exit(0);

function fail(message: string, file: Buffer): never {
  watching = false;
  process.stderr.write(`${message}\n${file.subarray(0, 4096).toString('base64')}\n`);
  process.exit(1);
}
