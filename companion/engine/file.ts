/**
 * A file that was dropped, as a source: read where it lies, when a part of it is wanted. So a tensor is held once, and
 * aligned, and what is no file of weights is refused before it is read.
 */
import { bad, type Source, sourceOf, type Unpacker } from '../../lib/format/source.ts';
import { portable, wrongSize } from '../../lib/format/unpack.ts';
import type { Progress } from './protocol.ts';

/** What workers alone have; TypeScript has it only among their types. */
declare const FileReaderSync: new () => { readAsArrayBuffer(blob: Blob): ArrayBuffer };

/** Bytes that a small read brings along. */
const WINDOW = 2 ** 18;
/** Packed bytes that are unpacked at a time. */
const PIECE = 2 ** 20;

/** `progress` is told what share of the file was read. */
export function fileSource(file: File, name: string, progress: Progress): Source {
  const reader = new FileReaderSync();
  let done = 0;
  const fetch = (offset: number, length: number): Uint8Array<ArrayBuffer> => {
    try {
      const bytes = new Uint8Array(reader.readAsArrayBuffer(file.slice(offset, offset + length)));
      done += bytes.length;
      progress(Math.min(1, done / file.size));
      return bytes;
    } catch {
      throw bad({ name }, 'it cannot be read any more');
    }
  };
  let window = new Uint8Array(0);
  let from = 0;
  /** A view, good until the next read. */
  const view = (offset: number, length: number): Uint8Array<ArrayBuffer> => {
    if (length > WINDOW) return fetch(offset, length);
    if (offset < from || offset + length > from + window.length) {
      from = offset;
      window = fetch(offset, WINDOW);
    }
    return window.subarray(offset - from, offset - from + length);
  };
  return sourceOf(name, file.size, {
    read: (offset, length) => (length > WINDOW ? fetch(offset, length) : view(offset, length).slice()),
    readInto: (target, offset) => target.set(view(offset, target.length)),
    unpacker,
  });
}

/** The browser's own zlib, a piece at a time. */
const unpacker: Unpacker = {
  ...portable,
  async inflateBeside(packed, size) {
    let at = 0;
    const pieces = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull(controller) {
        const length = Math.min(PIECE, packed.size - at);
        if (length > 0) controller.enqueue(packed.read(at, length));
        else controller.close();
        at += length;
      },
    });
    const bytes = new Uint8Array(size);
    let done = 0;
    try {
      const reader = pieces.pipeThrough(new DecompressionStream('deflate-raw')).getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        bytes.set(part.value, done); // throws where there is more than is claimed
        done += part.value.length;
      }
    } catch {
      throw wrongSize(packed, size);
    }
    if (done !== size) throw wrongSize(packed, size);
    return bytes;
  },
};
