/**
 * What a probe runs in a process of its own, since a driver can crash the process that loads it: opens the
 * probe model on the device named in argv[2] (argv[3]: on its GPU of that number), runs it, and writes one line
 * of JSON (ProbeAnswer) to stdout. onnxruntime's and the loader's words stay on stderr, where the parent reads them.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { Device } from './failures.ts';
import { providerOf, withoutTelemetry } from './onnxruntime.ts';
import { PROBE_SHAPE, PROBE_X, probeModel } from './probe-model.ts';

export interface ProbeAnswer {
  readonly y?: readonly number[];
  readonly error?: string;
  /** The software driver that answered in place of a GPU; only looked for on Linux. */
  readonly software?: string;
}

async function answer(device: Device, gpu?: string): Promise<ProbeAnswer> {
  try {
    withoutTelemetry();
    const ort = await import('onnxruntime-node');
    ort.env.logLevel = 'error';
    const session = await ort.InferenceSession.create(probeModel(), {
      executionProviders: [providerOf(device, gpu === undefined ? undefined : Number(gpu))],
      logSeverityLevel: 3,
    });
    const { y } = await session.run({ x: new ort.Tensor('float32', PROBE_X, PROBE_SHAPE) });
    const software = device === 'webgpu' ? softwareDriver() : undefined;
    await session.release();
    return { y: [...(y.data as Float32Array)], software };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

/**
 * The name of a software Vulkan driver that is mapped into this process while it holds no GPU's device file
 * open.
 */
function softwareDriver(): string | undefined {
  if (process.platform !== 'linux') return undefined;
  const name = /swiftshader|libvulkan_lvp/.exec(readFileSync('/proc/self/maps', 'utf8'))?.[0];
  if (!name || readdirSync('/proc/self/fd').some(isGpu)) return undefined;
  return name === 'swiftshader' ? 'SwiftShader' : 'lavapipe';
}

function isGpu(descriptor: string): boolean {
  try {
    return /^\/dev\/(?:dri\/|nvidia|dxg)/.test(readlinkSync(`/proc/self/fd/${descriptor}`));
  } catch {
    return false; // closed meanwhile
  }
}

process.stdout.write(`${JSON.stringify(await answer(process.argv[2] as Device, process.argv[3]))}\n`);
