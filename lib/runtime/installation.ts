/**
 * onnxruntime-node on the disk: its version, which files are there, and the command that adds CUDA.
 * CUDA comes for linux/x64 alone, by the package's own install script, which this repository's .npmrc
 * switches off.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative, sep } from 'node:path';

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
