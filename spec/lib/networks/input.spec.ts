import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { InputError } from '../../../lib/errors.ts';
import { readInput } from '../../../lib/networks/input.ts';
import { networks } from '../../../reference/networks/index.ts';
import { fixturePath } from '../../support/golden-pictures.ts';

describe('lib/input', () => {
  const network = networks.find(({ name }) => name === 'cifar-alexnet')!;
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-input-'));
    for (const name of ['a.png', 'c.png']) copyFileSync(fixturePath('rgb8.png'), join(folder, name));
    writeFileSync(join(folder, 'b.jpg'), 'no picture');
  });
  after(() => rmSync(folder, { recursive: true }));

  it('goes on past a bad picture of a folder and says which, where someone listens', async () => {
    const lines: string[] = [];
    const { tensor } = await readInput(network, { from: folder, log: (line) => lines.push(line) });
    expect(tensor.shape).to.deep.equal([2, ...network.input]);
    const bad = join(folder, 'b.jpg');
    expect(lines).to.deep.equal([`passed over: ${bad}: not a picture: JPEG and PNG can be read`]);
  });

  it('refuses it where nobody listens, and where no picture is left', async () => {
    const path = join(folder, 'b.jpg');
    for (const options of [{ from: folder }, { from: path, log: () => {} }]) {
      const error = await readInput(network, options).catch((e) => e);
      expect(error).to.be.instanceOf(InputError);
      expect(error.message).to.equal(`${path}: not a picture: JPEG and PNG can be read`);
    }
  });
});
