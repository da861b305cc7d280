/** Weights through the ONNX files that are exported here and back, with their network and preprocessing. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { exportOnnx } from '../../lib/networks/export.ts';
import { convertWeights } from '../../lib/weights/convert.ts';
import { diffWeights } from '../../lib/weights/diff.ts';
import { loadWeights } from '../../lib/weights/load.ts';
import { networkNamed } from '../../reference/networks/index.ts';

const tiny = fileURLToPath(new URL('../../fixtures/format/weights/tiny.npz', import.meta.url));

describe('weights in exported ONNX files', function () {
  this.timeout(180_000);
  let folder = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'onnx-'));
  });
  after(() => rmSync(folder, { recursive: true }));
  const at = (name: string) => join(folder, name);

  const ways = {
    plain: {},
    decomposed: { lrn: 'decomposed' },
    band: { lrn: 'band' },
    external: { externalData: true },
    'opset 18': { opset: 18 },
  } as const;
  for (const network of ['bvlc-alexnet', 'alexnet2012', 'alexnet2012-as-run', 'caffenet', 'onnx-zoo']) {
    for (const [way, options] of Object.entries(ways)) {
      it(`${network}, ${way}: the same bits, network and preprocessing`, async () => {
        const file = at(`${network}-${way.replace(' ', '')}.onnx`);
        await exportOnnx(file, { network, weights: tiny, ...options });
        expect((await diffWeights(tiny, file, network)).equal).to.equal(true);
        const loaded = await loadWeights(file);
        expect(loaded.network.name).to.equal(network);
        expect(loaded.preprocess).to.deep.equal(networkNamed(network).preprocess);
        await convertWeights(file, at('back.safetensors'));
        expect((await diffWeights(tiny, at('back.safetensors'), network)).equal).to.equal(true);
      });
    }
  }

  it('float16: rounded once, and read back as halves', async () => {
    await exportOnnx(at('half.onnx'), { network: 'bvlc-alexnet', weights: tiny, precision: 'float16' });
    // whole numbers over 8 below 2048/8 are exact in float16
    expect((await diffWeights(tiny, at('half.onnx'), 'bvlc-alexnet')).equal).to.equal(true);
  });
});
