/**
 * onnxruntime-node on the disk: its version, which files are there, and the command that adds CUDA.
 * CUDA comes for linux/x64 alone, by the package's own install script, which this repository's .npmrc
 * switches off.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative, sep } from 'node:path';
import { outputOf } from './hardware.ts';

export interface Installation {
  readonly version: string;
  /** The package's folder. */
  readonly root: string;
  /** Where its libraries for this platform lie. */
  readonly binaries: string;
}

const require = createRequire(import.meta.url);

/** onnxruntime-node as Node finds it from here; undefined where it is not installed. */
export function installation(): Installation | undefined {
  try {
    const root = dirname(dirname(require.resolve('onnxruntime-node')));
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    return { version, root, binaries: join(root, 'bin', 'napi-v6', process.platform, process.arch) };
  } catch {
    return undefined;
  }
}

export const CUDA_LIBRARY = 'libonnxruntime_providers_cuda.so';

/** The CUDA provider's file, where the install script puts it; undefined where it has not run. */
export function cudaLibrary(found = installation()): string | undefined {
  const file = found && join(found.binaries, CUDA_LIBRARY);
  return file && existsSync(file) ? file : undefined;
}

/** Which CUDA the install script fetches here, in its own word (cuda12); undefined where it has none. */
export function cudaFlavour(found = installation()): string | undefined {
  if (!found) return undefined;
  try {
    const metadata = require(join(found.root, 'script', 'install-metadata.js'));
    const names: unknown = metadata.requirements[`${process.platform}/${process.arch}`];
    return Array.isArray(names) ? names.find((name) => String(name).startsWith('cuda')) : undefined;
  } catch {
    return process.platform === 'linux' && process.arch === 'x64' ? 'cuda12' : undefined;
  }
}

/**
 * The command that downloads onnxruntime's CUDA libraries (needs the internet); undefined where there are
 * none.
 */
export function cudaCommand(found = installation()): string | undefined {
  const flavour = cudaFlavour(found);
  if (!found || !flavour) return undefined;
  const script = join(found.root, 'script', 'install.js');
  const here = relative(process.cwd(), script);
  const path = here.startsWith(`..${sep}..`) ? script : here;
  return `node ${/\s/.test(path) ? JSON.stringify(path) : path} --onnxruntime-node-install=${flavour}`;
}

/** Why CUDA cannot work here before anything is loaded; undefined where it may. */
export function cudaUnavailable(found = installation()): string | undefined {
  if (!found || cudaLibrary(found)) return undefined;
  const command = cudaCommand(found);
  if (!command)
    return `onnxruntime-node has no CUDA for ${process.platform}/${process.arch}: use --device webgpu`;
  return `onnxruntime's CUDA libraries are not installed: ${command}`;
}

// ---- The NVIDIA libraries that the CUDA provider wants, as the dynamic linker sees it (`ldd`), and the command that
// adds those which are missing: NVIDIA's own wheels in a folder of the user's, no root needed.

export interface CudaNeeds {
  /** Major version of CUDA and of cuDNN; undefined where the provider does not link to it. */
  readonly cuda?: number;
  readonly cudnn?: number;
  readonly found: readonly string[];
  readonly missing: readonly string[];
}

/** What the provider's library needs; undefined where ldd does not tell. */
export async function cudaNeeds(library: string): Promise<CudaNeeds | undefined> {
  const output = await outputOf('ldd', library);
  return output ? parseLdd(output) : undefined;
}

/** NVIDIA's libraries in ldd's output: `libcudnn.so.9 => /usr/lib/… (0x…)` or `=> not found`. */
export function parseLdd(output: string): CudaNeeds {
  const needs = [...output.matchAll(/^\s*(lib(?:cu|nv)\w+\.so[.\d]*) => (.*)$/gm)];
  const names = needs.map(([, name]) => name);
  const cuda = major(names, /^libcudart\.so\.(\d+)/) ?? major(names, /^libcublas(?:Lt)?\.so\.(\d+)/);
  const cudnn = major(names, /^libcudnn\.so\.(\d+)/);
  const missing = needs.filter(([, , where]) => where.startsWith('not found')).map(([, name]) => name);
  return {
    ...(cuda === undefined ? {} : { cuda }),
    ...(cudnn === undefined ? {} : { cudnn }),
    found: names.filter((name) => !missing.includes(name)),
    missing,
  };
}

const major = (names: readonly string[], pattern: RegExp): number | undefined => {
  const [found] = names.flatMap((name) => pattern.exec(name)?.[1] ?? []);
  return found === undefined ? undefined : Number(found);
};

/** Library → the wheel that holds it, without its CUDA version. */
const WHEELS: readonly (readonly [RegExp, string])[] = [
  [/^libcudart/, 'cuda-runtime'],
  [/^libcublas/, 'cublas'],
  [/^libcudnn/, 'cudnn'],
  [/^libcurand/, 'curand'],
  [/^libcufft/, 'cufft'],
  [/^libnvrtc/, 'cuda-nvrtc'],
  [/^libnvJitLink/, 'nvjitlink'],
  [/^libcusparse/, 'cusparse'],
  [/^libcusolver/, 'cusolver'],
];

/** The command that adds the missing libraries; undefined where none is missing or one is in no wheel. */
export function cudaLibrariesCommand({ cuda = 12, cudnn = 9, missing }: CudaNeeds): string | undefined {
  const wheels = missing.map((library) => WHEELS.find(([pattern]) => pattern.test(library))?.[1]);
  if (wheels.length === 0 || wheels.includes(undefined)) return undefined;
  const packages = [...new Set(wheels)].map((wheel) => {
    const name = `nvidia-${wheel}-cu${cuda}`;
    return wheel === 'cudnn' ? `'${name}==${cudnn}.*'` : name;
  });
  const folder = `~/.cuda${cuda}`;
  const libraries = `$(echo ${folder}/lib/python3*/site-packages/nvidia/*/lib | tr ' ' ':')`;
  const install = `python3 -m venv ${folder} && ${folder}/bin/pip install ${packages.join(' ')}`;
  return `${install} && export LD_LIBRARY_PATH=${libraries}`;
}
