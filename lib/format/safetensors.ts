/**
 * safetensors: an 8-byte little-endian header length, a JSON header {name: {dtype, shape, data_offsets}},
 * the raw values. Source: the format section of huggingface/safetensors' README; as there, the tensors must
 * cover the data part without holes or overlaps, and the header is at most 100 MB.
 */

import { bytesOf, codeOf, dtypeOfCode, viewAs } from '../array/dtype.ts';
import { byteSize, bytesView, type LazyValue, type NumericValue } from '../array/value.ts';
import { bad, type Source } from './source.ts';
import { toUtf8 } from './strings.ts';

const LONGEST_HEADER = 100_000_000;

/** The tensors by name, values unread, and the metadata. Throws InputError for a file that is not sound. */
export function openSafetensors(source: Source) {
  const [header, start] = readHeader(source);
  const tensors = new Map<string, LazyValue>();
  const ranges: [number, number, string][] = [];
  let metadata: ReadonlyMap<string, string> = new Map();
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') {
      metadata = readMetadata(source, entry);
      continue;
    }
    const { dtype, shape, begin, end } = readEntry(source, name, entry);
    ranges.push([begin, end, name]);
    const read = () => ({ dtype, shape, data: viewAs(dtype, source.read(start + begin, end - begin)) });
    tensors.set(name, { dtype, shape, read });
  }
  checkCover(source, ranges, source.size - start);
  return { tensors, metadata };
}

function readHeader(source: Source): [object, number] {
  if (source.size < 10) throw bad(source, 'truncated: too short for a safetensors file');
  const length = new DataView(source.read(0, 8).buffer).getBigUint64(0, true);
  if (length > BigInt(Math.min(LONGEST_HEADER, source.size - 8))) {
    throw bad(source, `truncated, or not a safetensors file: the header claims ${length} bytes`);
  }
  const bytes = source.read(8, Number(length));
  let text: string;
  let header: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    header = JSON.parse(text);
  } catch {
    throw bad(source, 'the safetensors header is not valid JSON');
  }
  const twice = repeatedKey(text);
  if (twice !== undefined) throw bad(source, `the safetensors header has ${twice.slice(0, 80)} twice`);
  if (!isRecord(header)) throw bad(source, 'the safetensors header is not a JSON object');
  return [header, 8 + Number(length)];
}

/** A key that an object of the valid JSON text has twice, of which JSON.parse would keep the last. */
function repeatedKey(text: string): string | undefined {
  const objects: Set<string>[] = [];
  for (const [token, key] of text.matchAll(/("(?:[^"\\]|\\.)*")(?=\s*:)|"(?:[^"\\]|\\.)*"|[{}]/g)) {
    if (token === '{') objects.push(new Set());
    else if (token === '}') objects.pop();
    const keys = objects.at(-1);
    if (key === undefined || !keys) continue;
    const name: string = JSON.parse(key);
    if (keys.has(name)) return key;
    keys.add(name);
  }
  return undefined;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function readMetadata(source: Source, entry: unknown): ReadonlyMap<string, string> {
  if (!isRecord(entry)) throw bad(source, '__metadata__ is not a JSON object');
  return new Map(
    Object.entries(entry).map(([key, value]) => {
      if (typeof value !== 'string') throw bad(source, `__metadata__ '${key}' is not text`);
      return [key, value];
    }),
  );
}

const isWhole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function readEntry(source: Source, name: string, entry: unknown) {
  if (!isRecord(entry)) throw bad(source, `tensor '${name}' has no description`);
  const { dtype: code, shape, data_offsets: offsets } = entry;
  const dtype = typeof code === 'string' ? dtypeOfCode(code, 'safetensors') : undefined;
  if (!dtype) throw bad(source, `tensor '${name}': type ${JSON.stringify(code)} is not read`);
  if (!Array.isArray(shape) || !shape.every(isWhole)) {
    throw bad(source, `tensor '${name}': the shape is not a list of extents`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isWhole)) {
    throw bad(source, `tensor '${name}': data_offsets are not two whole numbers`);
  }
  const [begin, end] = offsets;
  const size = byteSize(dtype, shape);
  if (size !== end - begin) {
    const there = end - begin;
    throw bad(source, `tensor '${name}': shape [${shape}] of ${dtype} needs ${size} bytes, not ${there}`);
  }
  return { dtype, shape: shape as readonly number[], begin, end };
}

function checkCover(source: Source, ranges: [number, number, string][], size: number): void {
  let at = 0;
  for (const [begin, end, name] of ranges.sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
    if (begin !== at)
      throw bad(source, `tensor '${name}' starts at ${begin}; ${at} was due (hole or overlap)`);
    at = end;
  }
  if (at > size) throw bad(source, `truncated: the tensors need ${at} bytes, ${size} are there`);
  if (at < size) throw bad(source, `${size - at} bytes after the last tensor belong to none`);
}

/**
 * The file in pieces, the values not copied. Wider types come first, as the format's own writer has it, so
 * that every tensor is aligned; else the order is kept.
 */
export function safetensorsPieces(
  tensors: Iterable<readonly [string, NumericValue]>,
  metadata: ReadonlyMap<string, string> = new Map(),
): Uint8Array[] {
  const sorted = [...tensors].sort(([, a], [, b]) => bytesOf(b.dtype) - bytesOf(a.dtype));
  const entries: [string, unknown][] = [];
  if (metadata.size > 0) entries.push(['__metadata__', Object.fromEntries(metadata)]);
  let offset = 0;
  for (const [name, { dtype, shape, data }] of sorted) {
    const end = offset + data.byteLength;
    entries.push([name, { dtype: codeOf(dtype, 'safetensors'), shape, data_offsets: [offset, end] }]);
    offset = end;
  }
  const json = toUtf8(JSON.stringify(Object.fromEntries(entries)));
  const header = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(header.length - 8), true);
  header.set(json, 8);
  return [header, ...sorted.map(([, array]) => bytesView(array))];
}
