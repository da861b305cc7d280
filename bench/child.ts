/** One engine in a process of its own, so that its CPU time and its memory are its own. Started by contest.ts. */
import { networkNamed } from '../reference/networks/index.ts';
import * as convnetjs from './engines/convnetjs.ts';
import type { Open, Options, Run } from './engines/engine.ts';
import { openNode, openWeb } from './engines/onnxruntime.ts';
import * as oracle from './engines/oracle.ts';
import { openTfjs } from './engines/tfjs.ts';
import { inputOf } from './subject.ts';

export const engines = {
  oracle: oracle.open,
  'onnxruntime-node': openNode,
  'onnxruntime-web': openWeb,
  'tfjs-wasm': openTfjs('wasm'),
  'tfjs-cpu': openTfjs('cpu'),
  convnetjs: convnetjs.open,
} satisfies Record<string, Open>;
export type EngineName = keyof typeof engines;

export interface Start extends Options {
  readonly engine: EngineName;
  readonly network: string;
}

/** One timed run of a batch, all per batch; `output` is the first image's. */
export interface Timing {
  readonly cpuMs: number;
  readonly wallMs: number;
  readonly output: number[];
  /** Peak resident memory so far, MB. */
  readonly peakMB: number;
}

async function main({ engine, network: name, ...options }: Start): Promise<void> {
  const network = networkNamed(name);
  const { prepare } = await engines[engine](network, options);
  const runs = new Map<number, Run>();
  process.on('message', async (batch: number) => {
    let run = runs.get(batch);
    if (!run) {
      run = prepare(inputOf(network, batch), batch);
      runs.set(batch, run);
    }
    const cpu = process.cpuUsage();
    const start = performance.now();
    const all = await run();
    const wallMs = performance.now() - start;
    const { user, system } = process.cpuUsage(cpu);
    const output = Array.from({ length: all.length / batch }, (_, i) => all[i]);
    const peakMB = process.resourceUsage().maxRSS / 1024;
    process.send!({ cpuMs: (user + system) / 1000, wallMs, output, peakMB } satisfies Timing);
  });
  process.on('disconnect', () => process.exit());
  process.send!('ready');
}

if (process.send) void main(JSON.parse(process.argv[2]));
