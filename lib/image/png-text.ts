/**
 * What the text chunks of a PNG say (W3C PNG, section 11.3.3): tEXt, zTXt and iTXt, of which XMP and
 * ImageMagick's EXIF are read. Compressed text is unpacked to a limit; what is damaged or longer is no text.
 */
import { unzlibSync } from 'fflate';
import type { Chunk } from './png-header.ts';

/** Bytes of a text, as in Pillow. */
const MAX_TEXT = 2 ** 20;

/** The last text of that keyword, a character a byte; undefined if there is none. */
export function textOf(chunks: readonly Chunk[], keyword: string): string | undefined {
  return chunks.map((chunk) => readText(chunk, keyword)).findLast((text) => text !== undefined);
}

function readText({ type, data }: Chunk, keyword: string): string | undefined {
  if (!['tEXt', 'zTXt', 'iTXt'].includes(type)) return undefined;
  const end = data.indexOf(0);
  if (end < 0 || latin1(data.subarray(0, end)) !== keyword) return undefined;
  const rest = data.subarray(end + 1);
  if (type === 'tEXt') return latin1(rest);
  if (type === 'zTXt') return rest[0] === 0 ? unpack(rest.subarray(1)) : undefined;
  const [packed, method] = rest;
  const language = rest.indexOf(0, 2);
  const translated = rest.indexOf(0, language + 1);
  if (language < 0 || translated < 0) return undefined;
  const text = rest.subarray(translated + 1);
  if (packed === 0) return latin1(text);
  return method === 0 ? unpack(text) : undefined;
}

function unpack(bytes: Uint8Array): string | undefined {
  try {
    const text = unzlibSync(bytes, { out: new Uint8Array(MAX_TEXT + 1) });
    return text.length > MAX_TEXT ? undefined : latin1(text);
  } catch {
    return undefined;
  }
}

const latin1 = (bytes: Uint8Array): string => new TextDecoder('latin1').decode(bytes);
