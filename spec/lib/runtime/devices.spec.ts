import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { EnvironmentError } from '../../../lib/errors.ts';
import {
  type Choice,
  chooseDevice,
  type Device,
  describeChoice,
  type Probe,
  probe,
} from '../../../lib/runtime/devices.ts';
import { CUDA_LIBRARY, cudaLibrary, cudaUnavailable } from '../../../lib/runtime/installation.ts';
import { providerOf } from '../../../lib/runtime/onnxruntime.ts';
import { crash, loaders, verdict } from '../../../lib/runtime/probe.ts';
import { runModule } from '../../support/child.ts';
import { skipBecause } from '../../support/skip.ts';
import { needsSwiftshader } from '../../support/swiftshader.ts';

/** A device finder that answers from a table. */
const table =
  (...rows: Probe[]) =>
  async (device: Device): Promise<Probe> =>
    rows.find((row) => row.device === device)!;

const cpu: Probe = { device: 'cpu', works: true };
const noCuda: Probe = { device: 'cuda', works: false, reason: 'no GPU' };
const noWebgpu: Probe = { device: 'webgpu', works: false, reason: 'no adapter' };

async function refused(run: Promise<unknown>): Promise<Error> {
  const error = await run.then(
    () => undefined,
    (reason: Error) => reason,
  );
  expect(error).to.be.instanceOf(EnvironmentError);
  return error as Error;
}

/** What a module's text writes to stdout, as JSON. */
function inChild(text: string, env: NodeJS.ProcessEnv): unknown {
  const { stdout, stderr } = runModule(`import * as devices from '@/lib/runtime/devices.ts';\n${text}`, {
    env,
  });
  expect(stderr).to.equal('');
  return JSON.parse(stdout);
}
const PROBE_WEBGPU = `process.stdout.write(JSON.stringify(await devices.probe('webgpu')));`;

describe('the choice of a device', () => {
  it('is, for auto, the first of cuda, webgpu and cpu that works, and says why for the others', async () => {
    const cuda: Probe = { device: 'cuda', works: true };
    const webgpu: Probe = { device: 'webgpu', works: true };
    expect(await chooseDevice('auto', table(cuda, webgpu, cpu))).to.deep.equal({
      device: 'cuda',
      refusals: [],
    });
    expect(await chooseDevice('auto', table(noCuda, webgpu, cpu))).to.deep.equal({
      device: 'webgpu',
      refusals: [{ device: 'cuda', reason: 'no GPU' }],
    });
    const choice = await chooseDevice('auto', table(noCuda, noWebgpu, cpu));
    expect(choice.device).to.equal('cpu');
    expect(describeChoice(choice)).to.deep.equal(['CPU', '  not CUDA: no GPU', '  not WebGPU: no adapter']);
  });

  it('passes over a WebGPU in software unless it is asked for by name', async () => {
    const software: Probe = { device: 'webgpu', works: true, software: 'SwiftShader' };
    const choice = await chooseDevice('auto', table(noCuda, software, cpu));
    expect(choice.device).to.equal('cpu');
    expect(choice.refusals[1].reason).to.contain('SwiftShader');
    const asked = await chooseDevice('webgpu', table(noCuda, software, cpu));
    expect(describeChoice(asked)).to.deep.equal(['WebGPU (SwiftShader, in software)']);
  });

  it('is an EnvironmentError where the asked device, or every device, does not work', async () => {
    expect((await refused(chooseDevice('webgpu', table(noWebgpu)))).message).to.equal(
      '--device webgpu does not work here: no adapter',
    );
    const dead: Probe = { device: 'cpu', works: false, reason: 'onnxruntime-node is not installed: …' };
    const error = await refused(chooseDevice('auto', table(noCuda, noWebgpu, dead)));
    expect(error.message).to.equal('onnxruntime-node is not installed: …');
  });

  it('takes one of several NVIDIA GPUs by its number, and says which', async () => {
    const asked: unknown[] = [];
    const find = async (device: string, gpu?: number): Promise<Probe> => {
      asked.push([device, gpu]);
      return gpu === 7
        ? verdict(
            'cuda',
            { error: 'Invalid device ID: 7, must be between 0 (inclusive) and 2 (exclusive).' },
            '',
          )
        : { device: 'cuda', works: true };
    };
    const choice = await chooseDevice('cuda:1', find);
    expect(choice).to.deep.equal({ device: 'cuda', gpu: 1, refusals: [] });
    expect(describeChoice(choice)).to.deep.equal(['CUDA (GPU 1)']);
    expect((await refused(chooseDevice('cuda:7', find))).message).to.equal(
      '--device cuda:7 does not work here: there is no GPU of that number: `nvidia-smi -L` lists them, from 0',
    );
    expect(asked).to.deep.equal([
      ['cuda', 1],
      ['cuda', 7],
    ]);
    expect(providerOf('cuda', 1)).to.deep.equal({ name: 'cuda', deviceId: 1 });
    expect(providerOf('cuda')).to.equal('cuda');
  });

  it('of WebGPU by a number is refused: onnxruntime takes none', async () => {
    const error = await chooseDevice('webgpu:1', table(cpu)).catch((reason) => reason);
    expect([error.name, error.message]).to.deep.equal([
      'InputError',
      "--device webgpu:1: onnxruntime lets WebGPU's driver choose the GPU: use webgpu",
    ]);
  });

  it('of CUDA without its libraries is refused with the command that adds them', async function () {
    if (cudaLibrary() || !cudaUnavailable()) skipBecause(this, 'CUDA is installed');
    const { message } = await refused(chooseDevice('cuda'));
    expect(message).to.match(/^--device cuda does not work here: onnxruntime/);
    expect(message).to.not.contain('\n');
    if (process.platform !== 'linux' || process.arch !== 'x64') return;
    expect(message).to.match(
      /onnxruntime's CUDA libraries are not installed: npx alexnet doctor --add-cuda$/,
    );
  });
});

describe('a CUDA provider of another version', () => {
  let binaries: string;
  beforeEach(() => {
    binaries = mkdtempSync(join(tmpdir(), 'alexnet-provider-'));
  });
  afterEach(() => rmSync(binaries, { recursive: true, force: true }));

  it('is never loaded: it shares C++ tables with onnxruntime', () => {
    const library = join(binaries, CUDA_LIBRARY);
    const found = (version: string) => cudaUnavailable({ version, root: binaries, binaries });
    // the version is a constant among others, here where two parts of the file meet that are read one after the other
    writeFileSync(
      library,
      Buffer.concat([Buffer.alloc(2 ** 22 - 3, 1), Buffer.from('\u00001.29.0\u0000'), Buffer.alloc(9, 1)]),
    );
    expect(found('1.29.0')).to.equal(undefined);
    expect(found('1.30.0')).to.match(/^the CUDA provider beside onnxruntime 1\.30\.0 is of another version/);
    expect(found('.29.0')).to.match(/another version/);
  });
});

describe('the probe of a device', () => {
  it('finds that the CPU works', async () => {
    expect(await probe('cpu')).to.deep.equal(cpu);
  });

  it('finds WebGPU on SwiftShader and that it is software', function () {
    const env = needsSwiftshader(this);
    expect(inChild(PROBE_WEBGPU, env)).to.deep.equal({
      device: 'webgpu',
      works: true,
      software: 'SwiftShader',
    });
  });

  it('lets auto pass over SwiftShader', function () {
    const env = needsSwiftshader(this);
    const text = `process.stdout.write(JSON.stringify(await devices.chooseDevice('auto')));`;
    const choice = inChild(text, env) as Choice;
    if (choice.device === 'cuda') skipBecause(this, 'CUDA works here');
    expect(choice.device).to.equal('cpu');
    expect(choice.refusals.map(({ device }) => device)).to.deep.equal(['cuda', 'webgpu']);
  });

  it('tells in one line that there is no driver', function () {
    if (process.platform !== 'linux') skipBecause(this, 'only Linux tells');
    const nowhere = '/nonexistent/icd.json';
    const env = { ...process.env, VK_ICD_FILENAMES: nowhere, VK_DRIVER_FILES: nowhere };
    const { works, reason } = inChild(PROBE_WEBGPU, env) as Probe;
    expect(works).to.equal(false);
    expect(reason).to.match(/Vulkan/);
    expect(reason).to.not.match(/\n|onnxruntime_src|dawn/);
  });

  it('survives a driver that crashes', () => {
    const folder = mkdtempSync(join(tmpdir(), 'alexnet-spec-'));
    try {
      const file = join(folder, 'abort.cjs');
      writeFileSync(file, `process.stderr.write('driver: bad state\\n');\nprocess.abort();\n`);
      const text = `process.env.NODE_OPTIONS = ${JSON.stringify(`--require=${file}`)};\n${PROBE_WEBGPU}`;
      expect(inChild(text, process.env)).to.deep.equal({
        device: 'webgpu',
        works: false,
        reason: 'its driver crashed (SIGABRT): driver: bad state',
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('refuses a device that computes wrongly', () => {
    expect(verdict('webgpu', { y: [22, -24, 49, 0] }, '')).to.deep.equal({
      device: 'webgpu',
      works: false,
      reason: 'it computes wrongly: [22,-24,49,0] instead of [22,49,0,0]',
    });
  });

  it('says when a driver does not answer', () => {
    expect(crash('cuda', { killed: true, signal: 'SIGKILL' }, '')).to.match(/did not answer within 60 s/);
  });

  it('hands its process the loaders of this one and nothing else', () => {
    const given = [
      '--inspect-brk',
      '--import',
      'tsx',
      '-e',
      'code',
      '--require=./a.cjs',
      '-r',
      'b',
      '--test',
    ];
    expect(loaders(given)).to.deep.equal(['--import', 'tsx', '--require=./a.cjs', '-r', 'b']);
  });
});
