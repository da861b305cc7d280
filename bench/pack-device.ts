/**
 * Packs what a bare linux/x64 machine needs to verify and to measure its devices: this Node, the built program with
 * bench/device.ts and bench/gpu-check.ts, its packages, onnxruntime's libraries for linux/x64, and the Vulkan loader
 * if there is one here.
 *
 *   npx tsx bench/pack-device.ts [FOLDER] [--cuda] [--sm 90]      FOLDER: default .device, which git ignores
 *
 * --cuda packs onnxruntime with its CUDA provider (lib/runtime/cuda.ts; some 250 MB from the npm registry), less the
 * machine code for other GPUs than that of compute capability --sm (90: H100, H200; 80: A100; 89: RTX 40).
 *
 * On the other machine, with nothing installed but NVIDIA's driver and PyTorch's wheels of CUDA 13:
 *
 *   bash FOLDER/run.sh bench/device.js --batches 1,128
 *   bash FOLDER/run.sh lib/cli/main.js doctor
 *
 * Pieces (pack.00, pack.01 …) of at most 50 MiB lie beside run.sh; those that had to be copied one after the other
 * may lie in the folder that ALEXNET_PIECES names.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { assemble } from '../lib/runtime/cuda.ts';
import { vulkan } from '../lib/runtime/hardware.ts';
import { CUDA_LIBRARY } from '../lib/runtime/installation.ts';
import { keepOnly } from './fatbin.ts';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { cuda: { type: 'boolean', default: false }, sm: { type: 'string', default: '90' } },
});
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const OUT = resolve(positionals[0] ?? join(ROOT, '.device'));
const STAGE = join(OUT, 'stage');
const PIECE = 50 * 2 ** 20;

if (process.platform !== 'linux' || process.arch !== 'x64')
  throw new Error('pack on linux/x64: Node travels along');
clear();
mkdirSync(join(STAGE, 'bin'), { recursive: true });
mkdirSync(join(STAGE, 'lib'));

copyFileSync(process.execPath, join(STAGE, 'bin', 'node'));
copyProgram();
copyPackages();
if (options.cuda) await placeCuda();
const { loader } = await vulkan();
if (loader) copyFileSync(loader, join(STAGE, 'lib', 'libvulkan.so.1'));
const pieces = pack();
writeFileSync(join(OUT, 'run.sh'), runner(pieces), { mode: 0o755 });
console.log(
  `${OUT}: run.sh and ${pieces.map(({ name, size }) => `${name} (${(size / 2 ** 20).toFixed(1)} MiB)`).join(', ')}` +
    `${loader ? '' : '; no Vulkan loader was found here'}`,
);

/** Removes an earlier pack. Throws Error where the folder holds something else. */
function clear(): void {
  const ours = /^(?:run\.sh|pack\.(?:tar\.xz|\d\d)|stage|unpacked)$/;
  const other = (existsSync(OUT) ? readdirSync(OUT) : []).find((name) => !ours.test(name));
  if (other) throw new Error(`${OUT} holds ${other}, which is no part of a pack: name another folder`);
  rmSync(OUT, { recursive: true, force: true });
}

function copyProgram(): void {
  const dist = join(STAGE, 'dist');
  execFileSync('npx', ['tsc', '-p', join(ROOT, 'bench', 'tsconfig.json'), '--outDir', dist], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  cpSync(join(ROOT, 'bench', 'engines'), join(dist, 'bench', 'engines'), {
    recursive: true,
    filter: (path) => !path.includes('.') || path.endsWith('.py'),
  });
  cpSync(join(ROOT, 'recipes'), join(dist, 'recipes'), { recursive: true });
  copyFileSync(join(ROOT, 'package.json'), join(STAGE, 'package.json'));
}

/** Every package that the program needs at run time, without binaries for other platforms. */
function copyPackages(): void {
  const modules = join(ROOT, 'node_modules');
  const wanted = new Set<string>();
  const follow = (folder: string): void => {
    const { dependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    for (const name of Object.keys(dependencies)) {
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

async function placeCuda(): Promise<void> {
  const work = join(STAGE, 'cuda');
  mkdirSync(work);
  const packed = join(STAGE, 'node_modules', 'onnxruntime-node');
  rmSync(packed, { recursive: true });
  renameSync(await assemble(work), packed);
  rmSync(work, { recursive: true });
  const path = join(packed, 'bin', 'napi-v6', 'linux', 'x64', CUDA_LIBRARY);
  const library = readFileSync(path);
  const blanked = keepOnly(library, Number(options.sm));
  writeFileSync(path, library);
  console.log(`${CUDA_LIBRARY}: ${(blanked / 1e6).toFixed(0)} MB of machine code for other GPUs left out`);
}

interface Piece {
  readonly name: string;
  readonly size: number;
  readonly sha256: string;
}

/** The staged files as an archive in pieces. */
function pack(): Piece[] {
  const archive = join(OUT, 'pack.tar.xz');
  execFileSync('tar', ['-C', STAGE, '--owner=0', '--group=0', '-cf', archive, '-I', 'xz -T0 -6', '.']);
  rmSync(STAGE, { recursive: true });
  execFileSync('split', ['-d', '-b', String(PIECE), archive, join(OUT, 'pack.')]);
  rmSync(archive);
  const names = readdirSync(OUT).filter((name) => /^pack\.\d\d$/.test(name));
  return names.sort().map((name) => {
    const path = join(OUT, name);
    const sha256 = createHash('sha256').update(readFileSync(path)).digest('hex');
    return { name, size: statSync(path).size, sha256 };
  });
}

/** Joins and unpacks once a folder, and runs a script of dist/ with the Node that came along. */
function runner(pieces: readonly Piece[]): string {
  return `#!/usr/bin/env bash
# Joins and unpacks the pieces (once) and runs dist/SCRIPT with the Node that came along: run.sh SCRIPT [ARGUMENT]…
# ALEXNET_PIECES: another folder with pieces; ALEXNET_UNPACK: where to unpack, default unpacked/ beside this file.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
at="\${ALEXNET_UNPACK:-$here/unpacked}"
if [ ! -e "$at/complete" ]; then
  pieces=()
  while read -r sum name; do
    file="$here/$name"
    [ -e "$file" ] || file="\${ALEXNET_PIECES:-$here}/$name"
    [ -e "$file" ] || { echo "$name is missing: copy it beside run.sh, or name its folder in ALEXNET_PIECES" >&2; exit 3; }
    echo "$sum  $file" | sha256sum --check --quiet >&2 || { echo "$file is damaged: copy it again" >&2; exit 3; }
    pieces+=("$file")
  done <<'PIECES'
${pieces.map(({ sha256, name }) => `${sha256} ${name}`).join('\n')}
PIECES
  mkdir -p "$at"
  # not every machine has xz; Python's own module reads it too
  if command -v xz >/dev/null; then cat "\${pieces[@]}" | tar -C "$at" -xJf -
  else cat "\${pieces[@]}" | python3 -c 'import sys, tarfile
tarfile.open(fileobj=sys.stdin.buffer, mode="r|xz").extractall(sys.argv[1])' "$at"; fi
  touch "$at/complete"
fi
# NVIDIA's libraries: the folders of Python's wheels, then the toolkit's; what ldconfig knows is found anyway
for python in python3 python; do
  command -v $python >/dev/null || continue
  for site in $($python -c 'import site, sys
print(*dict.fromkeys(site.getsitepackages() + [site.getusersitepackages()] + [p for p in sys.path if p.endswith("-packages")]))' 2>/dev/null); do
    for folder in "$site"/nvidia/cu13/lib "$site"/nvidia/*/lib "$site"/torch/lib; do
      [ -d "$folder" ] && LD_LIBRARY_PATH="\${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder"
    done
  done
  break
done
for folder in /usr/local/cuda/lib64 /usr/local/cuda-13*/lib64; do
  [ -d "$folder" ] && LD_LIBRARY_PATH="\${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder"
done
# the Vulkan loader that came along is for machines without one
ldconfig -p 2>/dev/null | grep -q libvulkan.so.1 || LD_LIBRARY_PATH="\${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$at/lib"
export LD_LIBRARY_PATH="\${LD_LIBRARY_PATH:-}"
[ -n "$LD_LIBRARY_PATH" ] || unset LD_LIBRARY_PATH
script=$1
shift
exec "$at/bin/node" "$at/dist/$script" "$@"
`;
}
