import { join } from 'node:path';
import { expect } from 'chai';
import { linesOnWebgpu, needsSwiftshader } from '../support/swiftshader.ts';
import { difference } from '../support/training.ts';
import { temporary, tinyCifar } from '../support/training-data.ts';

/** The same run on the CPU and on WebGPU, and on WebGPU once more with a stop in between. */
const text = `
import { join } from 'node:path';
import { readCheckpoint } from '@/lib/train/checkpoint.ts';
import { train } from '@/lib/train/index.ts';

const [, , folder] = process.argv;
// few kinds of layers: each costs SwiftShader the time to compile it, and verify-training has them all
const options = {
  data: join(folder, 'data'), network: 'cifar-relu', width: 0.25, epochs: 1, batch: 4, learningRate: 0.002,
  augment: 'standard', seed: 4, threads: 1, freeze: ['conv3'],
};
const stateOf = (out) => {
  const { state } = readCheckpoint(join(out, 'checkpoint.safetensors'));
  const both = [...state.weights, ...[...state.momenta].map(([name, value]) => ['momentum of ' + name, value])];
  return Object.fromEntries(both.map(([name, { data }]) => [name, [...data]]));
};
const results = {};
for (const device of ['cpu', 'webgpu']) {
  const out = join(folder, device);
  await train({ ...options, device, out });
  results[device] = stateOf(out);
}
const out = join(folder, 'stopped');
const abort = new AbortController();
await train({ ...options, device: 'webgpu', out, progress: ({ step }) => step >= 2 && abort.abort(), signal: abort.signal });
const { steps } = readCheckpoint(join(out, 'checkpoint.safetensors')).progress;
await train({ ...options, device: 'webgpu', out, resume: true });
results.resumed = stateOf(out);
console.log(JSON.stringify({ ...results, steps }));
`;

describe('training on WebGPU', function () {
  this.timeout(300_000);
  const folder = temporary();

  it('with the state in the GPU’s memory ends where the CPU ends, and resumes bit for bit', async function () {
    const env = needsSwiftshader(this);
    tinyCifar(join(folder, 'data'), 16, 4);
    const lines = await linesOnWebgpu(text, env, [folder]);
    const { cpu, webgpu, resumed, steps } = JSON.parse(lines.at(-1)!);
    expect(steps).to.be.within(2, 3);
    expect(Object.keys(cpu)).to.have.length(16);
    // four steps, each √3136·u off on either device; sums over a picture cancel to about a hundredth, and
    // what the first steps were off grows. A state that is not handed on is off by tenths.
    const tolerance = 2 * 4 * 100 * Math.sqrt(3136) * 2 ** -24;
    for (const name of Object.keys(cpu))
      expect(difference(webgpu[name], cpu[name]), name).to.be.below(tolerance);
    expect(webgpu['conv3.weight']).to.deep.equal(cpu['conv3.weight']);
    for (const name of Object.keys(webgpu)) expect(resumed[name], name).to.deep.equal(webgpu[name]);
  });
});
