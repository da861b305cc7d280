/** Runs specs in one long-lived process, a mutant a message: { id, specs }. The first failure ends a run. */
import { readFileSync } from 'node:fs';
import { register } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import Mocha from 'mocha';
import { root } from '../../spec/support/source.ts';

export interface Order {
  readonly id: number;
  readonly specs: readonly string[];
}

export interface Outcome {
  /** The title of the test that failed, or what made a spec impossible to load; null: all passed. */
  readonly failure: string | null;
  /** The spec that it is of. */
  readonly spec?: string;
  /** Of all specs that ran; `cpu` says more on a busy machine. */
  readonly seconds: number;
  readonly cpu: number;
}

const folder = process.argv[2];
register('./hook.mjs', import.meta.url, { data: { folder } });
// threads take no --import
const inherit = fileURLToPath(new URL('./inherit.cjs', import.meta.url));
process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --require="${inherit}"`;

/** One after the other: a spec that is not needed is not even loaded. */
async function run({ id, specs }: Order): Promise<Outcome> {
  const began = performance.now();
  process.env.ALEXNET_MUTANT = JSON.stringify({ folder, own: `${id}` });
  const before = cpu();
  const taken = () => ({ seconds: (performance.now() - began) / 1000, cpu: cpu() - before });
  for (const spec of specs) {
    const failure = await failureOf(spec, id);
    if (failure !== null) return { failure, spec, ...taken() };
  }
  return { failure: null, ...taken() };
}

/** Seconds of CPU of this process, and where the system tells of the processes that it started. */
function cpu(): number {
  try {
    // user, system, and the same of children that ended, in hundredths
    const ticks = readFileSync('/proc/self/stat', 'utf8').split(' ').slice(13, 17);
    return ticks.reduce((sum, own) => sum + Number(own) / 100, 0);
  } catch {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  }
}

async function failureOf(spec: string, id: number): Promise<string | null> {
  const mocha = new Mocha({ bail: true, timeout: 120_000, reporter: class extends Mocha.reporters.Base {} });
  const path = join(root, spec);
  let failure: string | null = null;
  try {
    mocha.suite.emit('pre-require', globalThis, path, mocha);
    const loaded = await import(`${pathToFileURL(path)}?mutant=${id}`);
    mocha.suite.emit('require', loaded, path, mocha);
    mocha.suite.emit('post-require', globalThis, path, mocha);
    await new Promise<void>((done) => {
      mocha
        .run(() => done())
        .on('fail', (test) => {
          failure ??= test.fullTitle();
        });
    });
  } catch (error) {
    failure = String(error).split('\n')[0];
  }
  return failure;
}

process.on('message', async (order: Order) => process.send?.(await run(order)));
process.send?.('ready');
