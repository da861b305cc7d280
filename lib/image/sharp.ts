/**
 * sharp (libvips) as the decoder, for those who installed it and asked. It is not a dependency: it is loaded on
 * first use. Same rules as the decoders in JavaScript: upright by EXIF, over white, no colour profile, sizes
 * limited on the header, truncated files and wrong checksums refused. Pixels differ by a few grey levels
 * where the decoders round, by more in CMYK.
 */
import type { Image } from '../../reference/input/preprocess.ts';
import { EnvironmentError, InputError } from '../errors.ts';
import { checkSize, explain } from './admit.ts';
import { readChunks } from './png-chunks.ts';

interface Metadata {
  readonly format?: string;
  readonly width?: number;
  readonly height?: number;
}

/** The part of sharp that is used here. */
interface Pipeline {
  metadata(): Promise<Metadata>;
  rotate(): Pipeline;
  flatten(options: { background: string }): Pipeline;
  toColourspace(space: string): Pipeline;
  raw(): Pipeline;
  toBuffer(options: { resolveWithObject: true }): Promise<{
    data: Uint8Array;
    info: { width: number; height: number; channels: number };
  }>;
}
interface SharpOptions {
  readonly failOn: 'truncated';
  readonly limitInputPixels: boolean;
  readonly ignoreIcc: boolean;
}
export type Sharp = (bytes: Uint8Array, options: SharpOptions) => Pipeline;

/** Photographs, not drawings and documents. */
const FORMATS = ['jpeg', 'png', 'webp', 'gif', 'tiff', 'heif'];

/** Rejects with EnvironmentError if sharp is not installed or does not load on this machine. */
async function loadSharp(): Promise<Sharp> {
  const module: string = 'sharp'; // not written in the import: it need not be there to type-check
  try {
    return ((await import(module)) as { default: Sharp }).default;
  } catch (error) {
    const [reason] = (error as Error).message.split('\n').filter((line) => line.trim() !== '');
    const missing = (error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND';
    throw new EnvironmentError(
      missing
        ? 'sharp is not installed: npm install sharp, or leave out --decoder sharp'
        : `sharp does not load (${reason}): npm install sharp, or leave out --decoder sharp`,
    );
  }
}

/**
 * Decodes what libvips can read. `load` is there for tests. Rejects with InputError, one line starting with
 * `name`.
 */
export async function decodeWithSharp(
  bytes: Uint8Array,
  name: string,
  load: () => Promise<Sharp> = loadSharp,
): Promise<Image> {
  const sharp = await load();
  if (bytes.length === 0) throw new InputError(`${name}: ${explain(bytes)}`);
  const open = () => sharp(bytes, { failOn: 'truncated', limitInputPixels: false, ignoreIcc: true });
  const size: Metadata = await open()
    .metadata()
    .catch(() => ({}));
  if (!FORMATS.includes(size.format ?? '')) {
    throw new InputError(`${name}: not a picture that sharp can read here (${FORMATS.join(', ')})`);
  }
  if (size.format === 'png') readChunks(bytes, name);
  checkSize(size.width ?? 0, size.height ?? 0, name);
  try {
    const pipeline = open().rotate().flatten({ background: '#ffffff' }).toColourspace('srgb').raw();
    const { data, info } = await pipeline.toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, data: toRgb(data, info.channels) };
  } catch (error) {
    const [reason] = (error as Error).message.split('\n');
    throw new InputError(`${name}: damaged picture (${reason})`);
  }
}

/** Grey pictures come with one channel. */
function toRgb(data: Uint8Array, channels: number): Uint8Array {
  if (channels === 3) return new Uint8Array(data.buffer, data.byteOffset, data.length);
  const rgb = new Uint8Array((3 * data.length) / channels);
  for (let i = 0; i < rgb.length; i++) {
    const pixel = Math.floor(i / 3) * channels;
    rgb[i] = data[channels > 2 ? pixel + (i % 3) : pixel];
  }
  return rgb;
}
