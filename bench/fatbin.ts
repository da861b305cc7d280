/**
 * Machine code for GPUs in a shared library: which architectures (SM) it holds, and a copy of it without those that
 * are not wanted.
 *
 * An ELF file's section .nv_fatbin is a row of containers, padded with zeros to eight bytes (layout read from what
 * nvcc writes; the header is that of CUDA's fatbinary_section.h):
 *
 *   container: u32 magic 0xBA55ED50, u16 version, u16 size of this header, u64 size of the entries
 *   entry:     u16 kind (1 PTX, 2 machine code), u16 version, u32 size of this header, u64 size of the payload,
 *              at byte 28 u32 SM; then the payload
 *
 * Blanked payloads stay in their place as zeros: no offset changes, and a packer makes nothing of them.
 */

const CONTAINER = 0xba55ed50;
const PTX = 1;
const MACHINE_CODE = 2;

interface Entry {
  /** Architecture: 90 for compute capability 9.0. */
  readonly sm: number;
  readonly kind: typeof PTX | typeof MACHINE_CODE;
  readonly payload: Buffer;
}

/** Every entry of a library's containers. Throws Error for what is no ELF file for 64 bits with such a section. */
export function entriesOf(library: Buffer): Entry[] {
  const section = sectionOf(library, '.nv_fatbin');
  const entries: Entry[] = [];
  let at = 0;
  while (at + 16 <= section.length) {
    if (section.readUInt32LE(at) !== CONTAINER) {
      mustBePadding(section, at);
      at += 8;
      continue;
    }
    const first = at + section.readUInt16LE(at + 6);
    const end = first + Number(section.readBigUInt64LE(at + 8));
    if (end > section.length) throw new Error(`a container at byte ${at} of .nv_fatbin leaves the section`);
    entries.push(...entriesIn(section.subarray(first, end)));
    at = Math.ceil(end / 8) * 8;
  }
  return entries;
}

/** Zeros the machine code for other architectures, and PTX. Returns the bytes that were zeroed. */
export function keepOnly(library: Buffer, sm: number): number {
  const entries = entriesOf(library);
  const kept = codeFor(sm, [...new Set(entries.filter((e) => e.kind === MACHINE_CODE).map((e) => e.sm))]);
  let blanked = 0;
  for (const entry of entries) {
    if (entry.kind === MACHINE_CODE && entry.sm === kept) continue;
    entry.payload.fill(0);
    blanked += entry.payload.length;
  }
  return blanked;
}

/**
 * The machine code that a GPU runs: the newest of its own major version that is no newer than itself (CUDA C++
 * Programming Guide, "Binary Compatibility"). Throws Error where there is none.
 */
export function codeFor(sm: number, available: readonly number[]): number {
  const major = Math.floor(sm / 10);
  const fitting = available.filter((other) => Math.floor(other / 10) === major && other <= sm);
  if (fitting.length > 0) return Math.max(...fitting);
  const list = available.toSorted((a, b) => a - b).join(', ');
  throw new Error(`the library has no machine code for sm ${sm}: it has ${list || 'none'}`);
}

function* entriesIn(container: Buffer): Generator<Entry> {
  let at = 0;
  while (at + 64 <= container.length) {
    const kind = container.readUInt16LE(at);
    const first = at + container.readUInt32LE(at + 4);
    const end = first + Number(container.readBigUInt64LE(at + 8));
    if ((kind !== PTX && kind !== MACHINE_CODE) || end > container.length)
      throw new Error(`an entry of .nv_fatbin is not understood (kind ${kind})`);
    yield { sm: container.readUInt32LE(at + 28), kind, payload: container.subarray(first, end) };
    at = end;
  }
}

function mustBePadding(section: Buffer, at: number): void {
  if (section.subarray(at, at + 8).some((byte) => byte !== 0))
    throw new Error(`.nv_fatbin holds something else than containers at byte ${at}`);
}

/** A section of an ELF file (System V ABI, chapter 4: ELF header and section headers, 64 bits, little-endian). */
function sectionOf(file: Buffer, wanted: string): Buffer {
  if (file.length < 64 || file.readUInt32BE(0) !== 0x7f454c46 || file[4] !== 2 || file[5] !== 1)
    throw new Error('not a 64-bit little-endian ELF file');
  const table = Number(file.readBigUInt64LE(0x28));
  const size = file.readUInt16LE(0x3a);
  const header = (index: number) => file.subarray(table + index * size, table + (index + 1) * size);
  const bytes = (h: Buffer) => {
    const start = Number(h.readBigUInt64LE(24));
    return file.subarray(start, start + Number(h.readBigUInt64LE(32)));
  };
  const names = bytes(header(file.readUInt16LE(0x3e)));
  for (let i = 0; i < file.readUInt16LE(0x3c); i++) {
    const start = header(i).readUInt32LE(0);
    if (names.toString('latin1', start, names.indexOf(0, start)) === wanted) return bytes(header(i));
  }
  throw new Error(`the library has no section ${wanted}`);
}
