/**
 * Which NVIDIA libraries onnxruntime's CUDA provider wants, as the dynamic linker sees it (`ldd`), and the
 * command that adds those which are missing: NVIDIA's own wheels in a folder of the user's, no root needed.
 */
import { outputOf } from './hardware.ts';

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
