/** Runs the specs that reach a mutated file, in a process of their own that outlives many mutants. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { transformSync } from 'esbuild';
import { root } from '../../spec/support/source.ts';
import { type Mutant, mutated } from './mutants.ts';
import type { Reach } from './specs.ts';
import type { Order, Outcome } from './worker.ts';

const WORKER = fileURLToPath(new URL('./worker.ts', import.meta.url));
/** Each mutant leaves its modules behind in the process. */
const MUTANTS_A_PROCESS = 150;

export class Runner implements AsyncDisposable {
  private readonly folder = mkdtempSync(join(tmpdir(), 'alexnet-mutants-'));
  private child: ChildProcess | null = null;
  private id = 0;

  /** Runs specs with the mutant in the file's place, or with the file as it is. */
  async run(file: string, mutant: Mutant | null, reach: Reach, specs: readonly string[], limit: number) {
    const id = ++this.id;
    const source = readFileSync(join(root, file), 'utf8');
    const text = mutant ? mutated(source, mutant) : source;
    const from = { file: join(root, file), through: reach.through.map((path) => join(root, path)) };
    writeFileSync(join(this.folder, `${id}.json`), JSON.stringify(from));
    let code: string;
    try {
      ({ code } = transformSync(text, { loader: 'ts', format: 'esm', target: 'node20', logLevel: 'silent' }));
    } catch {
      return { failure: 'it does not compile', seconds: 0, cpu: 0 };
    }
    writeFileSync(join(this.folder, `${id}.js`), code);
    if (id % MUTANTS_A_PROCESS === 0) await this.stop();
    return this.order({ id, specs }, limit);
  }

  private async order(order: Order, limit: number): Promise<Outcome> {
    const child = await this.started();
    const settled = new AbortController();
    const { signal } = settled;
    child.send(order);
    const outcome = await Promise.race([
      once(child, 'message', { signal }).then(([message]) => message as Outcome & { readonly stops?: true }),
      once(child, 'exit', { signal }).then(() => cut('the process ended')),
      setTimeout(1000 * limit, cut(`no end after ${limit.toFixed(0)} s`), { signal }),
    ]);
    settled.abort();
    if (outcome.stops) await this.stop();
    return outcome;
  }

  private async started(): Promise<ChildProcess> {
    if (this.child) return this.child;
    const child = fork(WORKER, [this.folder], { cwd: root, execArgv: ['--import=tsx'], silent: true });
    child.stdout?.resume();
    child.stderr?.resume();
    await once(child, 'message');
    this.child = child;
    return child;
  }

  private async stop(): Promise<void> {
    const { child } = this;
    this.child = null;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true });
  }
}

/** Such a process is of no more use. */
const cut = (failure: string) => ({ failure, seconds: 0, cpu: 0, stops: true });
