import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { joined } from '../../export/index.ts';
import { decodeModel, encodeModel } from '../../export/proto.ts';
import { fromTensor } from '../../lib/array/value.ts';
import { writeNpy } from '../../lib/format/npy.ts';
import { modelOf } from '../../lib/networks/modelfile.ts';
import { verify } from '../../lib/verify/index.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import { zeros } from '../../reference/tensor.ts';
import { initialise } from '../../reference/training/init.ts';
import { faults } from '../support/faults.ts';
import { narrow } from '../support/models.ts';
import { writeSafetensors } from '../support/tensor-bytes.ts';

describe('verify MODEL.onnx names the layer of a planted fault first', () => {
  const network = narrow(networkNamed('bvlc-alexnet'));
  const weights = initialise(network, 4, 'caffe');
  let folder: string;
  const path = (name: string): string => join(folder, name);

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-'));
    const bytes = joined(modelOf(network, weights, { source: 'seed 4, caffe' }).chunks());
    writeFileSync(path('right.onnx'), bytes);
    const arrays = new Map([...weights].map(([name, t]) => [name, fromTensor(t)]));
    writeFileSync(path('weights.safetensors'), writeSafetensors(arrays));
    for (const [at, fault] of faults.entries()) {
      const model = decodeModel(bytes);
      fault.plant(model);
      writeFileSync(path(`fault${at}.onnx`), encodeModel(model));
    }
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('the file as it was exported passes', async () => {
    const { verdict, layers } = await verify({ model: path('right.onnx'), device: 'cpu' });
    expect(verdict).to.equal('pass');
    expect(layers.map(({ layer }) => layer)).to.deep.equal(network.layers.map(({ name }) => name));
  });

  it('a float16 file as it was exported has the weights that it was written with', async () => {
    const halved = modelOf(network, weights, { source: 'seed 4, caffe', precision: 'float16' });
    writeFileSync(path('half.onnx'), joined(halved.chunks()));
    for (const given of [undefined, path('weights.safetensors')]) {
      const about = { model: path('half.onnx'), network: 'bvlc-alexnet', device: 'cpu' } as const;
      const { layers } = await verify({ ...about, weights: given });
      const products = layers.filter(({ kind }) => kind === 'conv2d' || kind === 'linear');
      expect(products.map(({ verdict, reason }) => `${verdict}${reason}`)).to.deep.equal(
        products.map(() => 'pass'),
      );
    }
  });

  it('a weight that the input leaves without effect: its layer, by the weights it should have', async () => {
    const model = decodeModel(readFileSync(path('right.onnx')));
    const weight = model.graph!.initializer.find(({ name }) => name === 'conv1.weight')!;
    weight.rawData = Uint8Array.from(weight.rawData!);
    weight.rawData[3] ^= 0x80;
    writeFileSync(path('sign.onnx'), encodeModel(model));
    writeFileSync(path('zeros.npy'), writeNpy(fromTensor(zeros([1, ...network.input]))));
    const given = { weights: path('weights.safetensors'), network: 'bvlc-alexnet', device: 'cpu' } as const;
    const result = await verify({ ...given, model: path('sign.onnx'), input: path('zeros.npy') });
    expect([result.verdict, result.first]).to.deep.equal(['fail', 'conv1']);
    expect(result.layers[0].reason).to.match(/^the file's conv1.weight differs from the given one in 1 of/);
    const right = await verify({ ...given, model: path('right.onnx'), input: path('zeros.npy') });
    expect(right.first).to.equal(null);
  });

  for (const [at, { name, layer, called }] of faults.entries()) {
    it(`${name}: ${layer}, by the file's own weights`, async () => {
      const result = await verify({ model: path(`fault${at}.onnx`), network: 'bvlc-alexnet', device: 'cpu' });
      expect([result.verdict, result.first]).to.deep.equal(['fail', layer]);
    });

    it(`${name}: ${layer}, by the weights it should have, and the mistake`, async () => {
      const weightsFile = path('weights.safetensors');
      const model = path(`fault${at}.onnx`);
      const result = await verify({ model, network: 'bvlc-alexnet', weights: weightsFile, device: 'cpu' });
      expect([result.verdict, result.first]).to.deep.equal(['fail', layer]);
      const row = result.layers.find((candidate) => candidate.layer === layer);
      expect([row?.reason, ...(result.why?.explanation.matches ?? [])]).to.include(called);
    });
  }
});
