import { expect } from 'chai';
import { type Missing, missingParts } from '../../../lib/runtime/doctor.ts';
import { runModule } from '../../support/child.ts';
import { skipBecause } from '../../support/skip.ts';

const DOCTOR = `
  const { Command } = await import('@/node_modules/commander/esm.mjs');
  const { register } = await import('@/lib/cli/commands/doctor.ts');
  const program = new Command();
  register(program);
  await program.parseAsync(process.argv);`;
/** Makes onnxruntime-node impossible to find. */
const HIDE = `
  import { register as hook } from 'node:module';
  hook('data:text/javascript,' + encodeURIComponent(\`export async function resolve(name, context, next) {
    if (name !== 'onnxruntime-node') return next(name, context);
    throw Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' });
  }\`));`;

describe('alexnet doctor', () => {
  it('prints every device, why not, and what adds it', () => {
    const { status, stdout, stderr } = runModule(DOCTOR, { args: ['doctor'] });
    expect(stderr).to.equal('');
    expect(status).to.equal(0);
    expect(stdout).to.match(/^Node +v\d+\.\d+\.\d+ on \w+\/\w+$/m);
    expect(stdout).to.match(/^onnxruntime +1\.\d+\.\d+$/m);
    expect(stdout).to.match(/^CUDA +(works|no: \S.*)/m);
    expect(stdout).to.match(/^WebGPU +(works|no: \S.*)/m);
    expect(stdout).to.match(/^CPU +works$/m);
    expect(stdout).to.match(/^--device auto +takes (CUDA|WebGPU|CPU)$/m);
  });

  it('prints the same as JSON', () => {
    const { status, stdout } = runModule(DOCTOR, { args: ['doctor', '--json'] });
    expect(status).to.equal(0);
    const found = JSON.parse(stdout);
    expect(found.devices.map(({ device }: { device: string }) => device)).to.deep.equal([
      'cuda',
      'webgpu',
      'cpu',
    ]);
    for (const { works, reason } of found.devices) expect(works || typeof reason === 'string').to.equal(true);
    expect(found.onnxruntime.loads).to.equal(true);
  });

  it('exits 3 with the command that adds onnxruntime where that does not load', () => {
    const { status, stdout } = runModule(HIDE + DOCTOR, { args: ['doctor'] });
    expect(status).to.equal(3);
    expect(stdout).to.match(/does not load: onnxruntime-node is not installed/);
    expect(stdout).to.match(/To add onnxruntime-node:\n {2}npm install --ignore-scripts onnxruntime-node/);
    expect(stdout).to.not.contain('--device auto');
  });
});

describe('what is missing', () => {
  const nothing = {
    devices: [],
    gpus: [],
    deviceFiles: [],
    vulkan: { loader: '/lib/libvulkan.so.1', drivers: ['/a.json'] },
    addCuda: undefined,
    cuda: undefined,
    system: { ids: ['ubuntu', 'debian'], container: false },
  };
  const commands = (missing: readonly Missing[]) => missing.map(({ command }) => command);

  it('is the driver of an NVIDIA GPU that has none, then what onnxruntime needs for CUDA', () => {
    const gpus = [{ name: 'NVIDIA GPU 0x2335' }];
    const found = missingParts({ ...nothing, gpus, addCuda: 'node install.js' });
    expect(commands(found)).to.deep.equal([
      'sudo ubuntu-drivers install',
      'node install.js',
      'npx alexnet doctor --add-cuda',
    ]);
    const [{ command }] = missingParts({ ...nothing, gpus, system: { ids: ['debian'], container: true } });
    expect(command).to.contain('docker run --gpus all');
  });

  it('is the libraries that ldd misses, with their majors', () => {
    const cuda = { cuda: 12, cudnn: 9, found: [], missing: ['libcudnn.so.9'] };
    const [only, ...others] = missingParts({ ...nothing, cuda });
    expect(others).to.deep.equal([]);
    expect(only.what).to.equal('libraries of CUDA 12 and cuDNN 9: libcudnn.so.9');
    expect(only.command).to.contain("'nvidia-cudnn-cu12==9.*'");
  });

  it('is the driver where its library is missing, which is in no wheel', () => {
    const cuda = { cuda: 13, cudnn: 9, found: [], missing: ['libcublas.so.13', 'libcuda.so.1'] };
    const [driver, wheels, ...others] = missingParts({ ...nothing, cuda });
    expect(others).to.deep.equal([]);
    expect(driver).to.deep.equal({ what: 'the NVIDIA driver', command: 'sudo ubuntu-drivers install' });
    expect(wheels.what).to.equal('libraries of CUDA 13 and cuDNN 9: libcublas.so.13');
    expect(wheels.command).to.contain("pip install 'nvidia-cublas==13.*' &&");
  });

  it('is the Vulkan loader and driver for WebGPU, by the package manager of the system', function () {
    if (process.platform !== 'linux') skipBecause(this, 'only Linux tells');
    const gpus = [{ name: 'AMD GPU 0x744c', driver: 'amdgpu' }];
    const bare = { ...nothing, gpus, vulkan: { drivers: [] } };
    expect(commands(missingParts(bare))).to.deep.equal([
      'sudo apt-get install libvulkan1',
      'sudo apt-get install mesa-vulkan-drivers',
    ]);
    const fedora = { ...bare, system: { ids: ['fedora'], container: false } };
    expect(commands(missingParts(fedora))[0]).to.equal('sudo dnf install vulkan-loader');
  });

  it('is nothing where CUDA and WebGPU work', () => {
    const devices = [
      { device: 'cuda', works: true },
      { device: 'webgpu', works: true },
    ] as const;
    const gpus = [{ name: 'NVIDIA H200', driver: '570', computeCapability: '9.0' }];
    expect(missingParts({ ...nothing, devices, gpus, vulkan: { drivers: [] } })).to.deep.equal([]);
  });
});
