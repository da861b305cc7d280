/**
 * onnxruntime with CUDA from the npm registry alone: a package made for Unity (MIT) holds the provider of onnxruntime
 * 1.29.0 for linux/x64. Core and provider share C++ tables, so they must be of one version: `addCuda` puts
 * onnxruntime-node 1.29.0, with the provider in it, into the place of the one that is installed, and keeps that beside
 * it; `removeCuda` puts it back.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { shortage, writeError } from '../disk/errno.ts';
import { EnvironmentError, InputError } from '../errors.ts';
import { CUDA_LIBRARY, type Installation, installation } from './installation.ts';

/** A package of the registry, with the hash that package-lock.json would hold. */
interface Archive {
  readonly name: string;
  readonly version: string;
  readonly integrity: string;
}

/** The version of onnxruntime that CUDA is to be had for. */
export const CUDA_VERSION = '1.29.0';

const core: Archive = {
  name: 'onnxruntime-node',
  version: CUDA_VERSION,
  integrity:
    'sha512-WjiVVB72riILz8HbYvxvmjKyE/WmkYoSfKY++axo5jAR609HQg8MwiG/HhShpTcJfmmAdzxxmB+MMST3A+SiPA==',
};
const common: Archive = {
  name: 'onnxruntime-common',
  version: CUDA_VERSION,
  integrity:
    'sha512-/F63/e2VJoaVXGGNu6S5QH7jivBThGO95OzAVXXQ8hTta/b1QxI8udHa6cI3+3mAb5WWIIaMMwfZw01oivjJ1g==',
};
const provider: Archive = {
  name: 'com.github.asus4.onnxruntime.linux-x64-gpu',
  version: '0.4.9',
  integrity:
    'sha512-FopIhNE/Ng+v2X65wVc9clPCBCvhvA53Hxo2U0Kf5fGdVsC7iCA+mZ0KLWggcQAj7TIZ6pNidR4AC10g74Xo6w==',
};

/** The provider's files, as the package of that version holds them. */
const LIBRARIES: Readonly<Record<string, string>> = {
  [CUDA_LIBRARY]: '56cf3254b118ad837ccc4ed8f6d1b23504bbf7ef91b34cbc0b289cb7f10b3037',
  'libonnxruntime_providers_shared.so': 'c6a12593396095f5670160e284c35d1700b7708cf3037b7042e2a5200ccae772',
};

/** Where the replaced package waits for `removeCuda`. */
const keptAt = (root: string): string => join(dirname(root), `.${basename(root)}-before-cuda`);

/** Downloads one file of the registry into a folder and returns its path; specs give their own. */
type Fetch = (archive: Archive, folder: string) => Promise<string>;

/**
 * Puts onnxruntime-node with CUDA into the place of the installed one. `say` gets a line before what takes long.
 * Rejects with InputError where CUDA is there already, EnvironmentError where the registry cannot be reached, a hash
 * is not what it should be, or this is not linux/x64. What was installed stays until all is there.
 */
export async function addCuda(say: (line: string) => void, found = installation(), fetch: Fetch = npmPack) {
  const root = mustBeHere(found).root;
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new EnvironmentError(
      `onnxruntime has no CUDA for ${process.platform}/${process.arch}: use --device webgpu`,
    );
  const kept = keptAt(root);
  if (existsSync(kept))
    throw new InputError(`CUDA was added already (${kept} holds what it replaced): --remove-cuda undoes it`);
  const stage = await mkdtemp(join(dirname(root), `.${basename(root)}-`)).catch((error) => {
    throw writeError(dirname(root), error);
  });
  try {
    say(
      `fetching onnxruntime-node ${CUDA_VERSION} and its CUDA provider from the npm registry (some 250 MB) …`,
    );
    const ready = await assemble(stage, fetch);
    await rename(root, kept);
    await rename(ready, root).catch(async (error) => {
      await rename(kept, root);
      throw error;
    });
  } catch (error) {
    const short = shortage(error);
    throw short ? new EnvironmentError(`${dirname(root)}: ${short}`) : error;
  } finally {
    await rm(stage, { recursive: true, force: true });
  }
  return { version: CUDA_VERSION, root };
}

/** Undoes `addCuda`. Rejects with InputError where there is nothing to undo. */
export async function removeCuda(found = installation()): Promise<{ readonly root: string }> {
  const { root } = mustBeHere(found);
  const kept = keptAt(root);
  if (!existsSync(kept)) throw new InputError('--remove-cuda undoes --add-cuda, which has not run here');
  const gone = await mkdtemp(join(dirname(root), `.${basename(root)}-`));
  await rename(root, join(gone, 'package'));
  await rename(kept, root);
  await rm(gone, { recursive: true, force: true });
  return { root };
}

/** The package's folder, complete, below `stage`. */
export async function assemble(stage: string, fetch: Fetch = npmPack): Promise<string> {
  const unpacked = async (archive: Archive): Promise<string> => {
    const folder = join(stage, archive.name);
    await mkdir(folder);
    const file = await fetch(archive, stage);
    await mustHash(file, 'sha512', 'base64', archive.integrity.slice('sha512-'.length));
    await run('tar', ['-xzf', file, '--no-same-owner', '-C', folder]);
    await rm(file);
    return join(folder, 'package');
  };
  const root = await unpacked(core);
  const platforms = join(root, 'bin', 'napi-v6');
  for (const other of (await readdir(platforms)).filter((name) => name !== 'linux'))
    await rm(join(platforms, other), { recursive: true });
  await rm(join(platforms, 'linux', 'arm64'), { recursive: true, force: true });
  await mkdir(join(root, 'node_modules'));
  await rename(await unpacked(common), join(root, 'node_modules', common.name));
  const libraries = join(await unpacked(provider), 'Plugins', 'Linux', 'x64');
  for (const [name, sha256] of Object.entries(LIBRARIES)) {
    await mustHash(join(libraries, name), 'sha256', 'hex', sha256);
    await rename(join(libraries, name), join(platforms, 'linux', 'x64', name));
  }
  const source = `${provider.name}@${provider.version}`;
  await writeFile(
    join(root, 'CUDA.txt'),
    `The CUDA provider beside libonnxruntime.so.1 is that of npm's ${source} (MIT).\n`,
  );
  return root;
}

function mustBeHere(found: Installation | undefined): Installation {
  if (found) return found;
  throw new EnvironmentError('onnxruntime-node is not installed: npm install onnxruntime-node');
}

async function mustHash(
  file: string,
  algorithm: string,
  encoding: 'hex' | 'base64',
  wanted: string,
): Promise<void> {
  const hash = createHash(algorithm);
  await pipeline(createReadStream(file), hash);
  const got = hash.digest(encoding);
  if (got !== wanted)
    throw new EnvironmentError(
      `${basename(file)} from the npm registry is not the file that it should be (${algorithm} ${got})`,
    );
}

/** npm downloads it: its registry, proxy and cache settings hold. */
async function npmPack({ name, version }: Archive, folder: string): Promise<string> {
  const out = await run('npm', [
    'pack',
    `${name}@${version}`,
    '--ignore-scripts',
    '--loglevel=error',
    '--pack-destination',
    folder,
  ]);
  return join(folder, out.trim().split('\n').at(-1)!);
}

async function run(program: string, args: readonly string[]): Promise<string> {
  try {
    return (await promisify(execFile)(program, args)).stdout;
  } catch (error) {
    const { code, stderr = '' } = error as NodeJS.ErrnoException & { stderr?: string };
    if (code === 'ENOENT')
      throw new EnvironmentError(`${program} is not installed; it is needed to add CUDA`);
    const said =
      stderr
        .trim()
        .split('\n')
        .find(
          (line) => !/^npm (?:ERR!|error) (?:code|syscall|errno|type|address|port) |^npm notice/.test(line),
        ) ?? '';
    throw new EnvironmentError(
      `${program} ${args[0]} failed: ${said.replace(/^npm (?:ERR!|error) /, '').slice(0, 200)}`,
    );
  }
}
