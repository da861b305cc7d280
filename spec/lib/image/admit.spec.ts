/** Both sides of every limit on pictures, and what people have instead of a JPEG or PNG. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { checkScans, checkSize, explain, MAX_FILE_BYTES, sniff } from '../../../lib/image/admit.ts';
import { decodeImage, decodeImageSync } from '../../../lib/image/decode.ts';
import { readPicture } from '../../../lib/image/load.ts';
import { refusal } from '../../support/data-fixtures.ts';
import { fixture } from '../../support/golden-pictures.ts';

const latin1 = (text: string): Uint8Array => Buffer.from(text, 'latin1');

describe('lib/image/admit', () => {
  it('100 megapixels and 65,535 a side, and nothing beyond', () => {
    const fine: [number, number][] = [
      [1, 1],
      [10_000, 10_000],
      [65_535, 1],
      [1, 65_535],
    ];
    for (const [width, height] of fine) expect(() => checkSize(width, height, 'a')).not.to.throw();
    expect(() => checkSize(10_000, 10_001, 'a.png')).to.throw(
      'a.png: 10000×10001 is too large (at most 100 megapixels, 65535 a side)',
    );
    expect(() => checkSize(65_536, 1, 'a')).to.throw('65536×1 is too large');
    expect(() => checkSize(1, 65_536, 'a')).to.throw('1×65536 is too large');
    expect(() => checkSize(0, 5, 'a')).to.throw('a: the picture has no pixels (0×5)');
    expect(() => checkSize(5, 0, 'a')).to.throw('a: the picture has no pixels (5×0)');
  });

  it('two thousand million samples of scans, or as many as are told', () => {
    expect(() => checkScans(10, 2e9, 'a')).not.to.throw();
    expect(() => checkScans(10, 2e9 + 64, 'a.jpg')).to.throw(
      'a.jpg: 10 scans visit 2.0 thousand million samples, over the budget of 2 (predict --scan-budget N',
    );
    expect(() => checkScans(10, 3e9, 'a', 3)).not.to.throw();
    expect(() => checkScans(10, 3e9 + 64, 'a', 3)).to.throw('budget of 3');
  });

  it('JPEG and PNG by their first bytes', () => {
    expect(sniff(latin1('\xff\xd8\xff\xe0'))).to.equal('JPEG');
    expect(sniff(latin1('\x89PNG\r\n\x1a\nmore'))).to.equal('PNG');
    for (const text of ['', '\xff\xd8', '\x89PNG\r\n\x1a', 'x\xff\xd8\xff'])
      expect(sniff(latin1(text))).to.equal(undefined);
  });

  const others: [string, string][] = [
    ['GIF89a', 'is a GIF: convert it to JPEG or PNG, or install sharp and use --decoder sharp'],
    ['RIFF....WEBPVP8 ', 'is a WebP picture: convert'],
    ['II*\0', 'is a TIFF or raw picture: convert'],
    ['MM\0*', 'is a TIFF or raw picture: convert'],
    ['\0\0\0 ftypavif', 'is an AVIF picture: convert'],
    ['BM6\0', 'is a BMP picture: JPEG and PNG can be read'],
    ['\0\0\0 ftypheic', 'is a HEIC picture: JPEG'],
    ['\0\0\0 ftypmif1', 'is a HEIC picture: JPEG'],
    ['\0\0\0 ftypisom', 'is a film: JPEG'],
    ['\xff\x0a', 'is a JPEG XL picture: JPEG'],
    ['\0\0\0\fJXL \r\n', 'is a JPEG XL picture: JPEG'],
    ['\0\0\0\fjP  \r\n', 'is a JPEG 2000 picture: JPEG'],
    ['\x93NUMPY', 'is a NumPy array: JPEG'],
    ['PK\x03\x04', 'is a zip archive: JPEG'],
    ['%PDF-1.7', 'is a PDF: JPEG'],
    ['<svg>', 'is markup text: JPEG'],
    ['nothing', 'not a picture: JPEG and PNG can be read'],
    ['', 'the file is empty'],
  ];
  for (const [text, wanted] of others)
    it(`${JSON.stringify(text)} ${wanted.slice(0, 30)}`, async () => {
      expect(explain(latin1(text)).slice(0, wanted.length)).to.equal(wanted);
      if (text !== '') expect(() => decodeImageSync(latin1(text), 'x')).to.throw(`x: ${wanted}`);
      expect(await refusal(() => decodeImage(latin1(text), 'x'))).to.include(`x: ${wanted}`);
    });

  it('what is damaged is told by its name', () => {
    for (const file of ['grey.jpg', 'grey8.png'])
      expect(() => decodeImageSync(fixture(file).subarray(0, 60), `my ${file}`)).to.throw(
        `my ${file}: truncated`,
      );
  });

  it('decodeImage hands on the budget', async () => {
    const progressive = fixture('progressive.jpg');
    expect(await refusal(() => decodeImage(progressive, 'p.jpg', { scanBudget: 1e-7 }))).to.match(
      /^p\.jpg: \d+ scans visit/,
    );
  });
});

describe('a picture from the disk', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('256 MiB are the most; a file of just the limit is read, one byte more is not', async () => {
    expect(MAX_FILE_BYTES).to.equal(268_435_456);
    const path = join(folder, 'a.jpg');
    writeFileSync(path, new Uint8Array(2 ** 20).fill(7));
    expect(await readPicture(path, 2 ** 20)).to.have.length(2 ** 20);
    writeFileSync(path, new Uint8Array(2 ** 20 + 1).fill(7));
    expect(await refusal(() => readPicture(path, 2 ** 20))).to.equal(
      `${path}: 1.0 MiB are too large for a picture (at most 1)`,
    );
  });

  it('a folder, a device and what is not there are none', async () => {
    expect(await refusal(() => readPicture(folder))).to.equal(`${folder}: is a folder, not a picture`);
    expect(await refusal(() => readPicture('/dev/null'))).to.equal('/dev/null: is not a regular file');
    expect(await refusal(() => readPicture(join(folder, 'none')))).to.match(/none: no such file$/);
    expect(await refusal(() => readPicture(join(folder, 'm\uFFFDr.jpg')))).to.match(
      /: its name is not UTF-8 and cannot be given as an argument: give its folder$/,
    );
  });
});
