/**
 * Every network, layer by layer, on every device that the probe finds, CUDA first, through the `verify()` that users
 * call. WebGPU runs on the machine's GPU, or on SwiftShader where there is none.
 * ALEXNET_REQUIRE_DEVICE=cuda (or webgpu, or both with a comma) makes a missing device a failure: SwiftShader
 * does not count as one.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { DEVICES, type Device, LABELS, type Probe } from '../../lib/runtime/devices.ts';
import { installation } from '../../lib/runtime/installation.ts';
import { networkNamed, networks } from '../../reference/networks/index.ts';
import { LOADER, runModule } from '../support/child.ts';
import { covering } from '../support/models.ts';
import { NO_SWIFTSHADER, swiftshader } from '../support/swiftshader.ts';
import type { Line } from '../support/verify-networks.ts';

/** On WebGPU, which SwiftShader computes here, only as many as have every form of layer that the large one has not. */
const networksOn = (device: Device) =>
  device === 'webgpu' ? covering(networks, [networkNamed('alexnet2012')]) : networks;

const REQUIRED = (process.env.ALEXNET_REQUIRE_DEVICE ?? '').split(',').filter(Boolean);
const SCRIPT = fileURLToPath(new URL('../support/verify-networks.ts', import.meta.url));
const LARGE = 'large';
/** Least error over bound of the large network. */
const LEAST = { full: 1e-5, quarter: 5e-4 };

/**
 * Effective bits that every convolution and fully connected layer must show. float32 kernels in any order
 * have 19.6 or more at fc6's 9216 terms; TF32 and float16 have 12, bfloat16 9 (DESIGN section 6, tier 3). The
 * CPU's blocked sums do better than that.
 */
const BITS: Readonly<Record<Device, number>> = { cpu: 20, cuda: 15, webgpu: 15 };

/**
 * onnxruntime 1.30's vectors of four channels straddle the groups on WebGPU: the last two of each group's six take the
 * next group's input. There no other fault has to be planted.
 */
const sixAreWrong = (device: Device): boolean =>
  device === 'webgpu' && Boolean(installation()?.version.startsWith('1.30.'));

const tried = (device: Device, env: NodeJS.ProcessEnv): Probe => {
  const text = `
    import { probe } from '@/lib/runtime/devices.ts';
    process.stdout.write(JSON.stringify(await probe('${device}')));`;
  return JSON.parse(runModule(text, { env }).stdout);
};

/** The environment in which the device works, and what is to be said of it; or why it does not. */
function environmentFor(device: Device): { env?: NodeJS.ProcessEnv; wide?: 'quarter'; note: string } {
  const env = { ...process.env, NVIDIA_TF32_OVERRIDE: '0' };
  const found = tried(device, env);
  if (found.works && !found.software) return { env, note: '' };
  if (REQUIRED.includes(device)) return { note: found.reason ?? `${found.software} is no GPU` };
  const software = device === 'webgpu' ? swiftshader() : undefined;
  if (!software)
    return { note: device === 'webgpu' ? `${found.reason}; ${NO_SWIFTSHADER}` : `${found.reason}` };
  return { env: { ...software, NVIDIA_TF32_OVERRIDE: '0' }, wide: 'quarter', note: 'on SwiftShader' };
}

/** Runs verify-networks.ts and reads its lines. */
function verifyAll(
  device: Device,
  wide: 'full' | 'quarter',
  env: NodeJS.ProcessEnv,
): Promise<Map<string, Line>> {
  const folder = mkdtempSync(join(tmpdir(), 'alexnet-devices-'));
  return new Promise((resolve, reject) => {
    const names = networksOn(device).map(({ name }) => name);
    const planted = sixAreWrong(device) ? 'none' : 'planted';
    const argv = ['--import', LOADER, SCRIPT, device, folder, wide, planted, ...names];
    const child = spawn(process.execPath, argv, { env });
    let [out, err] = ['', ''];
    child.stdout.on('data', (text) => (out += text));
    child.stderr.on('data', (text) => (err += text));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      rmSync(folder, { recursive: true });
      if (code !== 0) return reject(new Error(`the run ended with ${signal ?? code}: ${err.slice(-2000)}`));
      const lines = out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Line);
      resolve(new Map(lines.map((line) => [line.what, line])));
    });
  });
}

for (const device of DEVICES) {
  describe(`every network on ${LABELS[device]}`, function () {
    this.timeout(900_000);
    let lines: Map<string, Line>;
    let size: keyof typeof LEAST;

    before(async function () {
      const { env, wide = 'full', note } = environmentFor(device);
      size = wide;
      if (note) console.log(`      ${LABELS[device]}: ${env ? note : `skipped: ${note}`}`);
      if (!env && REQUIRED.includes(device)) throw new Error(`ALEXNET_REQUIRE_DEVICE=${device}: ${note}`);
      if (!env) return this.skip();
      lines = await verifyAll(device, wide, env);
    });

    const onSoftware = device === 'webgpu' ? ', on SwiftShader with a quarter of its kernels' : '';
    const titles = new Map(networksOn(device).map(({ name }) => [name, name]));
    titles.set(LARGE, `alexnet2012 at full size${onSoftware}`);
    for (const [what, title] of titles) {
      it(`agrees with the oracle in every layer: ${title}`, () => {
        const { error, layers = [], verdict, placement } = lines.get(what)!;
        expect(error).to.equal(undefined);
        const wrong = layers
          .filter((row) => row.verdict === 'fail')
          .map((row) => `${row.layer}: ${row.reason}`);
        expect(wrong, placement).to.deep.equal([]);
        expect(verdict).to.be.oneOf(['pass', 'suspicious']);
        for (const { layer, kind, bits, overBound, arithmetic, devices } of layers) {
          if (kind !== 'conv2d' && kind !== 'linear') continue;
          expect(devices, layer).to.deep.equal([LABELS[device]]);
          if (arithmetic !== 'undetermined') expect(bits, layer).to.be.within(BITS[device], 27);
          // errors grow as √n, the bound as n: with four times the 576 products that fc6 has at narrow widths, half
          // of their limit; with its 9216 in the CPU's blocked sums far less
          expect(overBound, layer).to.be.within(what === LARGE ? LEAST[size] : 1e-3, 1);
        }
      });
    }

    it('agrees where a group has six channels, or finds the fault of onnxruntime 1.30 on WebGPU', () => {
      const { error, first, layers = [] } = lines.get('six channels a group')!;
      expect(error).to.equal(undefined);
      if (!sixAreWrong(device)) {
        expect(first).to.equal(null);
        return;
      }
      const wrong = layers.filter(({ verdict }) => verdict === 'fail').map(({ layer }) => layer);
      expect(wrong).to.deep.equal(['conv5', 'conv6']);
    });

    if (sixAreWrong(device)) return;
    it('finds a planted fault in its layer', () => {
      const { error, verdict, first } = lines.get('a fault')!;
      expect(error).to.equal(undefined);
      expect([verdict, first]).to.deep.equal(['fail', 'conv3']);
    });
  });
}
