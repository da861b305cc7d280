import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { joined } from '../../export/index.ts';
import { decodeModel, encodeModel } from '../../export/proto.ts';
import { modelOf } from '../../lib/networks/modelfile.ts';
import { verify } from '../../lib/verify/index.ts';
import { networkNamed, networks } from '../../reference/networks/index.ts';
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
      for (const { layer, kind, introduced } of layers) {
        const { bits, relativeError, overBound } = introduced!;
        // values that pass as they are lose nothing
        if (['relu', 'maxpool', 'flatten', 'dropout'].includes(kind))
          expect(relativeError, layer).to.equal(0);
        if (kind !== 'conv2d' && kind !== 'linear') continue;
        // a result is rounded to 11 bits: the error is even over half an ulp, 2⁻¹²·⁸ to 2⁻¹¹·⁸ of the value (root of
        // the mean square); over few values half of that
        expect(relativeError, layer).to.be.within(2 ** -14, 2 ** -11);
        expect(bits, layer).to.be.within(10.8, 13.8);
        // and a bound that grew tenfold would show
        expect(overBound, layer).to.be.within(0.02, 1);
      }
    });
  }

  const wrong: readonly (readonly [string, string, string, string, (value: number) => number])[] = [
    ['an α of five times its value', 'norm1', 'LRN', 'alpha', (alpha) => 5 * alpha],
    ['β of 0.75 for 0.76', 'norm1', 'LRN', 'beta', (beta) => beta + 0.01],
  ];
  for (const [what, layer, op, attribute, change] of wrong)
    it(`${what} is still named in float16`, async () => {
      const network = narrow(networkNamed('alexnet2012'));
      const weights = initialise(network, 4, 'kaiming');
      const halved = modelOf(network, weights, { source: 'seed 4', precision: 'float16' });
      const model = decodeModel(joined(halved.chunks()));
      const node = model.graph!.node.find(({ opType }) => opType === op)!;
      const value = node.attribute.find(({ name }) => name === attribute)!;
      value.f = change(value.f ?? 0);
      const path = join(folder, 'wrong.onnx');
      writeFileSync(path, encodeModel(model));
      const { first } = await verify({ model: path, network: 'alexnet2012', device: 'cpu' });
      expect(first).to.equal(layer);
    });
});
