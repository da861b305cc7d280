import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect } from 'chai';
import { chooseSplit, openDataset } from '../../../lib/data/open.ts';
import { expected, fixture, refusal } from '../../support/data-fixtures.ts';
import { shared } from '../../support/shared.ts';

describe('lib/data/imagefolder', () => {
  let folder: string;
  const at = (...names: string[]) => join(folder, ...names);
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-folders-'));
    cpSync(fixture('folders'), folder, { recursive: true });
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('reads both splits: classes by name, pictures by name, pixels as Pillow has them', async () => {
    const data = await openDataset(folder);
    expect(data.classes).to.deep.equal(['circle', 'cross', 'square', 'stripes']);
    expect([...data.splits.keys()]).to.deep.equal(['train', 'val']);
    for (const [name, perClass] of [
      ['train', 3],
      ['val', 2],
    ] as const) {
      const split = data.splits.get(name)!;
      expect(split.count).to.equal(4 * perClass);
      const pixels: Uint8Array[] = [];
      for (let i = 0; i < split.count; i++) {
        const { image, label } = await split.get(i);
        expect(label).to.equal(Math.floor(i / perClass));
        expect(basename(split.picture(i).name)).to.equal(`${i % perClass}.png`);
        pixels.push(image.data);
      }
      expect(Buffer.compare(Buffer.concat(pixels), expected(`folders.${name}`))).to.equal(0);
    }
    expect(chooseSplit(data).name).to.equal('val');
    expect(chooseSplit(data, 'train').name).to.equal('train');
    expect(() => chooseSplit(data, 'test')).to.throw(`${folder}: there is no split 'test', only train, val`);
  });

  it('takes class folders without a split, a class called train, and links to folders', async () => {
    cpSync(at('train', 'circle'), at('set', 'train'), { recursive: true });
    symlinkSync(at('train', 'cross'), at('set', 'aero'));
    mkdirSync(at('set', '.cache'));
    writeFileSync(at('set', 'README'), 'no class');
    const data = await openDataset(at('set'));
    expect(data.classes).to.deep.equal(['aero', 'train']);
    expect([...data.splits].map(([name, { count }]) => `${name} ${count}`)).to.deep.equal(['all 6']);
    rmSync(at('train', 'circle'), { recursive: true });
  });

  it('sorts classes character by character, as torchvision does', async () => {
    for (const name of ['10', '2', 'b', 'B'])
      cpSync(at('train', 'circle'), at('set', name), { recursive: true });
    expect((await openDataset(at('set'))).classes).to.deep.equal(['10', '2', 'B', 'b']);
  });

  it('lets val miss a class, with labels as in train', async () => {
    rmSync(at('val', 'circle'), { recursive: true });
    const { splits } = await openDataset(folder);
    expect(splits.get('val')!.label(0)).to.equal(1);
  });

  it('refuses an empty class folder, a class that train lacks, and a folder without class folders', async () => {
    mkdirSync(at('val', 'empty'));
    expect(await refusal(() => openDataset(folder))).to.equal(
      `${at('val', 'empty')}: a class that the training set does not have`,
    );
    mkdirSync(at('train', 'empty'));
    expect(await refusal(() => openDataset(folder))).to.equal(
      `${at('train', 'empty')}: no JPEG or PNG in this folder`,
    );
    expect(await refusal(() => openDataset(at('val', 'cross')))).to.match(/a folder for each class/);
  });

  it('opens with an unreadable picture in it, which alone fails, by name', async () => {
    writeFileSync(at('val', 'cross', '0.png'), 'no picture');
    const split = chooseSplit(await openDataset(folder));
    expect(await refusal(() => split.get(2))).to.include(at('val', 'cross', '0.png'));
    expect((await split.get(3)).label).to.equal(1);
  });

  it('counts the real photographs', async function () {
    const data = await openDataset(shared(this, 'imagefolder/pexels_cat_dog'));
    expect(data.classes).to.deep.equal(['cat', 'dog']);
    expect([...data.splits].map(([name, { count }]) => `${name} ${count}`)).to.deep.equal([
      'train 60',
      'val 60',
    ]);
  });
});
