/**
 * Zip archives as npz and pth use them: stored or deflated members, zip64, no encryption, one disk.
 * Source: PKWARE APPNOTE 6.3.10, sections 4.3.6 to 4.5.3.
 *
 * The central directory is what counts; each local header is checked against it. Sizes are checked against
 * the bytes really present before anything is allocated, and inflating stops at the declared size. Nothing
 * is ever extracted to disk, so a member's path is only a name.
 */
import { lengthOf } from '../../export/wire.ts';
import { bad, checkTotal, type Source, section } from './source.ts';
import { fromUtf8, toLatin1, toUtf8 } from './strings.ts';
import { crc32, portable } from './unpack.ts';

export interface Member {
  readonly name: string;
  /** Uncompressed bytes. */
  readonly size: number;
  /** True if the values lie in the file as they are. */
  readonly stored: boolean;
  /**
   * The uncompressed bytes. Throws InputError for a wrong size or, unless told not to look, a wrong
   * checksum.
   */
  read(options?: { readonly checksum?: boolean }): Uint8Array<ArrayBuffer>;
  /** Whether these bytes of it have the archive's checksum. */
  isWhole(bytes: Uint8Array): boolean;
  /** What `read` gives, unpacked beside other work and without holding the packed bytes. */
  fetch(): Promise<Uint8Array<ArrayBuffer>>;
  /** At most the first `length` uncompressed bytes, unchecked. */
  head(length: number): Uint8Array<ArrayBuffer>;
  /** The bytes in place, for members that are stored. */
  open(): Source;
}

type Record = ReturnType<typeof centralRecord>[0];

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const big = (v: DataView, at: number): number => Number(v.getBigUint64(at, true));

const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
/** More members than any weight file has; each costs memory. */
const MOST_MEMBERS = 100_000;

/**
 * The members in the order of the central directory, by name. Throws InputError for an
 * archive that is not sound.
 */
export function readZip(source: Source): ReadonlyMap<string, Member> {
  const { count, offset, size } = findDirectory(source);
  if (count > MOST_MEMBERS) throw bad(source, `the archive lists ${count} members (at most ${MOST_MEMBERS})`);
  if (count * 46 > size) throw bad(source, `damaged archive: ${count} members in ${size} bytes of directory`);
  const directory = source.read(offset, size);
  const members = new Map<string, Member>();
  let total = 0;
  let at = 0;
  for (let i = 0; i < count; i++) {
    const [record, next] = centralRecord(source, directory, at);
    at = next;
    total += record.size;
    if (members.has(record.name)) throw bad(source, `the archive holds '${record.name}' twice`);
    members.set(record.name, member(source, record));
  }
  if (at !== size)
    throw bad(source, `damaged archive: its directory holds more than the ${count} members it counts`);
  checkTotal(source, total);
  return members;
}

function findDirectory(source: Source): { count: number; offset: number; size: number } {
  const tail = Math.min(source.size, 65_557);
  const bytes = source.read(source.size - tail, tail);
  const v = view(bytes);
  for (let at = tail - 22; at >= 0; at--) {
    if (v.getUint32(at, true) !== END || at + 22 + v.getUint16(at + 20, true) > tail) continue;
    const end = source.size - tail + at;
    const plain = { count: v.getUint16(at + 10, true), size: v.getUint32(at + 12, true) };
    const offset = v.getUint32(at + 16, true);
    const found = directory64(source, end) ?? { ...plain, offset };
    if (found.offset + found.size > end)
      throw bad(source, 'damaged archive: its directory lies outside the file');
    return found;
  }
  throw bad(source, 'not a whole zip archive (no end record): truncated?');
}

function directory64(source: Source, end: number) {
  if (end < 20) return null;
  const locator = view(source.read(end - 20, 20));
  if (locator.getUint32(0, true) !== LOCATOR64) return null;
  const record = view(source.read(big(locator, 8), 56));
  if (record.getUint32(0, true) !== END64) throw bad(source, 'damaged archive: no zip64 end record');
  return { count: big(record, 32), size: big(record, 40), offset: big(record, 48) };
}

function centralRecord(source: Source, bytes: Uint8Array<ArrayBuffer>, at: number) {
  const v = view(bytes);
  if (at + 46 > bytes.length || v.getUint32(at, true) !== CENTRAL) {
    throw bad(source, 'damaged archive: a directory record is missing');
  }
  const [nameSize, extraSize, commentSize] = [28, 30, 32].map((o) => v.getUint16(at + o, true));
  const next = at + 46 + nameSize + extraSize + commentSize;
  if (next > bytes.length) throw bad(source, 'damaged archive: a directory record is cut off');
  const name = fromUtf8(bytes.subarray(at + 46, at + 46 + nameSize));
  if (v.getUint16(at + 8, true) & 1) throw bad(source, `'${name}' is encrypted`);
  const extra = bytes.subarray(at + 46 + nameSize, at + 46 + nameSize + extraSize);
  const sizes = [24, 20, 42].map((o) => v.getUint32(at + o, true));
  const [size, compressed, header] = widened(source, sizes, extra);
  const method = v.getUint16(at + 10, true);
  const crc = v.getUint32(at + 16, true);
  return [{ name, method, crc, compressed, size, header }, next] as const;
}

/** Fields of 0xffffffff stand, in this order, in the zip64 extra field. */
function widened(source: Source, sizes: number[], extra: Uint8Array<ArrayBuffer>): number[] {
  if (!sizes.includes(0xffffffff)) return sizes;
  const v = view(extra);
  for (let at = 0; at + 4 <= extra.length; at += 4 + v.getUint16(at + 2, true)) {
    if (v.getUint16(at, true) !== 1) continue;
    let from = at + 4;
    return sizes.map((value) => {
      if (value !== 0xffffffff) return value;
      if (from + 8 > extra.length) throw bad(source, 'damaged archive: a zip64 field is cut off');
      from += 8;
      return big(v, from - 8);
    });
  }
  return sizes;
}

function member(source: Source, record: Record): Member {
  const { name, method, compressed, size, crc } = record;
  const unpacker = source.unpacker ?? portable;
  const stored = method === 0;
  const place = () => {
    if (stored && compressed !== size) throw bad(source, `'${name}' is stored, but its two sizes differ`);
    return section(source, dataStart(source, record), compressed, `${source.name}, member '${name}'`);
  };
  const packed = () => {
    if (method !== 8) throw bad(source, `'${name}' is compressed by method ${method}; only deflate is read`);
    return place();
  };
  const isWhole = (bytes: Uint8Array) => unpacker.crc32(bytes) === crc;
  const check = (bytes: Uint8Array<ArrayBuffer>) => {
    if (!isWhole(bytes)) throw bad(source, `'${name}' is damaged (its checksum is wrong)`);
    return bytes;
  };
  return {
    name,
    size,
    stored,
    isWhole,
    open: place,
    head: (length) =>
      stored ? place().read(0, Math.min(size, length)) : unpacker.inflateHead(packed(), length),
    read({ checksum = true } = {}) {
      const bytes = stored ? place().read(0, size) : unpacker.inflate(packed(), size);
      return checksum ? check(bytes) : bytes;
    },
    async fetch() {
      return check(stored ? place().read(0, size) : await unpacker.inflateBeside(packed(), size));
    },
  };
}

function dataStart(source: Source, { name, header }: Record): number {
  const v = view(source.read(header, 30));
  if (v.getUint32(0, true) !== LOCAL) throw bad(source, `damaged archive: '${name}' has no local header`);
  const nameSize = v.getUint16(26, true);
  const local = fromUtf8(source.read(header + 30, nameSize));
  if (local !== name) throw bad(source, `damaged archive: '${name}' is '${local}' in its local header`);
  return header + 30 + nameSize + v.getUint16(28, true);
}

/**
 * The archive in pieces, the members stored, their own bytes uncopied. `align`: each member's bytes start at a
 * multiple of it (PyTorch's 64); `comment`: of the archive, ASCII. Dates are 1980-01-01, so that equal contents give
 * equal files. Throws where the archive would need zip64 (4 GiB or 65,535 members).
 */
export function zipPieces(
  members: Iterable<readonly [name: string, bytes: readonly Uint8Array[]]>,
  { align = 1, comment = '' }: { readonly align?: number; readonly comment?: string } = {},
): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  const put = (piece: Uint8Array) => {
    pieces.push(piece);
    offset += piece.length;
  };
  for (const [name, bytes] of members) {
    const size = lengthOf(bytes);
    const crc = bytes.reduce((sum, piece) => crc32(piece, sum), 0);
    const label = toUtf8(name);
    const fields = { crc, size, name: label.length };
    directory.push(header(CENTRAL, fields, 0, offset), label);
    const gap = (align - ((offset + 30 + label.length + 4) % align)) % align;
    put(header(LOCAL, fields, align > 1 ? gap + 4 : 0));
    put(label);
    if (align > 1) put(padding(gap));
    for (const piece of bytes) put(piece);
  }
  return [...pieces, ...directory, endRecord(directory, offset, comment)];
}

/** Sizes in bytes, the name's too. */
type Fields = { readonly [key in 'crc' | 'size' | 'name']: number };

function header(signature: number, fields: Fields, extra: number, offset = 0): Uint8Array {
  const central = signature === CENTRAL;
  if (Math.max(fields.size, offset) >= 2 ** 32 - 1) {
    throw new Error('zip: archives beyond 4 GiB are not written');
  }
  const bytes = new Uint8Array(central ? 46 : 30);
  const v = view(bytes);
  v.setUint32(0, signature, true);
  if (central) v.setUint16(4, 20, true);
  const at = central ? 6 : 4;
  v.setUint16(at, 20, true);
  v.setUint16(at + 2, 0x0800, true); // names are UTF-8
  v.setUint16(at + 8, 0x21, true); // 1980-01-01
  v.setUint32(at + 10, fields.crc, true);
  v.setUint32(at + 14, fields.size, true);
  v.setUint32(at + 18, fields.size, true);
  v.setUint16(at + 22, fields.name, true);
  v.setUint16(at + 24, extra, true);
  if (central) v.setUint32(42, offset, true);
  return bytes;
}

/** An extra field 'FB' of `gap` bytes, as PyTorch writes it. */
function padding(gap: number): Uint8Array {
  const bytes = toLatin1(`FB__${'Z'.repeat(gap)}`);
  view(bytes).setUint16(2, gap, true);
  return bytes;
}

function endRecord(directory: readonly Uint8Array[], offset: number, comment: string): Uint8Array {
  const count = directory.length / 2;
  const size = lengthOf(directory);
  if (count >= 65_535 || offset + size >= 2 ** 32 - 1) throw new Error('zip: zip64 archives are not written');
  const bytes = new Uint8Array(22 + comment.length);
  const v = view(bytes);
  v.setUint32(0, END, true);
  v.setUint16(8, count, true);
  v.setUint16(10, count, true);
  v.setUint32(12, size, true);
  v.setUint32(16, offset, true);
  v.setUint16(20, comment.length, true);
  bytes.set(toLatin1(comment), 22);
  return bytes;
}
