/**
 * EXIF orientation (tag 0x0112, EXIF 2.32 section 4.6.4): read it, and turn a picture upright by it.
 *
 * Only the one tag is looked up, in the first directory: one pass over at most 65,535 entries, whatever the
 * file claims.
 */
import type { Image } from '../../reference/input/preprocess.ts';

export type Orientation = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

const TAG = 0x0112;
const BYTE = 1;
const SHORT = 3;
const LONG = 4;

/** Orientation in an EXIF block, with or without its `Exif\0\0`; 1 (upright) if it tells none or is damaged. */
export function exifOrientation(exif: Uint8Array): Orientation {
  const start = exif[0] === 0x45 && exif[1] === 0x78 ? 6 : 0;
  if (exif.length < start + 8) return 1;
  const tiff = new DataView(exif.buffer, exif.byteOffset + start, exif.length - start);
  const order = tiff.getUint16(0);
  if (order !== 0x4949 && order !== 0x4d4d) return 1;
  const little = order === 0x4949;
  const directory = tiff.getUint32(4, little);
  if (tiff.getUint16(2, little) !== 42 || directory + 2 > tiff.byteLength) return 1;
  const entries = tiff.getUint16(directory, little);
  for (let i = 0; i < entries; i++) {
    const at = directory + 2 + 12 * i;
    if (at + 12 > tiff.byteLength) return 1;
    if (tiff.getUint16(at, little) !== TAG) continue;
    const value = readValue(tiff, at, little);
    return value >= 1 && value <= 8 ? (value as Orientation) : 1;
  }
  return 1;
}

function readValue(tiff: DataView, at: number, little: boolean): number {
  const type = tiff.getUint16(at + 2, little);
  if (type === SHORT) return tiff.getUint16(at + 8, little);
  if (type === LONG) return tiff.getUint32(at + 8, little);
  return type === BYTE ? tiff.getUint8(at + 8) : 1;
}

/**
 * The picture as it is meant to be seen. Orientation 6, for one, is what a camera writes whose rows run from
 * the right of the scene to its left. Values 5 to 8 exchange width and height.
 */
export function upright(image: Image, orientation: Orientation): Image {
  if (orientation === 1) return image;
  const { width, height, data } = image;
  const swap = orientation >= 5;
  const fromRight = [2, 3, 7, 8].includes(orientation);
  const fromBottom = [3, 4, 6, 7].includes(orientation);
  const turned = { width: swap ? height : width, height: swap ? width : height };
  const out = new Uint8Array(data.length);
  let to = 0;
  for (let y = 0; y < turned.height; y++) {
    for (let x = 0; x < turned.width; x++) {
      const [column, row] = swap ? [y, x] : [x, y];
      const from =
        3 * ((fromBottom ? height - 1 - row : row) * width + (fromRight ? width - 1 - column : column));
      out[to++] = data[from];
      out[to++] = data[from + 1];
      out[to++] = data[from + 2];
    }
  }
  return { ...turned, data: out };
}
