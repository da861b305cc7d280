/**
 * Whether a device works: a small model is run there and its answer checked. GPUs are tried in a process of
 * their own, one at a time, since a broken driver can crash or hang the process that loads it.
 */
import { execFile } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dense, tensor } from '../../reference/tensor.ts';
import { type Device, deviceFailure } from './failures.ts';
import { cudaUnavailable } from './installation.ts';
import { reasonOf } from './onnxruntime.ts';
import type { ProbeAnswer } from './probe-child.ts';
import { PROBE_SHAPE, PROBE_X, PROBE_Y, probeModel } from './probe-model.ts';
import { openSession } from './session.ts';
import { asTensor } from './values.ts';

export interface Probe {
  readonly device: Device;
  readonly works: boolean;
  /** Why it does not work, and what mends it; one line. */
  readonly reason?: string;
  /** The software driver (SwiftShader, lavapipe) that stands in for a GPU. */
  readonly software?: string;
}

/** Loading CUDA takes seconds, a software driver's first shader up to ten. */
const PATIENCE = 60_000;

const known = new Map<string, Promise<Probe>>();

/** Whether the device, or its GPU of that number, works here, found out once a process. Never throws. */
export function probe(device: Device, gpu?: number): Promise<Probe> {
  const key = `${device}:${gpu}`;
  const found = known.get(key) ?? tryDevice(device, gpu);
  known.set(key, found);
  return found;
}

async function tryDevice(device: Device, gpu: number | undefined): Promise<Probe> {
  const missing = device === 'cuda' ? cudaUnavailable() : undefined;
  if (missing) return { device, works: false, reason: missing };
  return device === 'cpu' ? tryCpu() : tryApart(device, gpu);
}

async function tryCpu(): Promise<Probe> {
  try {
    await using session = await openSession(probeModel(), 'cpu', { threads: 1 });
    const results = await session.run(new Map([['x', tensor(Float32Array.from(PROBE_X), PROBE_SHAPE)]]));
    return verdict('cpu', { y: [...dense(asTensor(results.get('y')!, 'y'))] }, '');
  } catch (error) {
    return { device: 'cpu', works: false, reason: (error as Error).message };
  }
}

function tryApart(device: Device, gpu: number | undefined): Promise<Probe> {
  const script = fileURLToPath(new URL(`./probe-child${extname(import.meta.url)}`, import.meta.url));
  const argv = [...loaders(process.execArgv), script, device, ...(gpu === undefined ? [] : [`${gpu}`])];
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      argv,
      { timeout: PATIENCE, killSignal: 'SIGKILL' },
      (error, stdout, stderr) => {
        if (!error) return resolve(verdict(device, JSON.parse(stdout) as ProbeAnswer, stderr));
        resolve({ device, works: false, reason: crash(device, error, stderr) });
      },
    );
  });
}

/** What a probe's answer means. `stderr` holds the loader's words, which tell more than the exception. */
export function verdict(device: Device, answer: ProbeAnswer, stderr: string): Probe {
  const { y, error, software } = answer;
  if (error !== undefined) {
    const reason = deviceFailure(device, `${stderr}\n${error}`) ?? reasonOf(error);
    return { device, works: false, reason };
  }
  if (y?.join() !== PROBE_Y.join()) {
    return { device, works: false, reason: `it computes wrongly: [${y}] instead of [${PROBE_Y}]` };
  }
  return { device, works: true, ...(software ? { software } : {}) };
}

/** Why the probe's process gave no answer. */
export function crash(
  device: Device,
  { killed, signal, code }: { killed?: boolean; signal?: string | null; code?: number | string | null },
  stderr: string,
): string {
  const reason = deviceFailure(device, stderr);
  if (reason) return reason;
  if (killed) return `it did not answer within ${PATIENCE / 1000} s: check the driver`;
  const [said] = stderr.split('----- Native stack trace'); // Node's own, after an abort
  const last = said.trim().split('\n').at(-1)?.slice(0, 200);
  return `its driver crashed (${signal ?? `exit code ${code}`})${last ? `: ${last}` : ''}`;
}

/** Node's own options that a child needs to load the same sources: --import tsx and the like. */
export function loaders(options: readonly string[]): string[] {
  const kept: string[] = [];
  for (const [index, option] of options.entries()) {
    if (!/^(?:--import|--require|-r|--loader|--experimental-loader|--conditions|-C)(?:=|$)/.test(option))
      continue;
    kept.push(option);
    if (!option.includes('=')) kept.push(options[index + 1]);
  }
  return kept;
}
