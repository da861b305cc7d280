/**
 * Which device to run on. `auto` is the first of CUDA, WebGPU and CPU that really works, with a reason for
 * each that was passed over; a device that was asked for by name works or is an error. Nothing ever falls
 * back silently.
 */
import { EnvironmentError } from '../errors.ts';
import { type Device, LABELS } from './failures.ts';
import { type Probe, probe } from './probe.ts';

export { type Device, LABELS } from './failures.ts';
export { type Probe, probe } from './probe.ts';

/** In the order in which `auto` tries them. */
export const DEVICES: readonly Device[] = ['cuda', 'webgpu', 'cpu'];

/** What --device may be. */
export const deviceWords: readonly ('auto' | Device)[] = ['auto', 'cpu', 'cuda', 'webgpu'];

export interface Refusal {
  readonly device: Device;
  readonly reason: string;
}

export interface Choice {
  readonly device: Device;
  /** The software driver that stands in for a GPU, where one was asked for by name. */
  readonly software?: string;
  /** The devices that `auto` passed over, and why. */
  readonly refusals: readonly Refusal[];
}

/**
 * The device to run on. A software WebGPU (SwiftShader, lavapipe) is slower than the CPU and computes on it
 * all the same: `auto` passes it over, `webgpu` takes it. EnvironmentError where the asked device, or every
 * device, does not work. `find` is how a device is tried; specs give their own.
 */
export async function chooseDevice(asked: 'auto' | Device, find = probe): Promise<Choice> {
  if (asked !== 'auto') return choice(named(await find(asked)), []);
  const refusals: Refusal[] = [];
  for (const device of DEVICES) {
    const found = await find(device);
    const reason = refusal(found);
    if (reason === undefined) return choice(found, refusals);
    refusals.push({ device, reason });
  }
  throw new EnvironmentError(refusals.at(-1)!.reason);
}

function named(found: Probe): Probe {
  if (found.works) return found;
  throw new EnvironmentError(`--device ${found.device} does not work here: ${found.reason}`);
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
export function describeChoice({ device, software, refusals }: Choice): string[] {
  const chosen = software ? `${LABELS[device]} (${software}, in software)` : LABELS[device];
  return [chosen, ...refusals.map((refused) => `  not ${LABELS[refused.device]}: ${refused.reason}`)];
}
