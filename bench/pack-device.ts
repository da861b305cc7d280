/**
 * Packs what a bare linux/x64 machine needs to verify and to measure its devices: this Node, the built program with
 * bench/device.ts, its packages, onnxruntime's libraries for linux/x64 (CUDA's too if they are installed), and the
 * Vulkan loader if there is one here.
 *
 *   npx tsx bench/pack-device.ts [FOLDER]        default: .device, which git ignores
 *
 * On the other machine, with nothing installed:  bash FOLDER/run.sh bench/device.js --batches 1,128
 * or any command of the program:                  bash FOLDER/run.sh lib/cli/main.js doctor
 */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { vulkan } from '../lib/runtime/hardware.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const OUT = resolve(process.argv[2] ?? join(ROOT, '.device'));
const STAGE = join(OUT, 'stage');
const LIMIT = 64 * 2 ** 20;

interface Manifest {
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

if (process.platform !== 'linux' || process.arch !== 'x64')
  throw new Error('pack on linux/x64: Node travels along');
rmSync(OUT, { recursive: true, force: true });
mkdirSync(join(STAGE, 'bin'), { recursive: true });
mkdirSync(join(STAGE, 'lib'));

copyFileSync(process.execPath, join(STAGE, 'bin', 'node'));
execFileSync('npx', ['tsc', '-p', join(ROOT, 'bench', 'tsconfig.json'), '--outDir', join(STAGE, 'dist')], {
  cwd: ROOT,
  stdio: 'inherit',
});
cpSync(
  join(ROOT, 'bench', 'engines', 'torchstep.py'),
  join(STAGE, 'dist', 'bench', 'engines', 'torchstep.py'),
);
cpSync(join(ROOT, 'recipes'), join(STAGE, 'dist', 'recipes'), { recursive: true });
copyFileSync(join(ROOT, 'package.json'), join(STAGE, 'package.json'));
copyPackages();
const { loader } = await vulkan();
if (loader) copyFileSync(loader, join(STAGE, 'lib', 'libvulkan.so.1'));
writeFileSync(join(OUT, 'run.sh'), runner(), { mode: 0o755 });
const archive = join(OUT, 'pack.tar.xz');
execFileSync('tar', ['-C', STAGE, '-cf', archive, '-I', 'xz -T0 -6', '.']);
rmSync(STAGE, { recursive: true });

const { size } = statSync(archive);
console.log(
  `${archive}: ${(size / 2 ** 20).toFixed(1)} MiB${loader ? '' : ' (no Vulkan loader was found here)'}`,
);
if (size > LIMIT) {
  console.error('over 64 MiB: without CUDA’s libraries it is smaller');
  process.exitCode = 1;
}

/** Every package that the program needs at run time, without binaries for other platforms. */
function copyPackages(): void {
  const modules = join(ROOT, 'node_modules');
  const read = (folder: string) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
  const wanted = new Set<string>();
  const follow = (folder: string): void => {
    for (const name of Object.keys(read(folder).dependencies ?? {})) {
      if (wanted.has(name) || !existsSync(join(modules, name))) continue;
      wanted.add(name);
      follow(join(modules, name));
    }
  };
  follow(ROOT);
  const foreign =
    /onnxruntime-node\/bin\/napi-v6\/(?!linux(?:\/x64|$))|\.map$|\/node_modules\/h5wasm\/dist\/iife/;
  for (const name of wanted) {
    const target = join(STAGE, 'node_modules', name);
    mkdirSync(dirname(target), { recursive: true });
    cpSync(join(modules, name), target, { recursive: true, filter: (path) => !foreign.test(path) });
  }
}

/** Unpacks once a folder and runs a script of dist/ with the Node that came along. */
function runner(): string {
  return `#!/usr/bin/env bash
# Unpacks pack.tar.xz beside this file (once) and runs dist/SCRIPT with its own Node: run.sh SCRIPT [ARGUMENT]…
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
at="\${ALEXNET_UNPACK:-$here/unpacked}"
if [ ! -x "$at/bin/node" ]; then
  mkdir -p "$at"
  tar -C "$at" -xJf "$here/pack.tar.xz" 2>/dev/null || python3 -c 'import sys, tarfile
tarfile.open(sys.argv[1]).extractall(sys.argv[2])' "$here/pack.tar.xz" "$at"
fi
# the loader that came along is for machines without one
ldconfig -p 2>/dev/null | grep -q libvulkan.so.1 || export LD_LIBRARY_PATH="\${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$at/lib"
script=$1
shift
exec "$at/bin/node" "$at/dist/$script" "$@"
`;
}
