/**
 * What `alexnet doctor` finds out: onnxruntime, every device and why not, the hardware, and what would mend
 * it.
 */
import { existsSync, readFileSync } from 'node:fs';
import { currentEngine, unavailable } from '../fast/engine.ts';
import { chooseDevice, DEVICES, type Device, type Probe, probe } from './devices.ts';
import { deviceFiles, type Gpu, gpus, orElse, type Vulkan, vulkan } from './hardware.ts';
import {
  type CudaNeeds,
  cudaCommand,
  cudaLibrariesCommand,
  cudaLibrary,
  cudaNeeds,
  DRIVER_LIBRARY,
  installation,
} from './installation.ts';
import { INSTALL_COMMAND, loadOnnxruntime } from './onnxruntime.ts';

/** Something that is not here and the command or step that adds it. */
export interface Missing {
  readonly what: string;
  readonly command: string;
}

export interface Diagnosis {
  readonly node: { readonly version: string; readonly platform: string };
  /** Bits of the registers in which the oracle computes, and why; 0: it has its plain loops alone. */
  readonly oracle: { readonly vectors: 0 | 128 | 256; readonly why: string };
  readonly onnxruntime: { readonly loads: boolean; readonly version?: string; readonly reason?: string };
  readonly devices: readonly Probe[];
  /** What `--device auto` takes; undefined where onnxruntime does not load. */
  readonly auto?: Device;
  readonly gpus: readonly Gpu[];
  readonly deviceFiles: readonly string[];
  readonly vulkan: Vulkan;
  /** The libraries that onnxruntime's CUDA provider links to, where that provider is installed. */
  readonly cuda?: CudaNeeds;
  readonly missing: readonly Missing[];
}

/** `alexnet doctor`: looks at everything once, in some seconds. Never rejects for what is missing. */
export async function doctor(): Promise<Diagnosis> {
  const found = installation();
  const reason = await loadOnnxruntime().then(
    () => undefined,
    (error: Error) => error.message,
  );
  const devices: Probe[] = [];
  for (const device of DEVICES) {
    devices.push(reason === undefined ? await probe(device) : { device, works: false, reason });
  }
  const library = cudaLibrary(found);
  const seen = {
    devices,
    gpus: await gpus(),
    deviceFiles: deviceFiles(),
    vulkan: await vulkan(),
    cuda: library ? await cudaNeeds(library) : undefined,
  };
  return {
    node: { version: process.version, platform: `${process.platform}/${process.arch}` },
    oracle: oracle(),
    onnxruntime: {
      loads: reason === undefined,
      ...(found ? { version: found.version } : {}),
      ...(reason === undefined ? {} : { reason }),
    },
    auto: reason === undefined ? (await chooseDevice('auto')).device : undefined,
    ...seen,
    missing: [
      ...(reason === undefined ? [] : [{ what: 'onnxruntime-node', command: INSTALL_COMMAND }]),
      ...missingParts({ ...seen, addCuda: library ? undefined : cudaCommand(found), system: system() }),
    ],
  };
}

function oracle(): Diagnosis['oracle'] {
  const engine = currentEngine();
  return engine ? { vectors: engine.wide ? 256 : 128, why: engine.why } : { vectors: 0, why: unavailable() };
}

/** The machine as far as it decides which command adds a package. */
interface System {
  /** os-release's ID and ID_LIKE. */
  readonly ids: readonly string[];
  readonly container: boolean;
}

interface Findings extends Pick<Diagnosis, 'devices' | 'gpus' | 'deviceFiles' | 'vulkan' | 'cuda'> {
  /** The command that adds onnxruntime's CUDA libraries, where they are not there. */
  readonly addCuda?: string;
  readonly system: System;
}

/** What keeps CUDA and WebGPU from working, each with its command, in the order in which to do it. */
export function missingParts(findings: Findings): Missing[] {
  const {
    devices,
    gpus: cards,
    vulkan: found,
    cuda,
    addCuda,
    system: { ids, container },
  } = findings;
  const works = (device: Device) => devices.some((probed) => probed.device === device && probed.works);
  const nvidia = cards.some(({ name, computeCapability }) => computeCapability || name.startsWith('NVIDIA'));
  const driven = cards.some(({ computeCapability }) => computeCapability);
  const missing: Missing[] = [];
  const add = (what: string, command: string | undefined) => command && missing.push({ what, command });

  const driverless = cuda?.missing.includes(DRIVER_LIBRARY);
  if ((nvidia && !driven) || driverless)
    add('the NVIDIA driver', container ? DOCKER : packageCommand(ids, DRIVER));
  if (!works('cuda')) {
    const note = nvidia ? '' : ' (of use with an NVIDIA GPU; none was found)';
    add(`onnxruntime's CUDA libraries${note}`, addCuda);
    if (addCuda) add('the same from the npm registry alone', 'npx alexnet doctor --add-cuda');
    if (cuda) add(needsText(cuda), cudaLibrariesCommand(cuda));
  }
  if (!works('webgpu') && process.platform === 'linux') {
    if (!found.loader) add('the Vulkan loader, for WebGPU', packageCommand(ids, LOADER));
    if (found.drivers.length === 0 && cards.some(({ name }) => /^(?:AMD|Intel)/.test(name))) {
      add('a Vulkan driver for the GPU', packageCommand(ids, MESA));
    }
  }
  return missing;
}

function needsText({ cuda, cudnn, missing }: CudaNeeds): string {
  const majors = [cuda && `CUDA ${cuda}`, cudnn && `cuDNN ${cudnn}`].filter(Boolean).join(' and ');
  const wheels = missing.filter((library) => library !== DRIVER_LIBRARY);
  return `libraries of ${majors || 'CUDA'}: ${wheels.join(' ')}`;
}

const DOCKER =
  'start the container with the GPU: docker run --gpus all … (needs the NVIDIA Container Toolkit)';

/** os-release ID → the command. */
type Commands = Readonly<Record<string, string>>;
const DRIVER: Commands = {
  ubuntu: 'sudo ubuntu-drivers install',
  debian: 'sudo apt-get install nvidia-driver',
  arch: 'sudo pacman -S nvidia',
};
const LOADER: Commands = {
  debian: 'sudo apt-get install libvulkan1',
  fedora: 'sudo dnf install vulkan-loader',
  arch: 'sudo pacman -S vulkan-icd-loader',
};
const MESA: Commands = {
  debian: 'sudo apt-get install mesa-vulkan-drivers',
  fedora: 'sudo dnf install mesa-vulkan-drivers',
  arch: 'sudo pacman -S vulkan-radeon vulkan-intel',
};

const packageCommand = (ids: readonly string[], commands: Commands): string => {
  const id = ids.find((name) => name in commands);
  return id ? commands[id] : 'see the packages of this system';
};

function system(): System {
  const release =
    process.platform === 'linux' ? orElse(() => readFileSync('/etc/os-release', 'utf8'), '') : '';
  const value = (key: string) => new RegExp(`^${key}="?([^"\n]*)`, 'm').exec(release)?.[1].split(' ') ?? [];
  return {
    ids: [...value('ID'), ...value('ID_LIKE')],
    container: existsSync('/.dockerenv') || existsSync('/run/.containerenv'),
  };
}
