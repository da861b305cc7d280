/** Runs specs in one long-lived process, a mutant a message: { id, specs, limit }. The first failure ends a run. */
import { register } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import Mocha from 'mocha';
import { root } from '../../spec/support/source.ts';

export interface Order {
  readonly id: number;
  readonly specs: readonly string[];
}

export interface Outcome {
  /** The title of the test that failed, or what made the specs impossible to load; null: all passed. */
  readonly failure: string | null;
  readonly tests: number;
  readonly seconds: number;
}

register('./hook.mjs', import.meta.url, { data: process.argv[2] });

async function run({ id, specs }: Order): Promise<Outcome> {
  const began = performance.now();
  const mocha = new Mocha({ bail: true, timeout: 120_000, reporter: class extends Mocha.reporters.Base {} });
  let failure: string | null = null;
  let tests = 0;
  try {
    for (const spec of specs) {
      const path = join(root, spec);
      mocha.suite.emit('pre-require', globalThis, path, mocha);
      const loaded = await import(`${pathToFileURL(path)}?mutant=${id}`);
      mocha.suite.emit('require', loaded, path, mocha);
      mocha.suite.emit('post-require', globalThis, path, mocha);
    }
    await new Promise<void>((done) => {
      const runner = mocha.run(() => done());
      runner.on('test end', () => tests++);
      runner.on('fail', (test) => {
        failure ??= test.fullTitle();
      });
    });
  } catch (error) {
    failure = String(error).split('\n')[0];
  }
  return { failure, tests, seconds: (performance.now() - began) / 1000 };
}

process.on('message', async (order: Order) => process.send?.(await run(order)));
process.send?.('ready');
