/**
 * What a device's failures mean: onnxruntime's, the driver's and the loader's words, each turned into one
 * clear line.
 */

/** An onnxruntime execution provider that is supported here. */
export type Device = 'cpu' | 'cuda' | 'webgpu';

/** Whose arithmetic a value has: a device's, or that of an engine of which nothing is known. */
export type Executor = Device | 'other';

/** How they are written for people. */
export const LABELS: Readonly<Record<Executor, string>> = {
  cpu: 'CPU',
  cuda: 'CUDA',
  webgpu: 'WebGPU',
  other: 'another engine',
};

interface Rule {
  readonly devices: readonly Device[];
  readonly matches: RegExp;
  /** The line; $1 is the first group of the match. */
  readonly says: string;
}

const ADD_CUDA = '`alexnet doctor` prints the command that adds them';

/** In order of precedence: the loader's own words first, what is only said at the end of a chain last. */
const RULES: readonly Rule[] = [
  {
    devices: ['cuda'],
    matches: /libonnxruntime_providers_\w+\.so: cannot open shared object/,
    says: `onnxruntime's CUDA libraries are not installed: ${ADD_CUDA}`,
  },
  {
    devices: ['cuda'],
    matches: /(lib(?:cu|nv)\w+\.so[.\d]*): cannot open shared object/,
    says: 'the library $1 is missing or not on the loader’s path: `alexnet doctor` tells how to add it',
  },
  {
    devices: ['cuda'],
    matches: /CUDA driver version is insufficient/,
    says: 'the NVIDIA driver is too old for this CUDA, or there is none: update it (see `nvidia-smi`)',
  },
  {
    devices: ['cuda'],
    matches: /no CUDA-capable device|CUDA failure 100\b/,
    says: 'there is no NVIDIA GPU that CUDA can use (see `nvidia-smi` and CUDA_VISIBLE_DEVICES)',
  },
  {
    devices: ['cuda'],
    matches: /Invalid device ID|invalid device ordinal|CUDA failure 101\b/i,
    says: 'there is no GPU of that number: `nvidia-smi -L` lists them, from 0',
  },
  {
    devices: ['cuda'],
    matches: /no kernel image is available/,
    says: 'the CUDA provider has no machine code for this GPU’s compute capability: use --device webgpu',
  },
  {
    devices: ['cuda'],
    matches: /GetCudnnFrontend|CUDNN failure|cudnn\w*_STATUS|CUDNN_STATUS_(\w+)/i,
    says: 'cuDNN does not work here: `alexnet doctor` tells which version is needed',
  },
  {
    devices: ['webgpu'],
    matches: /Couldn't load Vulkan: (lib[\w.]+): cannot open/,
    says: 'there is no Vulkan loader ($1): on Debian and Ubuntu, apt-get install libvulkan1',
  },
  {
    devices: ['webgpu'],
    matches: /No supported adapters|Failed to get a WebGPU adapter/,
    says: 'there is no GPU with a Vulkan driver that WebGPU can use',
  },
  {
    devices: ['cuda', 'webgpu'],
    matches: /out of memory|Failed to allocate memory|CUDA failure 2\b/i,
    says: 'the GPU’s memory does not suffice: use a smaller --batch',
  },
  {
    devices: ['webgpu'],
    matches: /device (?:is |was )?lost|WebGPU validation failed|WebGPU device error/i,
    says: 'the WebGPU device failed: $&',
  },
  {
    devices: ['cuda'],
    matches: /(?:CUDA|CUBLAS|CURAND|CUFFT) failure.*/i,
    says: 'CUDA failed: $&',
  },
  {
    devices: ['cuda'],
    matches: /Failed to load shared library/,
    says: `onnxruntime's CUDA libraries are not installed or do not load: ${ADD_CUDA}`,
  },
];

/**
 * The reason and its mend in one line, found in what onnxruntime, the loader or the driver said; undefined
 * where that is not about the device (a bad model, a wrong shape).
 */
export function deviceFailure(device: Device, message: string): string | undefined {
  for (const { devices, matches, says } of RULES) {
    const found = devices.includes(device) ? matches.exec(message) : null;
    if (!found) continue;
    return says.replace('$1', () => found[1] ?? '').replace('$&', () => found[0].slice(0, 200).trim());
  }
  return undefined;
}
