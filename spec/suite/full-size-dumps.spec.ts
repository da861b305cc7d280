/** `verify --values`: what PyTorch and OpenCV make of whole networks at full size. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { verify } from '../../lib/index.ts';
import { type Dumped, fullSizeDumps } from '../support/full-size-dumps.ts';
import { needsPython } from '../support/pytorch.ts';

describe('full-size values that PyTorch and OpenCV computed', function () {
  this.timeout(300_000);
  let folder = '';
  let dumps: readonly Dumped[] = [];
  before(function () {
    needsPython(this, 'torch', 'python3-torch');
    needsPython(this, 'cv2', 'python3-opencv');
    folder = mkdtempSync(join(tmpdir(), 'full-size-'));
    dumps = fullSizeDumps(folder);
  });
  after(() => folder && rmSync(folder, { recursive: true }));

  it('every layer of alexnet2012, bvlc-alexnet and torchvision passes', async () => {
    for (const { network, weights, input, files } of dumps) {
      for (const engine of ['PyTorch', 'OpenCV'] as const) {
        const { verdict, layers } = await verify({ network, weights, input, values: files[engine] });
        const rows = layers.map(({ layer, reason }) => [layer, reason]);
        expect(verdict, `${network.name}, ${engine}: ${JSON.stringify(rows)}`).to.equal('pass');
        expect(layers.length).to.equal(network.layers.length);
      }
    }
    expect(dumps.length).to.equal(3);
  });
});
