/**
 * TF32 on CUDA. onnxruntime's CUDA provider multiplies float32 matrices with TF32's 10-bit significand by
 * default, and onnxruntime-node cannot switch that off: only NVIDIA_TF32_OVERRIDE=0 in the environment can,
 * before CUDA is loaded. So a command runs itself again with it. A function sets it in its own process: Node's main
 * thread writes process.env through to C's environment, and CUDA is loaded with the first session on it. That the
 * drivers look there so late is not proved: `npm run gpu` tries it (step `switched`).
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import { InputError } from '../errors.ts';
import type { Device } from './failures.ts';

export const TF32_VARIABLE = 'NVIDIA_TF32_OVERRIDE';

/** Whether a card has proved that the variable may be set in a process that runs: commands then need no restart. */
const SET_IN_PROCESS = false;

type Environment = Readonly<Record<string, string | undefined>>;

/** Whether this process computes with TF32 on that device, as far as its environment tells. */
const tf32IsOn = (device: Device, environment: Environment): boolean =>
  device === 'cuda' && environment[TF32_VARIABLE] !== '0';

/** Whether a session on CUDA was opened in this process: the variable is not looked at again. */
let loaded = false;
export function cudaIsLoaded(): void {
  loaded = true;
}

const here = () => ({ environment: process.env as Record<string, string | undefined>, isMainThread, loaded });

/**
 * Sets the variable in this process, unless it is set. Returns undefined, or why TF32 stays on and what mends it, in
 * one line: in a worker, whose environment is a copy that C does not see, and where CUDA is loaded already.
 */
export function switchTf32Off(device: Device, where = here()): string | undefined {
  const { environment } = where;
  const set = environment[TF32_VARIABLE];
  if (device !== 'cuda' || set === '0') return undefined;
  const why = set
    ? `${TF32_VARIABLE}=${set} is set`
    : where.loaded
      ? 'a session on CUDA is open already'
      : where.isMainThread
        ? undefined
        : "a worker cannot change the process's environment";
  if (why) return `TF32 is on, and ${why}: set ${TF32_VARIABLE}=0 before the process starts to switch it off`;
  environment[TF32_VARIABLE] = '0';
  return undefined;
}

/** The same for a function that has nobody to tell: a warning of the process. */
export function withoutTf32(device: Device): void {
  const why = switchTf32Off(device);
  if (why) process.emitWarning(why);
}

/**
 * Whether the program has to run itself again to be rid of TF32: on CUDA, unless it is to be kept (`--tf32`)
 * or is off already. InputError where it is to be kept and the environment has switched it off.
 */
export function needsRestart(
  device: Device,
  keepTf32: boolean,
  environment: Environment = process.env,
): boolean {
  if (device !== 'cuda') return false;
  if (!keepTf32) return tf32IsOn(device, environment);
  if (tf32IsOn(device, environment)) return false;
  throw new InputError(`--tf32 keeps TF32 on, but ${TF32_VARIABLE}=0 is set: unset it, or leave out --tf32`);
}

/**
 * Runs this program again, same arguments, streams and working folder, with TF32 off, and returns its exit
 * code (128 and the signal's number if a signal ended it). Returns undefined, at once, where `needsRestart`
 * says no. `say` gets the line that tells the user.
 */
export async function restartWithoutTf32(
  device: Device,
  keepTf32: boolean,
  say: (line: string) => void,
): Promise<number | undefined> {
  if (!needsRestart(device, keepTf32)) return undefined;
  say(`CUDA: starting again with ${TF32_VARIABLE}=0, float32 and not TF32 (--tf32 keeps it on)`);
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
      stdio: 'inherit',
      env: { ...process.env, [TF32_VARIABLE]: '0' },
    });
    const pass = (signal: NodeJS.Signals) => child.kill(signal);
    process.on('SIGINT', pass).on('SIGTERM', pass);
    const done = () => process.off('SIGINT', pass).off('SIGTERM', pass);
    child.on('error', (error) => {
      done();
      reject(error);
    });
    child.on('exit', (code, signal) => {
      done();
      resolve(code ?? 128 + (signal ? constants.signals[signal] : 0));
    });
  });
}

// ---- Before CUDA is touched: runs the program again with TF32 off, unless it is to be kept.

/** Whether the program ran again; its exit code is this one's then. */
export async function restartForTf32(
  device: Device,
  keepTf32: boolean,
  say: (line: string) => void,
): Promise<boolean> {
  if (SET_IN_PROCESS && !keepTf32 && switchTf32Off(device) === undefined) return false;
  const code = await restartWithoutTf32(device, keepTf32, say);
  if (code === undefined) return false;
  process.exitCode = code;
  return true;
}
