import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseNvidiaSmi, pciGpus, vulkan } from '../../../lib/runtime/hardware.ts';
import {
  cudaLibrariesCommand,
  cudaNeeds,
  installation,
  parseLdd,
} from '../../../lib/runtime/installation.ts';
import { skipBecause } from '../../support/skip.ts';

describe('the hardware', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-spec-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('lists what nvidia-smi prints', () => {
    // its --query-gpu=name,driver_version,memory.total,compute_cap --format=csv,noheader,nounits
    const csv = 'NVIDIA H200, 570.86.15, 143771, 9.0\nTesla T4, 550.54.15, [N/A], 7.5\n';
    expect(parseNvidiaSmi(csv)).to.deep.equal([
      { name: 'NVIDIA H200', driver: '570.86.15', memoryMiB: 143771, computeCapability: '9.0' },
      { name: 'Tesla T4', driver: '550.54.15', computeCapability: '7.5' },
    ]);
    expect(parseNvidiaSmi('No devices were found\n')).to.deep.equal([]);
  });

  it('finds display controllers on the PCI bus, with and without a driver', () => {
    const devices = [
      ['0000:00:02.0', '0x030000', '0x8086', '0x9a49', 'i915'],
      ['0000:01:00.0', '0x030200', '0x10de', '0x2335', ''],
      ['0000:02:00.0', '0x020000', '0x8086', '0x15f3', 'igc'],
    ];
    for (const [address, kind, vendor, device, driver] of devices) {
      const at = join(folder, address);
      mkdirSync(at);
      writeFileSync(join(at, 'class'), `${kind}\n`);
      writeFileSync(join(at, 'vendor'), `${vendor}\n`);
      writeFileSync(join(at, 'device'), `${device}\n`);
      if (driver) symlinkSync(`../../../bus/pci/drivers/${driver}`, join(at, 'driver'));
    }
    expect(pciGpus(folder)).to.deep.equal([
      { name: 'Intel GPU 0x9a49', driver: 'i915' },
      { name: 'NVIDIA GPU 0x2335' },
    ]);
    expect(pciGpus(join(folder, 'none'))).to.deep.equal([]);
  });

  it('reads Vulkan drivers from the variables that name them, else from the data folders', async function () {
    if (process.platform !== 'linux') skipBecause(this, 'only Linux tells');
    const drivers = join(folder, 'vulkan', 'icd.d');
    mkdirSync(drivers, { recursive: true });
    const file = join(drivers, 'a_icd.json');
    writeFileSync(file, '{}');
    writeFileSync(join(folder, 'libvulkan.so.1'), '');
    const found = await vulkan({ XDG_DATA_DIRS: folder, LD_LIBRARY_PATH: folder });
    expect(found.drivers).to.include(file);
    expect(found.loader).to.equal(join(folder, 'libvulkan.so.1'));
    expect((await vulkan({ VK_ICD_FILENAMES: `${file}:/nonexistent.json` })).drivers).to.deep.equal([file]);
    expect((await vulkan({ VK_DRIVER_FILES: file, VK_ICD_FILENAMES: 'b' })).drivers).to.deep.equal([file]);
  });
});

describe('the libraries of CUDA', () => {
  const ldd = [
    '\tlinux-vdso.so.1 (0x00007ffd2a5f2000)',
    '\tlibcublasLt.so.12 => not found',
    '\tlibcublas.so.12 => /usr/local/cuda/lib64/libcublas.so.12 (0x00007f2d1c000000)',
    '\tlibcudnn.so.9 => not found',
    '\tlibcurand.so.10 => /usr/local/cuda/lib64/libcurand.so.10 (0x00007f2d16000000)',
    '\tlibcufft.so.11 => not found',
    '\tlibcudart.so.12 => not found',
    '\tlibstdc++.so.6 => /lib/x86_64-linux-gnu/libstdc++.so.6 (0x00007f2d15c00000)',
  ].join('\n');

  it('are read from ldd, with the majors of CUDA and cuDNN', () => {
    expect(parseLdd(ldd)).to.deep.equal({
      cuda: 12,
      cudnn: 9,
      found: ['libcublas.so.12', 'libcurand.so.10'],
      missing: ['libcublasLt.so.12', 'libcudnn.so.9', 'libcufft.so.11', 'libcudart.so.12'],
    });
  });

  it('that are missing come with one command', () => {
    expect(cudaLibrariesCommand(parseLdd(ldd))).to.equal(
      'python3 -m venv ~/.cuda12 && ~/.cuda12/bin/pip install nvidia-cublas-cu12 ' +
        "'nvidia-cudnn-cu12==9.*' nvidia-cufft-cu12 nvidia-cuda-runtime-cu12 && " +
        "export LD_LIBRARY_PATH=$(echo ~/.cuda12/lib/python3*/site-packages/nvidia/*/lib | tr ' ' ':')",
    );
    expect(cudaLibrariesCommand({ found: ['libcudart.so.12'], missing: [] })).to.equal(undefined);
  });

  it('of CUDA 13 are wheels without a suffix, but for cuDNN, of the major in the name of the library', () => {
    const missing = [
      'libcublasLt.so.13',
      'libcublas.so.13',
      'libcurand.so.10',
      'libcuda.so.1',
      'libcudnn.so.9',
      'libnvrtc.so.13',
    ];
    expect(cudaLibrariesCommand({ cuda: 13, found: [], missing })).to.equal(
      "python3 -m venv ~/.cuda13 && ~/.cuda13/bin/pip install 'nvidia-cublas==13.*' 'nvidia-curand==10.*' " +
        "'nvidia-cudnn-cu13==9.*' 'nvidia-cuda-nvrtc==13.*' && " +
        "export LD_LIBRARY_PATH=$(echo ~/.cuda13/lib/python3*/site-packages/nvidia/*/lib | tr ' ' ':')",
    );
    expect(cudaLibrariesCommand({ cuda: 13, found: [], missing: ['libcuda.so.1'] })).to.equal(undefined);
  });

  it('of what is loaded only when it is first asked for, where the linker is told to look', async function () {
    if (process.platform !== 'linux') skipBecause(this, 'ldd is of Linux');
    const folder = mkdtempSync(join(tmpdir(), 'alexnet-ldd-'));
    const { PATH, LD_LIBRARY_PATH } = process.env;
    try {
      // an ldd and an ldconfig that know of no cuDNN and no NVRTC
      for (const [name, says] of [
        ['ldd', '\tlibcudart.so.12 => /usr/lib/libcudart.so.12 (0x1)'],
        ['ldconfig', 'libc.so.6 (libc6) => /lib/libc.so.6'],
      ])
        writeFileSync(join(folder, name), `#!/bin/sh\necho '${says}'\n`, { mode: 0o755 });
      process.env.PATH = `${folder}:${PATH}`;
      const needs = async (folders: string) => {
        process.env.LD_LIBRARY_PATH = folders;
        const { found, missing } = (await cudaNeeds('any.so'))!;
        return [found, missing];
      };
      const lazy = ['libcudnn.so.9', 'libnvrtc.so.12'];
      expect(await needs('')).to.deep.equal([['libcudart.so.12'], lazy]);
      expect(await needs(`:${folder}`)).to.deep.equal([['libcudart.so.12'], lazy]);
      writeFileSync(join(folder, lazy[0]), '');
      expect(await needs(`:${folder}`)).to.deep.equal([['libcudart.so.12', lazy[0]], [lazy[1]]]);
    } finally {
      process.env.PATH = PATH;
      if (LD_LIBRARY_PATH === undefined) delete process.env.LD_LIBRARY_PATH;
      else process.env.LD_LIBRARY_PATH = LD_LIBRARY_PATH;
      rmSync(folder, { recursive: true });
    }
  });

  it('are none for the library that runs on the CPU, read with the real ldd', async function () {
    const found = installation();
    if (process.platform !== 'linux' || !found)
      skipBecause(this, 'onnxruntime is not there, or not on Linux');
    const needs = await cudaNeeds(join(found!.binaries, 'libonnxruntime.so.1'));
    expect(needs).to.deep.equal({ found: [], missing: [] });
    expect(await cudaNeeds(join(found!.binaries, 'none.so'))).to.equal(undefined);
  });
});
