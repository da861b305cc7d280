/**
 * Run by spec/suite/devices.spec.ts in a process of its own, one a device: verifies networks at narrow
 * widths, a large one, one with six channels a group and, if asked, one with a planted fault, all through `verify()`,
 * and writes one line of JSON for each. argv: the device, an empty folder, 'full' or 'quarter' for the widths of the
 * large one, 'planted' or 'none', the networks.
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromTensor } from '../../lib/array/value.ts';
import { exportOnnx, type VerifyOptions, type VerifyResult, verify } from '../../lib/index.ts';
import type { Device } from '../../lib/runtime/devices.ts';
import { holdDevice, lrnOf } from '../../lib/runtime/session.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import type { Network } from '../../reference/networks/layers.ts';
import type { Weights } from '../../reference/oracle.ts';
import { dense, tensor } from '../../reference/tensor.ts';
import { narrow, randomWeights } from './models.ts';
import { writeNpz } from './tensor-bytes.ts';

/** What the spec reads of one verification. */
export interface Line {
  readonly what: string;
  readonly verdict?: VerifyResult['verdict'];
  readonly first?: string | null;
  readonly placement?: string;
  readonly layers?: readonly LayerLine[];
  readonly seconds: number;
  readonly error?: string;
}

export interface LayerLine {
  readonly layer: string;
  readonly kind: string;
  readonly verdict: VerifyResult['verdict'];
  readonly reason: string;
  readonly bits: number | null;
  readonly overBound: number | null;
  readonly arithmetic: string | null;
  readonly devices: readonly string[];
}

// its shaders are few: somebody else's file runs in a process of its own, where they are compiled once more
const FAULTY = 'cifar-relu';
const FULL = 'alexnet2012';
const [device, folder, wide, planted, ...names] = process.argv.slice(2) as [Device, ...string[]];

function weightFile(name: string, weights: Weights): string {
  const file = join(folder, `${name}.npz`);
  writeFileSync(file, writeNpz([...weights].map(([key, t]) => [key, fromTensor(t)])));
  return file;
}

async function report(what: string, options: VerifyOptions): Promise<void> {
  const start = performance.now();
  const seconds = () => Math.round(performance.now() - start) / 1000;
  let line: Line;
  try {
    const { verdict, first, placement, layers } = await verify({ ...options, device });
    const rows = layers.map(({ layer, kind, verdict, reason, introduced, devices }) => ({
      ...{ layer, kind, verdict, reason, devices },
      bits: introduced?.bits ?? null,
      overBound: introduced?.overBound ?? null,
      arithmetic: introduced?.arithmetic ?? null,
    }));
    line = { what, verdict, first, placement, layers: rows, seconds: seconds() };
  } catch (error) {
    line = { what, error: (error as Error).message, seconds: seconds() };
  }
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** A quarter of the kernels and neurons: SwiftShader would compute all of them for 15 s. */
const quartered = (name: string): Network => {
  const network = networkNamed(name);
  const last = network.layers.findLastIndex(({ kind }) => kind === 'linear');
  const layers = network.layers.map((layer, i) =>
    'channels' in layer && i !== last ? { ...layer, channels: layer.channels / 4 } : layer,
  );
  return { ...network, layers };
};

/** The weights with the sign of conv3's largest one turned. */
function withFault(weights: Weights): Weights {
  const whole = weights.get('conv3.weight')!;
  const values = Float32Array.from(dense(whole));
  const largest = values.reduce((best, value, i) => (Math.abs(value) > Math.abs(values[best]) ? i : best), 0);
  values[largest] = -values[largest];
  return new Map([...weights, ['conv3.weight', tensor(values, whole.shape)]]);
}

await using _held = await holdDevice(device);
for (const [seed, network] of names.map(networkNamed).entries()) {
  const weights = weightFile(network.name, randomWeights(narrow(network, 8), seed + 1));
  await report(network.name, { network: network.name, weights });
}
// the optimised graph's layers are seen at narrow widths
const size = wide === 'full' ? {} : { weights: weightFile('quarter', randomWeights(quartered(FULL), 1)) };
await report('large', { network: FULL, ...size, ...(device === 'webgpu' && { levels: [] }) });

const six = weightFile('six', randomWeights(narrow(networkNamed('cifar-alexnet')), 1));
await report('six channels a group', { network: 'cifar-alexnet', weights: six });

if (planted === 'planted') {
  const right = randomWeights(narrow(networkNamed(FAULTY), 8), 1);
  const model = join(folder, 'faulty.onnx');
  const lrn = lrnOf(device);
  await exportOnnx(model, { network: FAULTY, weights: weightFile('faulty', withFault(right)), lrn });
  await report('a fault', { model, network: FAULTY, weights: weightFile('right', right) });
}
