import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { joined } from '../../export/index.ts';
import { decodeModel, encodeModel } from '../../export/proto.ts';
import { modelOf } from '../../lib/networks/modelfile.ts';
import { partOf, writeBundle } from '../../lib/verify/bundle.ts';
import { verify } from '../../lib/verify/index.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import { initialise } from '../../reference/training/init.ts';
import { faults } from '../support/faults.ts';
import { narrow } from '../support/models.ts';

const modules = fileURLToPath(new URL('../../node_modules', import.meta.url));

describe('a bundle repeats the fault with onnxruntime-node alone', () => {
  const network = narrow(networkNamed('bvlc-alexnet'));
  const weights = initialise(network, 4, 'caffe');
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-'));
    symlinkSync(modules, join(folder, 'node_modules'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  for (const name of [
    'LRN α as if it were not divided',
    'pool1 average instead of max',
    'padding on the wrong side',
  ]) {
    it(`${name}: repro.mjs exits 1 and names the layer; with the mistake undone it exits 0`, async () => {
      const fault = faults.find((candidate) => candidate.name === name)!;
      const model = decodeModel(joined(modelOf(network, weights, { source: 'seed 4, caffe' }).chunks()));
      fault.plant(model);
      const path = join(folder, 'wrong.onnx');
      writeFileSync(path, encodeModel(model));
      const { evidence } = await verify({ model: path, network: 'bvlc-alexnet', weights, device: 'cpu' });
      const bundle = join(folder, fault.layer);
      await writeBundle(bundle, evidence!);
      expect(readdirSync(bundle).sort()).to.deep.equal([
        'bound.npy',
        'bundle.json',
        'device.npy',
        'expected.npy',
        'input_0.npy',
        'model.onnx',
        'repro.mjs',
      ]);
      const nodes = decodeModel(readFileSync(join(bundle, 'model.onnx'))).graph?.node;
      expect(nodes).to.have.lengthOf(1);
      const wrong = spawnSync(process.execPath, [join(bundle, 'repro.mjs')], { encoding: 'utf8' });
      expect(wrong.stdout).to.match(new RegExp(`^${fault.layer} on cpu: [1-9]\\d* of `));
      expect(wrong.status).to.equal(1);

      const right = decodeModel(joined(modelOf(network, weights, { source: 'seed 4, caffe' }).chunks()));
      writeFileSync(
        join(bundle, 'model.onnx'),
        encodeModel(partOf(right, [...evidence!.inputs.keys()], fault.layer)),
      );
      expect(spawnSync(process.execPath, [join(bundle, 'repro.mjs')]).status).to.equal(0);
    });
  }
});
