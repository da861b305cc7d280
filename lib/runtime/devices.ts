/**
 * Which device to run on. `auto` is the first of CUDA, WebGPU and CPU that really works, with a reason for
 * each that was passed over; a device that was asked for by name works or is an error. Nothing ever falls
 * back silently.
 */
import type { Check } from '../checks.ts';
import { EnvironmentError, InputError } from '../errors.ts';
import { type Device, LABELS } from './failures.ts';
import { type Probe, probe } from './probe.ts';

export { type Device, LABELS } from './failures.ts';
export { type Probe, probe } from './probe.ts';

/** In the order in which `auto` tries them. */
export const DEVICES: readonly Device[] = ['cuda', 'webgpu', 'cpu'];

/** What --device may be: one of several NVIDIA GPUs by its number, too. */
export type DeviceWord = 'auto' | Device | `${'cuda' | 'webgpu'}:${number}`;
export const DEVICE_WORDS = 'auto, cpu, cuda, cuda:N, webgpu';

export const deviceWord: Check = (value) =>
  typeof value === 'string' && /^(?:auto|cpu|(?:cuda|webgpu)(?::\d{1,4})?)$/.test(value)
    ? undefined
    : `one of ${DEVICE_WORDS}`;

export interface Refusal {
  readonly device: Device;
  readonly reason: string;
}

export interface Choice {
  readonly device: Device;
  /** Which of several GPUs, from 0, where one was asked for by its number. */
  readonly gpu?: number;
  /** The software driver that stands in for a GPU, where one was asked for by name. */
  readonly software?: string;
  /** The devices that `auto` passed over, and why. */
  readonly refusals: readonly Refusal[];
}

/** Where a session runs. */
export type Place = Pick<Choice, 'device' | 'gpu'>;

/**
 * The device to run on. A software WebGPU (SwiftShader, lavapipe) is slower than the CPU and computes on it
 * all the same: `auto` passes it over, `webgpu` takes it. InputError for webgpu:N; EnvironmentError where
 * the asked device, or every device, does not work. `find` is how a device is tried, specs give their own;
 * `option` is what asked.
 */
export async function chooseDevice(asked: DeviceWord, find = probe, option = '--device'): Promise<Choice> {
  if (asked !== 'auto') {
    const [device, number] = asked.split(':') as [Device, string?];
    const gpu = number === undefined ? undefined : Number(number);
    if (device === 'webgpu' && gpu !== undefined)
      throw new InputError(`${option} ${asked}: onnxruntime lets WebGPU's driver choose the GPU: use webgpu`);
    const found = named(await find(device, gpu), `${option} ${asked}`);
    return gpu === undefined ? choice(found, []) : { ...choice(found, []), gpu };
  }
  const refusals: Refusal[] = [];
  for (const device of DEVICES) {
    const found = await find(device);
    const reason = refusal(found);
    if (reason === undefined) return choice(found, refusals);
    refusals.push({ device, reason });
  }
  throw new EnvironmentError(refusals.at(-1)!.reason);
}

function named(found: Probe, asked: string): Probe {
  if (found.works) return found;
  throw new EnvironmentError(`${asked} does not work here: ${found.reason}`);
}

const refusal = ({ works, reason, software, device }: Probe): string | undefined =>
  !works
    ? (reason ?? 'it does not work')
    : software && `${software} computes on the CPU and is slower: --device ${device} uses it all the same`;

const choice = ({ device, software }: Probe, refusals: readonly Refusal[]): Choice => ({
  device,
  refusals,
  ...(software ? { software } : {}),
});

/** A line for the device, `WebGPU (SwiftShader, in software)`, then one for each that was passed over, and why. */
export function describeChoice({ device, gpu, software, refusals }: Choice): string[] {
  const about = software ? `${software}, in software` : gpu === undefined ? undefined : `GPU ${gpu}`;
  const chosen = about ? `${LABELS[device]} (${about})` : LABELS[device];
  return [chosen, ...refusals.map((refused) => `  not ${LABELS[refused.device]}: ${refused.reason}`)];
}
