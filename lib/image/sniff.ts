/** What a file is, told by its first bytes and never by its name. */

export type Format = 'JPEG' | 'PNG';

/** Where which text (latin-1) stands in what people have instead of a JPEG or PNG. */
const others: readonly (readonly [at: number, text: string, name: string])[] = [
  [0, 'GIF8', 'a GIF'],
  [8, 'WEBP', 'a WebP picture'],
  [0, 'BM', 'a BMP picture'],
  [0, 'II*\0', 'a TIFF or raw picture'],
  [0, 'MM\0*', 'a TIFF or raw picture'],
  [4, 'ftypavi', 'an AVIF picture'],
  [4, 'ftyphe', 'a HEIC picture'],
  [4, 'ftypmif1', 'a HEIC picture'],
  [4, 'ftyp', 'a film'],
  [0, '\xff\x0a', 'a JPEG XL picture'],
  [4, 'JXL ', 'a JPEG XL picture'],
  [4, 'jP  ', 'a JPEG 2000 picture'],
  [0, '\x93NUMPY', 'a NumPy array'],
  [0, 'PK\x03\x04', 'a zip archive'],
  [0, '%PDF', 'a PDF'],
  [0, '<', 'markup text'],
];

/** The format, or undefined if it is neither JPEG nor PNG. The first 8 bytes are enough. */
export function sniff(bytes: Uint8Array): Format | undefined {
  const head = latin1(bytes, 8);
  if (head.startsWith('\xff\xd8\xff')) return 'JPEG';
  if (head === '\x89PNG\r\n\x1a\n') return 'PNG';
  return undefined;
}

/** What sharp reads, where it is installed. */
const SHARP = /GIF|WebP|TIFF|AVIF/;

/** Why the bytes are neither JPEG nor PNG, to be put after the file's name. */
export function explain(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'the file is empty';
  const head = latin1(bytes, 64);
  const other = others.find(([at, text]) => head.startsWith(text, at));
  const [, , name = 'not a picture'] = other ?? [];
  if (SHARP.test(name))
    return `is ${name}: convert it to JPEG or PNG, or install sharp and use --decoder sharp`;
  return `${other ? 'is ' : ''}${name}: JPEG and PNG can be read`;
}

const latin1 = (bytes: Uint8Array, length: number): string =>
  String.fromCharCode(...bytes.subarray(0, length));
