import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { EnvironmentError } from '../../../lib/errors.ts';
import {
  assertPlacement,
  describePlacement,
  layerDevices,
  layerOf,
  type Placement,
  parseProfile,
} from '../../../lib/runtime/placement.ts';

/** Profiles that onnxruntime 1.30 wrote: fixtures/runtime/make.py and record.mjs. */
const recorded = (name: string): Placement =>
  parseProfile(readFileSync(new URL(`../../../fixtures/runtime/${name}.json`, import.meta.url), 'utf8'));

// the layers of make.py's model, in its order
const LAYERS = 'conv1 relu1 norm1 pool1 conv2 relu2 conv3 relu3 flatten fc6 relu6 drop6 fc7 prob'.split(' ');

const event = (name: string, op_name: string, provider = 'CUDAExecutionProvider') => ({
  cat: 'Node',
  name: `${name}_kernel_time`,
  args: { op_name, provider },
});
const placed = (...events: object[]): Placement => parseProfile(JSON.stringify(events));

describe('the placement of nodes', () => {
  it('counts a node once however often the model ran', () => {
    expect(recorded('cpu-disabled').nodes.map(({ name }) => name)).to.deep.equal(LAYERS);
  });

  for (const profile of ['cpu-all', 'cpu-disabled']) {
    it(`finds every layer on the CPU, those fused into another too (${profile})`, () => {
      const placement = recorded(profile);
      for (const [layer, devices] of layerDevices(placement, LAYERS))
        expect(devices, layer).to.deep.equal(['CPU']);
      expect(describePlacement(placement, 'cpu', LAYERS)).to.equal('14 of 14 on CPU');
      assertPlacement(placement, 'cpu', LAYERS);
    });
  }

  it('names the layers that WebGPU left to the CPU', () => {
    expect(describePlacement(recorded('webgpu-all'), 'webgpu', LAYERS)).to.equal(
      'norm1 on CPU, 13 of 14 on WebGPU',
    );
    expect(describePlacement(recorded('webgpu-disabled'), 'webgpu', LAYERS)).to.equal(
      'norm1 drop6 on CPU, 12 of 14 on WebGPU',
    );
  });

  it('is an EnvironmentError that names the layers where the device was to run all', () => {
    expect(() => assertPlacement(recorded('webgpu-disabled'), 'webgpu', LAYERS)).to.throw(
      EnvironmentError,
      /^--strict-device: norm1 drop6 ran on CPU, not on WebGPU: /,
    );
  });

  it('follows a fused node to the layers that it covers, on whichever side its name stands', () => {
    const placement = placed(
      event('relu1_nchwc', 'Conv', 'CPUExecutionProvider'),
      event('pool1', 'MaxPool'),
      event('conv2_token_4', 'Conv'),
      event('fused fc6', 'FusedGemm', 'CPUExecutionProvider'),
    );
    const layers = ['conv1', 'relu1', 'pool1', 'conv2', 'relu2', 'fc6', 'relu6'];
    expect(Object.fromEntries(layerDevices(placement, layers))).to.deep.equal({
      conv1: ['CPU'],
      relu1: ['CPU'],
      pool1: ['CUDA'],
      conv2: ['CUDA'],
      relu2: ['CUDA'],
      fc6: ['CPU'],
      relu6: ['CPU'],
    });
  });

  it('counts a layer of several nodes as elsewhere if one of them is', () => {
    const placement = placed(
      event('norm1/square', 'Mul'),
      event('norm1/mean', 'AveragePool', 'CPUExecutionProvider'),
      event('norm1', 'Div'),
      event('Memcpy_token_3', 'MemcpyToHost', 'CPUExecutionProvider'),
    );
    expect(layerDevices(placement, ['norm1']).get('norm1')).to.deep.equal(['CUDA', 'CPU']);
    expect(describePlacement(placement, 'cuda', ['norm1'])).to.equal('norm1 on CPU, 0 of 1 on CUDA');
  });

  it('gives a node to the longest layer name that it continues', () => {
    expect(layerOf('conv1', ['conv1', 'conv10'])).to.equal('conv1');
    expect(layerOf('conv10', ['conv1', 'conv10'])).to.equal('conv10');
    expect(layerOf('tower.1/norm', ['tower', 'tower.1'])).to.equal('tower.1');
    expect(layerOf('conv12', ['conv1'])).to.equal(undefined);
  });

  it('keeps the name of a provider that it does not know', () => {
    expect(placed(event('a', 'Relu', 'DmlExecutionProvider')).nodes[0].device).to.equal('Dml');
  });
});
