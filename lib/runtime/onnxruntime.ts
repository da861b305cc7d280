/**
 * onnxruntime-node, loaded when it is first needed: everything else in this package works without it.
 *
 * Its global logger is set to 'fatal' before the first session: what it would print arrives as an exception
 * anyway.
 */
import type { InferenceSession } from 'onnxruntime-node';
import { EnvironmentError, InputError } from '../errors.ts';
import { type Device, deviceFailure } from './failures.ts';

export type Onnxruntime = typeof import('onnxruntime-node');

/** Adds the package; its install script (which downloads CUDA libraries and fails offline) stays off. */
export const INSTALL_COMMAND = 'npm install --ignore-scripts onnxruntime-node';

/**
 * From 1.29 on, onnxruntime reports to Microsoft on every system what it runs, with a number for the machine. It keeps
 * files for that in the home folder, a log among the temporary ones and, where it cannot, ':memory:.ses' in the
 * working folder (issue 32476 of microsoft/onnxruntime). Nothing of that here, unless ORT_DISABLE_TELEMETRY=0 is
 * set. To be called in the main thread, before onnxruntime is loaded in any: the environment of a worker is a copy
 * that C does not see.
 */
export function withoutTelemetry(): void {
  process.env.ORT_DISABLE_TELEMETRY ??= '1';
}

let loaded: Promise<Onnxruntime> | undefined;

/** onnxruntime-node. EnvironmentError where it is missing or has no binary that loads here. */
export function loadOnnxruntime(): Promise<Onnxruntime> {
  withoutTelemetry();
  loaded ??= import('onnxruntime-node').then(
    (ort) => {
      ort.env.logLevel = 'fatal';
      return ort;
    },
    (error: NodeJS.ErrnoException) => {
      throw new EnvironmentError(loadFailure(error));
    },
  );
  return loaded;
}

/** Why onnxruntime-node did not load and what mends it, in one line. */
function loadFailure(error: Error & { readonly code?: string }): string {
  const reason = error.message.split('\n')[0];
  if (reason.includes('onnxruntime_binding.node') && error.code === 'MODULE_NOT_FOUND') {
    return (
      `onnxruntime-node has no binary for ${process.platform}/${process.arch}: ` +
      'it has linux and win32 on x64 and arm64, and darwin on arm64'
    );
  }
  if (error.code === 'ERR_MODULE_NOT_FOUND' || error.code === 'MODULE_NOT_FOUND') {
    return `onnxruntime-node is not installed: ${INSTALL_COMMAND}`;
  }
  return `onnxruntime-node does not load here (${reason}): install what it names, or ${INSTALL_COMMAND}`;
}

/** The provider of a device, on its GPU of that number. The binding takes a number for CUDA alone. */
export const providerOf = (device: Device, gpu?: number): InferenceSession.ExecutionProviderConfig =>
  device === 'cuda' && gpu !== undefined ? { name: device, deviceId: gpu } : device;

/**
 * One of onnxruntime's error messages in one line: without its log prefix, source file, function and failed
 * condition. 'path.cc:136 f(x)::<lambda()> a == b was false. Failed to get an adapter' → 'Failed to get an
 * adapter'.
 */
export function reasonOf(error: unknown): string {
  const text = (error instanceof Error ? error.message : String(error)).replace(/\s*\n\s*/g, ' ').trim();
  return text
    .replace(/^OrtSessionOptionsAppendExecutionProvider_\w+: /, '')
    .replace(/\[ONNXRuntimeError\] : \d+ : \w+ : /g, '')
    .replace(/\/onnxruntime_src\/\S+\.(?:cc|h|cpp):\d+ .*?(?:was false\. |\) (?=[A-Z]))/g, '')
    .replace(/^Load model from .*? failed: ?/, '')
    .replace(/^Load model (\S+) failed\. /, '');
}

let lastOnWebgpu: Promise<unknown> = Promise.resolve();

/** Calls on WebGPU take turns: two at once, from two threads, end the process (SIGSEGV, onnxruntime 1.30). */
export function inTurn<T>(device: Device, run: () => Promise<T>): Promise<T> {
  if (device !== 'webgpu') return run();
  const result = lastOnWebgpu.then(run);
  lastOnWebgpu = result.catch(() => {});
  return result;
}

/**
 * What onnxruntime does on a device, in its turn. Rejects with EnvironmentError where the device is to blame, else
 * with InputError that begins with `what`. `original` turns the names that onnxruntime was given into the file's.
 */
export async function guarded<T>(
  device: Device,
  what: string,
  run: () => Promise<T>,
  original = (text: string): string => text,
): Promise<T> {
  try {
    return await inTurn(device, run);
  } catch (error) {
    if (error instanceof EnvironmentError) throw error;
    const reason = reasonOf(error);
    const failure = deviceFailure(device, reason);
    if (failure) throw new EnvironmentError(`${device}: ${failure}`);
    throw new InputError(`${what}: ${original(reason)}`);
  }
}
