/** The bench itself, on a few small photos: every part ends, and says what it is for. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { tableOf, throughput } from '../../bench/throughput.ts';
import { boxedWeights } from '../../lib/weights/shipped.ts';
import { built } from '../support/child.ts';

describe('bench/throughput.ts', function () {
  this.timeout(120_000);
  it('times every part, the pipeline against the oracle first', async () => {
    built();
    const folder = mkdtempSync(join(tmpdir(), 'alexnet-'));
    const image = fileURLToPath(new URL('../../fixtures/image/rgb-letters.jpg', import.meta.url));
    for (const name of ['a.jpg', 'b.jpg', 'c.jpg']) cpSync(image, join(folder, name));
    const weights = boxedWeights('cifar-alexnet')!;
    const setting = { pictures: folder, network: 'cifar-alexnet', weights, device: 'cpu' };
    const rows = await throughput(setting, ['jpeg-js'], 1).finally(() => rmSync(folder, { recursive: true }));
    expect(rows.map(({ name }) => name)).to.deep.equal([
      'jpeg-js alone, one thread',
      'device alone',
      'decoding alone, jpeg-js',
      'pipeline, jpeg-js',
      'alexnet predict, jpeg-js',
    ]);
    for (const { timing } of rows)
      for (const value of Object.values(timing)) if (value) expect(value).to.be.above(0);
    const pipeline = rows[3].timing;
    expect(pipeline.delay).to.be.within(0, 1000 * pipeline.seconds);
    expect(tableOf(rows, 3).split('\n')).to.have.length(7);
  });
});
