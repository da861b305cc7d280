/**
 * By what a file that this program wrote is recognised: its own name, at the place of the format where the writer is
 * named, exactly as it is written here. What another program has saved again may still name this one (ONNX keeps the
 * producer); what names nobody, or somebody else, is never taken for its own.
 *
 * .npy, .pth, .caffemodel and .binaryproto have no such place.
 */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { GENERATOR } from '../format/strings.ts';

const HEAD = 4096;
const TAIL = 64;

type Test = (bytes: string) => boolean;
interface Place {
  readonly at: 'head' | 'tail';
  /** Given that part of the file, read as Latin-1. */
  readonly bears: Test;
}
const head = (bears: Test): Place => ({ at: 'head', bears });
const tail = (bears: Test): Place => ({ at: 'tail', bears });
/** A text as protocol buffers and zip write it: its length, then itself. */
const sized = `${String.fromCharCode(GENERATOR.length)}${GENERATOR}`;

/** The first line of a Triton configuration. */
export const tritonMark = (rest: Uint8Array): string =>
  `# ${GENERATOR} ${createHash('sha256').update(rest).digest('hex').slice(0, 16)}\n`;

/** Where each format has the mark. */
const places = {
  /** ModelProto: ir_version (1) in one byte, then producer_name (2). */
  onnx: head((bytes) => bytes[0] === '\x08' && bytes.startsWith(`\x12${sized}`, 2)),
  /** TensorProto: doc_string (12), its last field. */
  tensor: tail((bytes) => bytes.endsWith(`\x62${sized}`)),
  /** The end of the file, which has no header. */
  externalData: tail((bytes) => bytes.endsWith(`${GENERATOR} external data\n`)),
  /** The metadata, first in the header, whose length comes before. */
  safetensors: head((bytes) => bytes.startsWith(`{"__metadata__":{"generator":"${GENERATOR}"`, 8)),
  /** The comment of the zip archive, at the end of a record of 22 bytes. */
  npz: tail(
    (bytes) =>
      bytes.slice(-22 - GENERATOR.length).startsWith('PK\x05\x06') &&
      bytes.endsWith(`${sized[0]}\0${GENERATOR}`),
  ),
  json: head((bytes) => /^\s*\{\s*"version":\s*\d+,\s*"versions":\s*\{\s*"alexnet-oracle":/.test(bytes)),
  run: head((bytes) => /^\s*\{\s*"version":\s*\d+,\s*"record":\s*"alexnet verify --save"/.test(bytes)),
  sarif: head((bytes) =>
    /^\{"\$schema":"[^"]*sarif[^"]*",[^{]*\{"tool":\{"driver":\{"name":"alexnet-oracle"/.test(bytes),
  ),
  junit: head((bytes) => /^<\?xml [^>]*>\n<testsuites name="alexnet verify"/.test(bytes)),
  html: head(
    (bytes) =>
      /^<!doctype html>/.test(bytes) && bytes.includes(`<meta name="generator" content="${GENERATOR} `),
  ),
  /** A comment, with a digest of what follows: a configuration that somebody has edited is theirs. */
  triton: head((bytes) => {
    const end = bytes.indexOf('\n') + 1;
    return bytes.slice(0, end) === tritonMark(Buffer.from(bytes.slice(end), 'latin1'));
  }),
  /** The text chunk right behind the header, of 25 bytes. */
  png: head(
    (bytes) =>
      bytes.startsWith('\x89PNG') &&
      bytes.startsWith(`\0\0\0${String.fromCharCode(9 + GENERATOR.length)}tEXtSoftware\0${GENERATOR}`, 33),
  ),
  svg: head((bytes) => /^<svg [^>]*><!-- alexnet-oracle -->/.test(bytes)),
} as const satisfies Record<string, Place>;

export type Mark = keyof typeof places;

/** Whether the file bears this mark. Rejects with the system's error where it cannot be read. */
export async function hasMark(path: string, mark: Mark): Promise<boolean> {
  const { at, bears } = places[mark];
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const length = Math.min(size, at === 'head' ? HEAD : TAIL);
    const { buffer, bytesRead } = await file.read(
      Buffer.alloc(length),
      0,
      length,
      at === 'head' ? 0 : size - length,
    );
    return bears(buffer.toString('latin1', 0, bytesRead));
  } finally {
    await file.close();
  }
}
