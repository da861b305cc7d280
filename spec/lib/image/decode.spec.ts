import { deflateSync } from 'node:zlib';
import { expect } from 'chai';
import { InputError } from '../../../lib/errors.ts';
import { decodeImageSync } from '../../../lib/image/decode.ts';
import { differences, expected, fixture } from '../../support/golden-pictures.ts';
import { chunk, pngFile } from '../../support/png.ts';

/**
 * The inverse DCTs differ by one level of Y, Cb or Cr, which is up to 1 + 1.772 of blue, and a rounding; in a
 * few of a hundred samples. CMYK is multiplied, then cut off where Pillow rounds.
 */
const TOLERANCE = { max: 3, mean: 0.25 };
const TOLERANCE_CMYK = { max: 2, mean: 0.5 };

function refusal(bytes: Uint8Array, name = 'x.png'): string {
  try {
    decodeImageSync(bytes, name);
  } catch (error) {
    expect(error).to.be.instanceOf(InputError);
    const { message } = error as Error;
    expect(message.startsWith(`${name}: `) && !message.includes('\n'), message).to.equal(true);
    return message;
  }
  throw new Error('was decoded');
}

const cut = (bytes: Uint8Array, from: number, ...inserted: number[]): Uint8Array =>
  Uint8Array.of(...bytes.subarray(0, from), ...inserted);

describe('lib/image/decode', () => {
  for (const [name, { data, shape }] of expected()) {
    if (name.includes('/')) continue;
    it(`decodes ${name} as Pillow does`, () => {
      const image = decodeImageSync(fixture(name), name);
      expect([image.height, image.width]).to.deep.equal(shape.slice(0, 2));
      const { max, mean } = differences(image.data, data as Uint8Array);
      const jpeg = /cmyk|ycck/.test(name) ? TOLERANCE_CMYK : TOLERANCE;
      expect(max, 'largest difference').to.be.at.most(name.endsWith('.png') ? 0 : jpeg.max);
      expect(mean, 'mean difference').to.be.at.most(name.endsWith('.png') ? 0 : jpeg.mean);
    });
  }

  it('tells the type by content', () => {
    const image = decodeImageSync(fixture('orientation1.jpg'), 'called.png');
    expect([image.width, image.height]).to.deep.equal([13, 9]);
  });

  it('says what a file is that is not a picture it can read', () => {
    expect(refusal(new Uint8Array(), 'none.jpg')).to.equal('none.jpg: the file is empty');
    expect(refusal(Buffer.from('hello'))).to.equal('x.png: not a picture: JPEG and PNG can be read');
    expect(refusal(Buffer.from('GIF89a....'))).to.include(
      'x.png: is a GIF: convert it to JPEG or PNG, or install sharp',
    );
    expect(refusal(Buffer.from('RIFF....WEBPVP8 '))).to.include('is a WebP picture');
    expect(refusal(Buffer.from('\0\0\0\x18ftypheic', 'latin1'))).to.equal(
      'x.png: is a HEIC picture: JPEG and PNG can be read',
    );
  });

  it('refuses truncated pictures of both kinds wherever they are cut', () => {
    for (const name of ['rgb8.png', 'palette4-interlaced.png', 'orientation1.jpg', 'progressive.jpg']) {
      const bytes = fixture(name);
      for (let length = 1; length < bytes.length - 2; length += 1 + (length >> 4)) {
        refusal(bytes.subarray(0, length), name);
      }
      expect(refusal(bytes.subarray(0, bytes.length * 0.6), name)).to.include('truncated');
    }
  });

  it('refuses a PNG in which any one byte of a chunk is wrong', () => {
    const bytes = Uint8Array.from(fixture('rgb8.png'));
    for (let at = 8; at < bytes.length; at++) {
      bytes[at] ^= 0x10;
      refusal(bytes);
      bytes[at] ^= 0x10;
    }
    bytes[60] ^= 1;
    expect(refusal(bytes)).to.equal('x.png: damaged PNG (wrong checksum in chunk IDAT)');
  });

  it('refuses pixel data that are too short, too long, or have the wrong Adler checksum', () => {
    const rows = new Uint8Array(3 * (1 + 6));
    const good = { width: 2, height: 3, depth: 8, colour: 2 };
    expect(decodeImageSync(pngFile(good, deflateSync(rows)), 'x.png').data.length).to.equal(18);
    expect(refusal(pngFile(good, deflateSync(rows.subarray(1))))).to.include('truncated PNG');
    expect(refusal(pngFile(good, deflateSync(new Uint8Array(22))))).to.include('more data than 2×3 needs');
    const broken = Uint8Array.from(deflateSync(rows));
    broken[broken.length - 1] ^= 1;
    expect(refusal(pngFile(good, broken))).to.include('wrong checksum of the pixel data');
  });

  it('refuses what is too large by its header, before allocating, in under 50 ms of CPU time', () => {
    const tiny = deflateSync(new Uint8Array(100));
    const start = process.cpuUsage();
    const before = process.memoryUsage().arrayBuffers;
    const sized = (width: number, height: number, interlace = 0) =>
      pngFile({ width, height, depth: 8, colour: 6, interlace }, tiny);
    expect(refusal(sized(20000, 20000))).to.include('20000×20000 is too large (at most 100 megapixels');
    expect(refusal(sized(70000, 1))).to.include('too large');
    expect(refusal(sized(0, 5))).to.include('no pixels (0×5)');
    expect(refusal(sized(9999, 9999))).to.include('truncated PNG');
    expect(refusal(sized(9999, 9999, 1))).to.include('truncated PNG');
    const photo = Buffer.from(fixture('orientation1.jpg'));
    const frame = photo.indexOf(Uint8Array.of(0xff, 0xc0));
    photo.writeUInt16BE(60000, frame + 5);
    photo.writeUInt16BE(60000, frame + 7);
    expect(refusal(photo)).to.include('60000×60000 is too large');
    photo.writeUInt16BE(9000, frame + 5);
    photo.writeUInt16BE(9000, frame + 7);
    expect(refusal(photo)).to.include('truncated JPEG (9000×9000 does not fit into');
    expect(process.memoryUsage().arrayBuffers - before).to.be.below(2 ** 22);
    const { user, system } = process.cpuUsage(start);
    expect((user + system) / 1000).to.be.below(50);
  });

  it('stops a bomb of 64 MiB at the size that the header tells, interlaced or not', () => {
    const bomb = deflateSync(new Uint8Array(2 ** 26));
    for (const interlace of [0, 1]) {
      const bytes = pngFile({ width: 9, height: 9, depth: 8, colour: 2, interlace }, bomb);
      expect(refusal(bytes)).to.include('more data than 9×9 needs');
    }
  });

  it('refuses JPEG that the decoder would misread, in words', () => {
    const photo = Uint8Array.from(fixture('orientation1.jpg'));
    const frame = Buffer.from(photo).indexOf(Uint8Array.of(0xff, 0xc0));
    const patched = (at: number, value: number) => {
      const copy = photo.slice();
      copy[frame + at] = value;
      return copy;
    };
    expect(refusal(patched(1, 0xc9))).to.include('arithmetic-coded');
    expect(refusal(patched(4, 12))).to.include('12 bits per sample');
    expect(refusal(patched(9, 2))).to.include('2 components');
    expect(refusal(patched(11, 0x51))).to.include('sampling factor');
    const scan = Buffer.from(photo).indexOf(Uint8Array.of(0xff, 0xda));
    const empty = [...photo.subarray(scan, scan + 14)];
    const many = Array.from({ length: 101 }, () => empty).flat();
    expect(refusal(cut(photo, scan, ...many, ...photo.subarray(scan)))).to.include('more than 100 scans');
    const second = photo.subarray(frame, frame + 19);
    expect(refusal(cut(photo, scan, ...second, ...photo.subarray(scan)))).to.include('two frames');
  });

  it('ignores what follows the picture: a film after a JPEG, bytes after IEND, more transparencies than colours', () => {
    const photo = fixture('orientation1.jpg');
    const film = new Uint8Array(500).map((_, i) => (i % 7 === 0 ? 0xff : 0xda));
    expect(decodeImageSync(Buffer.concat([photo, film]), 'x.jpg').width).to.equal(13);
    expect(decodeImageSync(Buffer.concat([fixture('rgb8.png'), film]), 'x.png').width).to.equal(13);
    const header = { width: 1, height: 1, depth: 8, colour: 3 };
    const extra = [chunk('PLTE', [9, 8, 7]), chunk('tRNS', [255, 0, 0])];
    const image = decodeImageSync(pngFile(header, deflateSync(Uint8Array.of(0, 0)), extra), 'x.png');
    expect(Array.from(image.data)).to.deep.equal([9, 8, 7]);
  });

  it('takes a damaged or absurd EXIF block for upright', () => {
    const photo = Buffer.from(fixture('orientation6.jpg'));
    const exif = photo.indexOf('Exif');
    for (const [at, value] of [
      [6, 0x58], // byte order
      [8, 0x2b], // 42
      [10, 0xff], // where the directory lies
      [41, 9], // orientation 9, and 0
      [41, 0],
    ]) {
      const copy = Buffer.from(photo);
      copy[exif + at] = value;
      expect(decodeImageSync(copy, 'x.jpg').width, `byte ${at} = ${value}`).to.equal(13);
    }
  });

  /** The photo with these segments right behind its first two bytes. */
  const withSegments = (
    name: string,
    ...segments: readonly (readonly [marker: number, data: Uint8Array])[]
  ) => {
    const photo = fixture(name);
    const added = segments.flatMap(([marker, data]) => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(data.length + 2);
      return [Buffer.of(0xff, marker), length, Buffer.from(data)];
    });
    return Buffer.concat([photo.subarray(0, 2), ...added, photo.subarray(2)]);
  };
  /** An EXIF block of one directory with one entry: orientation as LONG. */
  function exifLong(orientation: number, big: boolean): Buffer {
    const tiff = Buffer.alloc(26);
    const put = (value: number, at: number, width: 2 | 4) =>
      big ? tiff.writeUIntBE(value, at, width) : tiff.writeUIntLE(value, at, width);
    tiff.write(big ? 'MM' : 'II');
    for (const [value, at, width] of [
      ...([
        [42, 2, 2],
        [8, 4, 4],
        [1, 8, 2],
      ] as const),
      ...([
        [0x0112, 10, 2],
        [4, 12, 2],
        [1, 14, 4],
        [orientation, 18, 4],
      ] as const),
    ])
      put(value, at, width);
    return Buffer.concat([Buffer.from('Exif\0\0'), tiff]);
  }

  it('takes an orientation as LONG in either byte order, and of two EXIF segments the first', () => {
    const plain = decodeImageSync(fixture('orientation1.jpg'), 'x.jpg');
    const size = (bytes: Uint8Array) => {
      const { width, height } = decodeImageSync(bytes, 'x.jpg');
      return [width, height];
    };
    const [upright, turned] = [
      [plain.width, plain.height],
      [plain.height, plain.width],
    ];
    for (const big of [true, false])
      expect(size(withSegments('orientation1.jpg', [0xe1, exifLong(6, big)])), `big: ${big}`).to.deep.equal(
        turned,
      );
    const both = withSegments('orientation6.jpg', [0xe1, exifLong(1, true)], [0xe1, exifLong(6, true)]);
    expect(size(both)).to.deep.equal(upright);
  });

  it('takes a JPEG with both JFIF and Adobe markers for YCbCr, as libjpeg does', () => {
    const jfif = Buffer.from('JFIF\0\x01\x01\0\0\x01\0\x01\0\0', 'latin1');
    const both = decodeImageSync(withSegments('rgb-adobe.jpg', [0xe0, jfif]), 'x.jpg');
    const ycc = Buffer.from(fixture('rgb-adobe.jpg'));
    // the transform: 0 is RGB, 1 is YCbCr
    ycc[ycc.indexOf('Adobe') + 11] = 1;
    expect(both.data).to.deep.equal(decodeImageSync(ycc, 'x.jpg').data);
    expect(both.data).not.to.deep.equal(decodeImageSync(fixture('rgb-adobe.jpg'), 'x.jpg').data);
  });
});
