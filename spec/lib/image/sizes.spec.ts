/** JPEGs of every size: none is refused for how its number of pixels is rounded. */
import { expect } from 'chai';
import { decodeImageSync } from '../../../lib/image/decode.ts';
import { megapixels } from '../../../lib/image/jpeg.ts';
import { generator } from '../../fuzz/mutate.ts';
import { fixture } from '../../support/golden-pictures.ts';

const grey = Buffer.from(fixture('grey.jpg'));
const marker = (code: number): number => grey.indexOf(Uint8Array.of(0xff, code));
/** What an 8×8 block's DC counts, in samples: the quantiser's first entry, an eighth of it. */
const STEP = grey[marker(0xdb) + 5] / 8;

/**
 * A grey JPEG of flat 8×8 blocks with the tables of grey.jpg, which are those of T.81 K.3.3: a block is the
 * difference of its DC to the one before (0: 00, −1: 010 0, +1: 010 1), then the end of block (1010).
 */
function blocks(width: number, height: number, steps: readonly number[]): Uint8Array {
  const bits = steps.map((step) => `${['0100', '00', '0101'][step + 1]}1010`).join('');
  const bytes = (bits.match(/.{1,8}/g) ?? []).map((byte) => Number.parseInt(byte.padEnd(8, '1'), 2));
  const stuffed = bytes.flatMap((byte) => (byte === 0xff ? [byte, 0] : [byte]));
  const scan = marker(0xda) + 10;
  const file = Buffer.from([...grey.subarray(0, scan), ...stuffed, 0xff, 0xd9]);
  file.writeUInt16BE(height, marker(0xc0) + 5);
  file.writeUInt16BE(width, marker(0xc0) + 7);
  return file;
}

/** Decodes blocks that step up, down or stay, at random, and looks at every pixel. */
function check(width: number, height: number, random: () => number): void {
  const columns = Math.ceil(width / 8);
  const steps = Array.from({ length: columns * Math.ceil(height / 8) }, () => Math.floor(3 * random()) - 1);
  const image = decodeImageSync(blocks(width, height, steps), 'x.jpg');
  expect([image.width, image.height]).to.deep.equal([width, height]);
  let dc = 0;
  const values = steps.map((step) => 128 + STEP * (dc += step));
  let far = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const value = Math.min(Math.max(values[(y >> 3) * columns + (x >> 3)], 0), 255);
      if (Math.abs(image.data[3 * (y * width + x)] - value) > 1) far++;
    }
  }
  expect(far, `pixels of ${width}×${height} that are off`).to.equal(0);
}

describe('lib/image on pictures of every size', () => {
  it('tells the decoder a limit that holds the picture and not a pixel more, up to 5000×5000', () => {
    let short = 0;
    let loose = 0;
    for (let pixels = 1; pixels <= 25e6; pixels++) {
      const limit = megapixels(pixels) * 1000 * 1000; // as jpeg-js computes it
      if (limit < pixels) short++;
      if (limit >= pixels + 1) loose++;
    }
    expect({ short, loose }).to.deep.equal({ short: 0, loose: 0 });
  });

  it('decodes two thousand JPEGs of random sizes', () => {
    const random = generator(1978);
    for (let i = 0; i < 2000; i++) {
      const width = 1 + Math.floor(160 * random());
      check(width, 1 + Math.floor(160 * random()), random);
    }
  });

  it('decodes the sizes of television, faces and old monitors', () => {
    const random = generator(576);
    check(720, 576, random);
    check(178, 218, random);
    check(1440, 1080, random);
  });
});
