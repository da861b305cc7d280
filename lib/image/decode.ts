/** A picture from the bytes of a JPEG or PNG file: 8-bit RGB, upright, over white. */
import type { Image } from '../../reference/input/preprocess.ts';
import { InputError } from '../errors.ts';
import { explain, sniff } from './admit.ts';
import { decodeJpeg, type JpegOptions } from './jpeg.ts';
import { decodePng } from './png.ts';
import { decodeWithSharp } from './sharp.ts';

/**
 * jpeg-js: JPEG and PNG in JavaScript, the same bits on every machine (default); sharp: faster, if it is
 * installed.
 */
export type Decoder = 'jpeg-js' | 'sharp';

export interface DecodeOptions extends JpegOptions {
  readonly decoder?: Decoder;
}

/**
 * Decodes with jpeg-js or pngjs. Throws InputError, one line starting with `name`, if the bytes are not such a
 * picture.
 */
export function decodeImageSync(bytes: Uint8Array, name: string, options: JpegOptions = {}): Image {
  switch (sniff(bytes)) {
    case 'JPEG':
      return decodeJpeg(bytes, name, options);
    case 'PNG':
      return decodePng(bytes, name);
    default:
      throw new InputError(`${name}: ${explain(bytes)}`);
  }
}

/**
 * Decodes with the decoder that was asked for. Rejects with InputError, one line starting with `name`, if the
 * bytes are not a picture that can be read, and with EnvironmentError if sharp was asked for and is not installed.
 */
export async function decodeImage(
  bytes: Uint8Array,
  name: string,
  options: DecodeOptions = {},
): Promise<Image> {
  return options.decoder === 'sharp' ? decodeWithSharp(bytes, name) : decodeImageSync(bytes, name, options);
}
