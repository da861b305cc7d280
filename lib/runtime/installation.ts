/**
 * onnxruntime-node on the disk: its version, which files are there, and the commands that add CUDA, which comes for
 * linux/x64 alone: by the package's own install script, which this repository's .npmrc switches off, or from the npm
 * registry (cuda.ts).
 */
import { closeSync, existsSync, openSync, readFileSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join, relative, sep } from 'node:path';
import { loaderCache, outputOf } from './hardware.ts';

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
function cudaFlavour(found = installation()): string | undefined {
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
  if (!found) return undefined;
  const library = cudaLibrary(found);
  if (library) return isOfVersion(library, found.version) ? undefined : wrongVersion(found.version);
  if (!cudaCommand(found))
    return `onnxruntime-node has no CUDA for ${process.platform}/${process.arch}: use --device webgpu`;
  return `onnxruntime's CUDA libraries are not installed: npx alexnet doctor --add-cuda`;
}

const wrongVersion = (version: string): string =>
  `the CUDA provider beside onnxruntime ${version} is of another version, and they share C++ tables: ` +
  'npm install onnxruntime-node again, then npx alexnet doctor --add-cuda';

/** Whether a library of onnxruntime says that it is of that version: a whole string among its constants. */
function isOfVersion(library: string, version: string): boolean {
  const wanted = Buffer.from(`\0${version}\0`);
  const file = openSync(library, 'r');
  try {
    const part = Buffer.alloc(2 ** 22);
    for (let at = 0; ; at += part.length - wanted.length) {
      const got = readSync(file, part, 0, part.length, at);
      if (part.subarray(0, got).includes(wanted)) return true;
      if (got < part.length) return false;
    }
  } finally {
    closeSync(file);
  }
}

// ---- The NVIDIA libraries that the CUDA provider wants, and the command that adds those which are missing:
// NVIDIA's own wheels in a folder of the user's, no root needed.

export interface CudaNeeds {
  /** Major version of CUDA and of cuDNN; undefined where the provider does not link to it. */
  readonly cuda?: number;
  readonly cudnn?: number;
  readonly found: readonly string[];
  readonly missing: readonly string[];
}

/** NVIDIA's driver: with the kernel module, in no wheel. */
export const DRIVER_LIBRARY = 'libcuda.so.1';

/**
 * What the provider's library needs: what it links to (`ldd`), and what it loads when an operator first asks for it,
 * by the names in its code: cuDNN 9 for convolutions and LRN, which itself takes NVRTC. Undefined where ldd does not
 * tell.
 */
export async function cudaNeeds(library: string): Promise<CudaNeeds | undefined> {
  const output = await outputOf('ldd', library);
  if (!output) return undefined;
  const linked = parseLdd(output);
  if (linked.cuda === undefined) return linked;
  const lazy = [`libcudnn.so.${linked.cudnn ?? 9}`, `libnvrtc.so.${linked.cuda}`];
  const unlinked = lazy.filter((name) => !linked.found.includes(name) && !linked.missing.includes(name));
  const cache = await loaderCache();
  const there = (name: string) => cache.includes(`${name} `) || onLoaderPath(name);
  return {
    cudnn: 9,
    ...linked,
    found: [...linked.found, ...unlinked.filter(there)],
    missing: [...linked.missing, ...unlinked.filter((name) => !there(name))],
  };
}

/** What is in the folders that the dynamic linker is told to look in first. */
const onLoaderPath = (name: string, { LD_LIBRARY_PATH = '' } = process.env): boolean =>
  LD_LIBRARY_PATH.split(delimiter).some((folder) => folder !== '' && existsSync(join(folder, name)));

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

/**
 * The command that adds the missing libraries; undefined where none is missing or one is in no wheel. The wheels of
 * CUDA 13 have no suffix (those that end in -cu13 are empty), but for cuDNN's; before, all have. A wheel counts as its
 * library does, so the major in the library's name picks it.
 */
export function cudaLibrariesCommand({ cuda = 12, missing }: CudaNeeds): string | undefined {
  const wheels = missing
    .filter((library) => library !== DRIVER_LIBRARY)
    .map((library) => wheelOf(library, cuda));
  if (wheels.length === 0 || wheels.includes(undefined)) return undefined;
  const folder = `~/.cuda${cuda}`;
  const libraries = `$(echo ${folder}/lib/python3*/site-packages/nvidia/*/lib | tr ' ' ':')`;
  const packages = [...new Set(wheels)].join(' ');
  return `python3 -m venv ${folder} && ${folder}/bin/pip install ${packages} && export LD_LIBRARY_PATH=${libraries}`;
}

function wheelOf(library: string, cuda: number): string | undefined {
  const wheel = WHEELS.find(([pattern]) => pattern.test(library))?.[1];
  if (!wheel) return undefined;
  const version = /\.so\.(\d+)/.exec(library)?.[1];
  if (wheel === 'cudnn') return `'nvidia-cudnn-cu${cuda}==${version ?? 9}.*'`;
  if (cuda < 13) return `nvidia-${wheel}-cu${cuda}`;
  return version ? `'nvidia-${wheel}==${version}.*'` : `nvidia-${wheel}`;
}
