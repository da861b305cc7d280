/**
 * SwiftShader, a software Vulkan that Debian's chromium brings, so that WebGPU is tested where there is no
 * GPU. It has to be in the environment before a process starts: specs run what uses it in a child process.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

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
