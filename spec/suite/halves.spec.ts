import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { joined } from '../../export/index.ts';
import { decodeModel, encodeModel } from '../../export/proto.ts';
import { modelOf } from '../../lib/networks/modelfile.ts';
import { verify } from '../../lib/verify/index.ts';
import { networks } from '../../reference/networks/index.ts';
import { initialise } from '../../reference/training/init.ts';
import { narrow } from '../support/models.ts';

describe('float16 files on the CPU device', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  for (const whole of networks) {
    it(`${whole.name}: every layer passes`, async () => {
      const network = narrow(whole);
      const model = join(folder, 'half.onnx');
      const weights = initialise(network, 4, 'kaiming');
      writeFileSync(
        model,
        joined(modelOf(network, weights, { source: 'seed 4', precision: 'float16' }).chunks()),
      );
      const { verdict, layers } = await verify({ model, network: whole.name, device: 'cpu' });
      const failed = layers
        .filter((row) => row.verdict === 'fail')
        .map(({ layer, reason }) => `${layer}: ${reason}`);
      expect(failed).to.deep.equal([]);
      expect(verdict).to.not.equal('fail');
    });
  }

  it('an α that is off is still named in float16', async () => {
    const whole = networks.find(({ name }) => name === 'alexnet2012')!;
    const network = narrow(whole);
    const weights = initialise(network, 4, 'kaiming');
    const halved = modelOf(network, weights, { source: 'seed 4', precision: 'float16' });
    const model = decodeModel(joined(halved.chunks()));
    const lrn = model.graph!.node.find(({ opType }) => opType === 'LRN')!;
    const alpha = lrn.attribute.find(({ name }) => name === 'alpha')!;
    alpha.f = (alpha.f ?? 0) * 5;
    const path = join(folder, 'wrong.onnx');
    writeFileSync(path, encodeModel(model));
    const { first } = await verify({ model: path, network: 'alexnet2012', device: 'cpu' });
    expect(first).to.equal('norm1');
  });
});
