/** PNG files put together by hand, with right checksums, for specs that need wrong ones inside. */
import { crc32 } from 'node:zlib';

export interface Header {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly colour: number;
  readonly interlace?: number;
}

export function chunk(type: string, data: ArrayLike<number>): Buffer {
  const bytes = Buffer.alloc(12 + data.length);
  bytes.writeUInt32BE(data.length);
  bytes.write(type, 4, 'latin1');
  bytes.set(data, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + data.length)), 8 + data.length);
  return bytes;
}

/** A file with one IDAT chunk that holds `pixels` as they are, and `extra` chunks before it. */
export function pngFile(header: Header, pixels: Uint8Array, extra: readonly Buffer[] = []): Buffer {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(header.width);
  head.writeUInt32BE(header.height, 4);
  head.set([header.depth, header.colour, 0, 0, header.interlace ?? 0], 8);
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
  return Buffer.concat([signature, chunk('IHDR', head), ...extra, chunk('IDAT', pixels), chunk('IEND', [])]);
}
