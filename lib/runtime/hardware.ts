/**
 * Which GPUs, drivers and Vulkan installations this machine shows: nvidia-smi, the PCI bus, device files and
 * the Vulkan loader's manifests. Only what Linux offers is read; elsewhere the lists are empty, but for
 * nvidia-smi.
 */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, delimiter, join } from 'node:path';

export interface Gpu {
  readonly name: string;
  /** The driver's version (NVIDIA) or kernel module; undefined where the GPU has none. */
  readonly driver?: string;
  readonly memoryMiB?: number;
  /** NVIDIA's compute capability, e.g. 9.0; TF32 exists from 8.0 on. */
  readonly computeCapability?: string;
}

export interface Vulkan {
  /** Where the loader lies, libvulkan.so.1. */
  readonly loader?: string;
  /** The drivers' manifests that the loader reads. */
  readonly drivers: readonly string[];
}

/** Output of a program, '' where it is missing, fails or takes over ten seconds. */
export const outputOf = (program: string, ...args: string[]): Promise<string> =>
  new Promise((resolve) => {
    execFile(program, args, { timeout: 10_000 }, (error, stdout) => resolve(error ? '' : stdout));
  });

/** NVIDIA's own list where nvidia-smi answers, and every other display controller on the PCI bus. */
export async function gpus(): Promise<readonly Gpu[]> {
  const fields = 'name,driver_version,memory.total,compute_cap';
  const nvidia = parseNvidiaSmi(
    await outputOf('nvidia-smi', `--query-gpu=${fields}`, '--format=csv,noheader,nounits'),
  );
  const others = pciGpus().filter(({ name }) => nvidia.length === 0 || !name.startsWith('NVIDIA'));
  return [...nvidia, ...others];
}

/** Lines of 'name, driver, MiB, capability'. */
export function parseNvidiaSmi(csv: string): Gpu[] {
  return csv
    .split('\n')
    .map((line) => line.split(', '))
    .filter((cells) => cells.length === 4)
    .map(([name, driver, memory, computeCapability]) => ({
      name: name.trim(),
      driver: driver.trim(),
      ...(/^\d+$/.test(memory) ? { memoryMiB: Number(memory) } : {}),
      computeCapability: computeCapability.trim(),
    }));
}

const VENDORS: Readonly<Record<string, string>> = { '0x10de': 'NVIDIA', '0x1002': 'AMD', '0x8086': 'Intel' };
const DISPLAY_CONTROLLER = '0x03';

/** Display controllers under `root`, a copy of sysfs's PCI list. */
export function pciGpus(root = '/sys/bus/pci/devices'): Gpu[] {
  return list(root).flatMap((address) => {
    const read = (file: string) => orElse(() => readFileSync(join(root, address, file), 'utf8').trim(), '');
    if (!read('class').startsWith(DISPLAY_CONTROLLER)) return [];
    const vendor = VENDORS[read('vendor')] ?? `vendor ${read('vendor')}`;
    const driver = orElse(() => readlinkSync(join(root, address, 'driver')), '');
    return [{ name: `${vendor} GPU ${read('device')}`, ...(driver ? { driver: basename(driver) } : {}) }];
  });
}

/** The device files through which a GPU is reached; none in a container that was not given the GPU. */
export const deviceFiles = (): readonly string[] => [
  ...list('/dev')
    .filter((name) => /^(?:nvidia|dxg$)/.test(name))
    .map((name) => `/dev/${name}`),
  ...list('/dev/dri')
    .filter((name) => name.startsWith('render'))
    .map((name) => `/dev/dri/${name}`),
];

/**
 * The Vulkan loader and the driver manifests, by the loader's own rules (VK_DRIVER_FILES, else the data
 * folders).
 */
export async function vulkan(environment: NodeJS.ProcessEnv = process.env): Promise<Vulkan> {
  const loader = await vulkanLoader(environment);
  return { ...(loader ? { loader } : {}), drivers: vulkanDrivers(environment) };
}

async function vulkanLoader({ LD_LIBRARY_PATH = '' }: NodeJS.ProcessEnv): Promise<string | undefined> {
  if (process.platform !== 'linux') return undefined;
  const given = LD_LIBRARY_PATH.split(delimiter).map((folder) => join(folder, 'libvulkan.so.1'));
  const found = given.find((file) => existsSync(file));
  return found ?? /libvulkan\.so\.1 .*=> (\S+)/.exec(await loaderCache())?.[1];
}

/** The dynamic linker's list of the libraries that it knows: lines of `name (…) => path`. */
export const loaderCache = async (): Promise<string> =>
  (await outputOf('ldconfig', '-p')) || outputOf('/sbin/ldconfig', '-p');

function vulkanDrivers(environment: NodeJS.ProcessEnv): string[] {
  if (process.platform !== 'linux') return [];
  const named = environment.VK_DRIVER_FILES || environment.VK_ICD_FILENAMES;
  if (named) return named.split(delimiter).filter((file) => existsSync(file));
  const data = (environment.XDG_DATA_DIRS || '/usr/local/share:/usr/share').split(delimiter);
  const folders = [join(homedir(), '.local/share'), '/etc', ...data].map((f) => join(f, 'vulkan', 'icd.d'));
  return [...new Set(folders)].flatMap((folder) =>
    list(folder)
      .filter((name) => name.endsWith('.json'))
      .map((name) => join(folder, name)),
  );
}

const list = (folder: string): string[] => orElse(() => readdirSync(folder).sort(), []);

/** What is not there, or cannot be read, is not worth an error here. */
export function orElse<T>(look: () => T, otherwise: T): T {
  try {
    return look();
  } catch {
    return otherwise;
  }
}
