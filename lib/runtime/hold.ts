/**
 * Keeps a device warm while several sessions are opened on it one after the other. onnxruntime makes WebGPU's
 * device, with all its compiled shaders, when the first session opens and throws it away when the last one
 * goes: holding it makes three runs of one network take about half the time.
 */
import type { Device } from './failures.ts';
import { probeModel } from './probe-model.ts';
import { openSession } from './session.ts';

/** Release the result when the sessions are done. Throws as `openSession` does. Costs nothing on CPU and CUDA. */
export async function holdDevice(device: Device): Promise<AsyncDisposable> {
  if (device === 'webgpu') return openSession(probeModel(), device);
  return { [Symbol.asyncDispose]: async () => {} };
}
