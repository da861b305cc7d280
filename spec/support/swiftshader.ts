/**
 * SwiftShader, a software Vulkan that Debian's chromium brings, so that WebGPU is tested where there is no
 * GPU. It has to be in the environment before a process starts: specs run what uses it in a child process.
 */
import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fromRoot, LOADER } from './child.ts';
import type { Heard, Task } from './webgpu-host.ts';

const NAME = 'vk_swiftshader_icd.json';
const FOLDERS = [
  '/usr/lib/chromium',
  '/usr/lib64/chromium-browser',
  '/opt/google/chrome',
  '/snap/chromium/current',
];

function driver(): string | undefined {
  if (process.platform !== 'linux') return undefined;
  return [...installed(), ...FOLDERS.map((folder) => join(folder, NAME))].find((file) => existsSync(file));
}

function installed(): string[] {
  try {
    const files = execFileSync('dpkg', ['-L', 'chromium-common'], { encoding: 'utf8', stdio: 'pipe' });
    return files.split('\n').filter((file) => file.endsWith(NAME));
  } catch {
    return [];
  }
}

/** The environment in which WebGPU runs on SwiftShader, or undefined where it is not installed. */
export function swiftshader(): NodeJS.ProcessEnv | undefined {
  const file = driver();
  if (!file) return undefined;
  // chromium brings its own libvulkan.so.1, for machines without one
  const libraries = [process.env.LD_LIBRARY_PATH, dirname(file)].filter(Boolean).join(':');
  // Mesa's layer that picks among devices looks for a Wayland display and complains where there is none
  const quiet = { NODEVICE_SELECT: '1' };
  return {
    ...process.env,
    ...quiet,
    VK_ICD_FILENAMES: file,
    VK_DRIVER_FILES: file,
    LD_LIBRARY_PATH: libraries,
  };
}

export const NO_SWIFTSHADER = 'SwiftShader is not installed (Debian: apt-get install chromium)';

/** For a spec that needs it: the environment, or a skip that says why. */
export function needsSwiftshader(test: Mocha.Context): NodeJS.ProcessEnv {
  const environment = swiftshader();
  if (!environment) {
    console.log(`      skipped: ${test.test?.title ?? 'WebGPU'}: ${NO_SWIFTSHADER}`);
    test.skip();
  }
  return environment as NodeJS.ProcessEnv;
}

const HOST = fileURLToPath(new URL('./webgpu-host.ts', import.meta.url));
let host: ChildProcess | undefined;

/**
 * What a module logs that runs on WebGPU, line by line; its imports may start with '@/'. Compiling a network's shaders
 * takes SwiftShader up to ten seconds: so all of a mocha process's modules run in one child of it, which keeps them.
 */
export async function linesOnWebgpu(
  text: string,
  env: NodeJS.ProcessEnv,
  args: readonly string[] = [],
): Promise<readonly string[]> {
  // it may have died since it was asked last
  if (!host?.connected)
    host = fork(HOST, { env, execArgv: ['--import', LOADER], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const child = host;
  const folder = mkdtempSync(join(tmpdir(), 'alexnet-spec-'));
  try {
    const file = join(folder, 'main.mts');
    writeFileSync(file, fromRoot(text));
    child.ref();
    child.channel?.ref();
    const heard = await new Promise<Heard>((resolve) => {
      child.once('message', resolve);
      child.once('exit', (code, signal) => {
        host = undefined;
        resolve({ error: `the process on WebGPU ended: ${signal ?? code}` });
      });
      child.send({ file, args } satisfies Task);
    });
    child.removeAllListeners();
    if ('error' in heard) throw new Error(heard.error);
    return heard.lines;
  } finally {
    child.unref();
    child.channel?.unref();
    rmSync(folder, { recursive: true });
  }
}
