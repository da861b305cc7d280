/** Dropout's ½ travels with the weights that it was folded out of, so that no command computes another function. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { convertWeights } from '../../../lib/weights/convert.ts';
import { diffWeights } from '../../../lib/weights/diff.ts';
import { loadWeights } from '../../../lib/weights/load.ts';
import { networkNamed } from '../../../reference/networks/index.ts';
import { dense } from '../../../reference/tensor.ts';
import { writeSafetensors } from '../../support/tensor-bytes.ts';
import { arraysOf } from '../../support/weight-files.ts';

const tiny = fileURLToPath(new URL('../../../fixtures/format/weights/tiny.npz', import.meta.url));
const network = 'bvlc-alexnet';

describe("weights without dropout's ½", () => {
  let folder = '';
  const at = (name: string) => join(folder, name);
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'dropout-'));
    await convertWeights(tiny, at('paper.safetensors'), { network, dropout: 'paper' });
  });
  after(() => rmSync(folder, { recursive: true }));
  const values = async (path: string, layer: string, name?: string) => {
    const { weights } = await loadWeights(path, name === undefined ? undefined : networkNamed(name));
    return [...dense(weights.get(`${layer}.weight`)!)];
  };

  it('are folded back for a network that does not halve, exactly, and that is said', async () => {
    for (const layer of ['fc6', 'fc7', 'fc8'])
      expect(await values(at('paper.safetensors'), layer)).to.deep.equal(await values(tiny, layer, network));
    expect((await loadWeights(at('paper.safetensors'))).notes.join('\n')).to.match(/fc7: weights × 0\.5/);
  });

  it('are taken as they are by a network that halves', async () => {
    const twice = (await values(tiny, 'fc7', network)).map((value) => 2 * value);
    expect(await values(at('paper.safetensors'), 'fc7', 'alexnet2012')).to.deep.equal(twice);
  });

  it('keep saying so from file to file; a format that cannot is told of', async () => {
    const again = await convertWeights(at('paper.safetensors'), at('again.safetensors'));
    expect(again.notes.join()).to.equal('');
    expect(await values(at('again.safetensors'), 'fc8')).to.deep.equal(await values(tiny, 'fc8', network));
    const { notes } = await convertWeights(at('paper.safetensors'), at('paper.npz'));
    expect(notes.join()).to.match(/does not carry that its dropout is 'paper'/);
    await convertWeights(at('paper.safetensors'), at('back.npz'), { dropout: 'inverted' });
    expect((await diffWeights(tiny, at('back.npz'))).equal).to.equal(true);
    const rgb = await convertWeights(tiny, at('rgb.pth'), { network, channels: 'RGB' });
    expect(rgb.notes.join()).to.match(/does not carry the preprocessing .*"channels":"RGB"/);
    expect((await convertWeights(tiny, at('plain.pth'), { network })).notes).to.deep.equal([]);
  });

  it('are refused where the file says what nobody knows', async () => {
    const metadata = new Map([
      ['network', network],
      ['dropout', 'twice'],
    ]);
    writeFileSync(at('odd.safetensors'), writeSafetensors(await arraysOf(tiny), metadata));
    const error = await loadWeights(at('odd.safetensors')).catch((e: Error) => e);
    expect((error as Error).message).to.match(/odd\.safetensors: its metadata call dropout 'twice'/);
  });
});
