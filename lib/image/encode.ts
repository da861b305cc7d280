/** Pictures into JPEG, for pages that show them, and into PNG, where each pixel counts. */
import jpeg from 'jpeg-js';
import { PNG } from 'pngjs';
import type { Image } from '../../reference/input/preprocess.ts';
import { GENERATOR } from '../format/strings.ts';
import { crc32 } from '../format/unpack.ts';

const QUALITY = 90;

/** The bytes of a JPEG file, colours at full resolution. */
export function encodeJpeg({ width, height, data }: Image): Uint8Array {
  const rgba = new Uint8Array(4 * width * height);
  for (let i = 0; i < width * height; i++) rgba.set(data.subarray(3 * i, 3 * i + 3), 4 * i);
  return jpeg.encode({ width, height, data: rgba }, QUALITY).data;
}

/** Bytes of the signature and of the first chunk, IHDR. */
const HEAD = 33;

/** The bytes of a PNG file that names this program as its software. */
export function encodePng({ width, height, data }: Image): Uint8Array {
  const rgb = { colorType: 2, inputColorType: 2, inputHasAlpha: false } as const;
  const png = new PNG({ width, height, ...rgb });
  png.data = Buffer.from(data);
  const bytes = PNG.sync.write(png, rgb);
  const text = Buffer.from(`tEXtSoftware\0${GENERATOR}`, 'latin1');
  const [length, checksum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(text.length - 4);
  checksum.writeUInt32BE(crc32(text));
  return Buffer.concat([bytes.subarray(0, HEAD), length, text, checksum, bytes.subarray(HEAD)]);
}
