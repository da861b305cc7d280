import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { EnvironmentError, InputError } from '../../../lib/errors.ts';
import { loadImages, picturesOf, readPicture } from '../../../lib/image/load.ts';
import {
  type Image,
  krizhevsky,
  type PreprocessOptions,
  preprocess,
} from '../../../reference/input/preprocess.ts';
import { dense } from '../../../reference/tensor.ts';
import { fixturePath } from '../../support/golden-pictures.ts';
import { skipBecause } from '../../support/skip.ts';

const spec = krizhevsky(227);
const fed =
  (how = spec, options: PreprocessOptions = {}) =>
  (image: Image) =>
    preprocess(image, how, options);

describe('lib/image/load', () => {
  let folder: string;
  const at = (...names: string[]): string => join(folder, ...names);
  const put = (fixture: string, ...names: string[]) => copyFileSync(fixturePath(fixture), at(...names));

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-load-'));
    mkdirSync(at('b', 'deeper'), { recursive: true });
    mkdirSync(at('empty'));
    put('rgb8.png', 'z.png');
    put('orientation6.jpg', 'a.jpg');
    put('grey8.png', 'b', 'deeper', 'no-extension');
    put('grey8.png', 'b', '.hidden.png');
    writeFileSync(at('b', 'notes.txt'), 'no picture');
    writeFileSync(at('b', 'broken.JPEG'), 'no picture');
    symlinkSync(at('z.png'), at('b', 'link.png'));
    symlinkSync(folder, at('b', 'loop'));
    execFileSync('mkfifo', [at('b', 'pipe.png')]);
  });
  after(() => rmSync(folder, { recursive: true }));

  const messageOf = (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => 'nothing thrown',
      (error) => (error instanceof InputError ? error.message : `not an InputError: ${error}`),
    );

  it('finds the pictures of a folder and the folders in it, sorted, by name or by content', async () => {
    expect(await picturesOf(folder)).to.deep.equal([
      at('a.jpg'),
      at('b', 'broken.JPEG'),
      at('b', 'deeper', 'no-extension'),
      at('b', 'link.png'),
      at('z.png'),
    ]);
  });

  it('goes on after a bad file, and keeps the order', async () => {
    const { images, failures } = await loadImages(
      [folder, at('missing.png'), at('b', 'notes.txt')],
      fed(spec),
    );
    expect(images.map(({ path }) => path)).to.deep.equal([
      at('a.jpg'),
      at('b', 'deeper', 'no-extension'),
      at('b', 'link.png'),
      at('z.png'),
    ]);
    expect(images.every(({ tensor }) => tensor.shape.join() === '1,3,227,227')).to.equal(true);
    expect(failures.map(({ message }) => message)).to.deep.equal([
      `${at('b', 'broken.JPEG')}: not a picture: JPEG and PNG can be read`,
      `${at('missing.png')}: no such file`,
      `${at('b', 'notes.txt')}: not a picture: JPEG and PNG can be read`,
    ]);
  });

  it('reads files and folders whose names are not UTF-8, and says why one cannot be an argument', async () => {
    const odd = Buffer.from('caf\xe9', 'latin1');
    const outer = join(folder, 'names');
    const inner = Buffer.concat([Buffer.from(`${outer}/`), odd]);
    mkdirSync(inner, { recursive: true });
    const bytes = readFileSync(fixturePath('rgb8.png'));
    writeFileSync(Buffer.concat([inner, Buffer.from('/a.png')]), bytes);
    writeFileSync(Buffer.concat([Buffer.from(`${outer}/`), odd, Buffer.from('.png')]), bytes);
    writeFileSync(join(outer, 'café.png'), bytes);
    const { images, failures } = await loadImages([outer], fed(spec));
    rmSync(inner, { recursive: true });
    const paths = images.map(({ path }) => path.slice(outer.length + 1));
    expect(failures).to.deep.equal([]);
    expect(paths.sort()).to.deep.equal(['café.png', 'caf\uFFFD.png', 'caf\uFFFD/a.png'].sort());
    const lost = join(outer, 'caf\uFFFD.png');
    expect(await messageOf(readPicture(lost))).to.equal(
      `${lost}: its name is not UTF-8 and cannot be given as an argument: give its folder`,
    );
    expect(await messageOf(picturesOf(outer))).to.include('its name is not UTF-8: rename it');
    rmSync(outer, { recursive: true });
  });

  it('names the file when the picture does not fit the preprocessing', async () => {
    const { failures } = await loadImages(
      [at('z.png')],
      fed({ ...spec, resize: { mode: 'none', size: 32 } }),
    );
    expect(failures[0].message).to.match(/z\.png: preprocess: the picture must be 32×32/);
  });

  it('makes ten views where they are asked for', async () => {
    const { images } = await loadImages([at('z.png')], fed(spec, { views: 10 }));
    const { tensor: views } = images[0];
    expect(views.shape).to.deep.equal([10, 3, 227, 227]);
    // five crops and their mirrors, no two alike
    const rows = Array.from({ length: 10 }, (_, i) => [
      ...dense(views).subarray(i * 3 * 227 ** 2, (i + 1) * 3 * 227 ** 2),
    ]);
    expect(new Set(rows.map((row) => row.join())).size).to.equal(10);
    for (let i = 0; i < 5; i++)
      expect(rows[i + 5].slice(0, 227), `view ${i}`).to.deep.equal(rows[i].slice(0, 227).reverse());
  });

  it('refuses folders, pipes, devices, missing and enormous files without opening them', async () => {
    expect(await messageOf(readPicture(folder))).to.equal(`${folder}: is a folder, not a picture`);
    expect(await messageOf(readPicture(at('b', 'pipe.png')))).to.include('pipe.png: is not a regular file');
    expect(await messageOf(readPicture('/dev/zero'))).to.equal('/dev/zero: is not a regular file');
    expect(await messageOf(readPicture(at('missing')))).to.equal(`${at('missing')}: no such file`);
    expect(await messageOf(picturesOf(at('empty')))).to.include('no JPEG or PNG in this folder');
    writeFileSync(at('huge.bin'), '');
    truncateSync(at('huge.bin'), 2 ** 33); // sparse
    expect(await messageOf(readPicture(at('huge.bin')))).to.include('8192.0 MiB are too large');
    rmSync(at('huge.bin'));
  });

  it('stops at once when the decoder that was asked for is not installed', async function () {
    const installed = await import('sharp' as string).then(
      () => true,
      () => false,
    );
    if (installed) skipBecause(this, 'sharp is installed');
    const error = await loadImages([at('z.png')], fed(spec), { decoder: 'sharp' }).catch((e) => e);
    expect(error).to.be.instanceOf(EnvironmentError);
  });
});
