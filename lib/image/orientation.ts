/**
 * Orientation as a camera wrote it: in EXIF (tag 0x0112, EXIF 2.32 section 4.6.4) or, in a PNG, in XMP; and a picture
 * turned upright by it. What counts, and what goes first, is as in Pillow 9.4's ImageOps.exif_transpose.
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

/**
 * Orientation in an EXIF block, with or without its `Exif\0\0`: undefined if the tag is not there or the block is
 * damaged, 1 (upright) if the tag has no meaning.
 */
export function exifOrientation(exif: Uint8Array): Orientation | undefined {
  const start = exif[0] === 0x45 && exif[1] === 0x78 ? 6 : 0;
  if (exif.length < start + 8) return undefined;
  const tiff = new DataView(exif.buffer, exif.byteOffset + start, exif.length - start);
  const order = tiff.getUint16(0);
  if (order !== 0x4949 && order !== 0x4d4d) return undefined;
  const little = order === 0x4949;
  const directory = tiff.getUint32(4, little);
  if (tiff.getUint16(2, little) !== 42 || directory + 2 > tiff.byteLength) return undefined;
  const entries = tiff.getUint16(directory, little);
  for (let i = 0; i < entries; i++) {
    const at = directory + 2 + 12 * i;
    if (at + 12 > tiff.byteLength) return undefined;
    if (tiff.getUint16(at, little) === TAG) return orientationOf(readValue(tiff, at, little));
  }
  return undefined;
}

function readValue(tiff: DataView, at: number, little: boolean): number {
  const type = tiff.getUint16(at + 2, little);
  if (type === SHORT) return tiff.getUint16(at + 8, little);
  if (type === LONG) return tiff.getUint32(at + 8, little);
  return type === BYTE ? tiff.getUint8(at + 8) : 1;
}

const orientationOf = (value: number): Orientation => (value >= 1 && value <= 8 ? (value as Orientation) : 1);

/** Orientation in XMP, as an attribute or an element; undefined if it tells none. */
export function xmpOrientation(xmp: string): Orientation | undefined {
  const [, value] = /tiff:Orientation(?:="|>)(\d)/.exec(xmp) ?? [];
  return value === undefined ? undefined : orientationOf(Number(value));
}

/**
 * The EXIF block in ImageMagick's text "Raw profile type exif": three lines of title and length, then hexadecimal.
 * Empty if it is not such a text.
 */
export function rawProfile(text: string): Uint8Array {
  const digits = text.split('\n').slice(3).join('').replace(/\s+/g, '');
  if (!/^([\da-f]{2})*$/i.test(digits)) return new Uint8Array();
  return new Uint8Array(digits.length / 2).map((_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16));
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
      const column = swap ? y : x;
      const row = swap ? x : y;
      const from =
        3 * ((fromBottom ? height - 1 - row : row) * width + (fromRight ? width - 1 - column : column));
      out[to++] = data[from];
      out[to++] = data[from + 1];
      out[to++] = data[from + 2];
    }
  }
  return { ...turned, data: out };
}
