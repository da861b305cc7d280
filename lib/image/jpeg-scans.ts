/**
 * Whether the scans of a JPEG can make a picture: the tables they need are there, and the scans of a progressive one
 * (ITU-T T.81, annex G) bring every coefficient from its high bits to its low ones. The rules are libjpeg-turbo's
 * (jdphuff.c, start_pass_phuff_decoder); where it only warns and goes on with garbage, the picture is refused.
 */
import { InputError } from '../errors.ts';
import type { JpegHeader, JpegScan } from './jpeg-header.ts';

/** Bits that no scan has brought. */
const NONE = -1;
const MAX_SHIFT = 13;

/** Throws InputError, one line starting with `name`, if a scan is impossible or a component gets none. */
export function checkScansFit(header: JpegHeader, name: string): void {
  const { components, progressive, scans, quantisers } = header;
  const fail = (reason: string): never => {
    throw new InputError(`${name}: damaged JPEG (${reason})`);
  };
  const missing = components.find(({ table }) => !quantisers.has(table));
  if (missing) fail(`quantisation table ${missing.table} is missing`);
  /** For each component the lowest bit that was brought of its 64 coefficients. */
  const lowest = components.map(() => new Int8Array(64).fill(NONE));
  scans.forEach((scan, i) => {
    if (!progressive) for (const { index } of scan.components) lowest[index].fill(0);
    else {
      const reason = whyImpossible(scan) ?? whyOutOfOrder(scan, lowest);
      if (reason) fail(`scan ${i + 1} of its ${scans.length} is impossible: ${reason}`);
      const table = missingTable(scan);
      if (table !== undefined) fail(`Huffman table ${table & 15} of scan ${i + 1} is missing`);
    }
  });
  const empty = lowest.findIndex(([dc]) => dc === NONE);
  if (empty >= 0) fail(`no scan brings component ${empty + 1} of ${components.length}`);
}

/** Whether a sequential scan needs tables that the file does not define, as the frames of motion JPEG do. */
export const needsStandardTables = ({ progressive, scans }: JpegHeader): boolean =>
  !progressive && scans.some((scan) => missingTable(scan, true) !== undefined);

function missingTable({ components, first, high, huffman }: JpegScan, both = false): number | undefined {
  const needed = components.flatMap(({ dc, ac }) => {
    if (both) return [dc, 16 + ac];
    if (first > 0) return [16 + ac];
    return high === 0 ? [dc] : []; // a refinement of DC is plain bits
  });
  return needed.find((table) => !huffman.has(table));
}

/** What is wrong with a progressive scan in itself. */
function whyImpossible({ components, first, last, high, low }: JpegScan): string | undefined {
  const band = `coefficients ${first} to ${last}`;
  if (first === 0 && last !== 0) return `${band}, though DC comes alone`;
  if (first > last || last > 63) return band;
  if (first > 0 && components.length > 1) return `${band} of ${components.length} components at once`;
  if (high > 0 && low !== high - 1) return `from bit ${high} to bit ${low}`;
  if (low > MAX_SHIFT) return `bit ${low}`;
  return undefined;
}

/** What does not go with the scans before; notes in `lowest` what this one brings. */
function whyOutOfOrder(scan: JpegScan, lowest: readonly Int8Array[]): string | undefined {
  for (const { index } of scan.components) {
    const bits = lowest[index];
    if (scan.first > 0 && bits[0] === NONE) return `component ${index + 1} has no DC yet`;
    for (let k = scan.first; k <= scan.last; k++) {
      if (scan.high !== Math.max(bits[k], 0)) {
        return `it refines bit ${scan.high} of coefficient ${k}, which ${bits[k] === NONE ? 'no scan brought' : `is at bit ${bits[k]}`}`;
      }
      bits[k] = scan.low;
    }
  }
  return undefined;
}

/**
 * The DHT segment of T.81's own tables (K.3.3): DC and AC, luminance (0) and chrominance (1). libjpeg-turbo takes
 * them where a file defines none (jdhuff.c, jinit_huff_decoder; jstdhuff.c).
 */
export function standardTables(): Uint8Array {
  const tables = STANDARD.flatMap(([number, counts, symbols]) => [number, ...counts, ...fromHex(symbols)]);
  const length = tables.length + 2;
  return Uint8Array.of(0xff, 0xc4, length >> 8, length & 255, ...tables);
}

const fromHex = (text: string): number[] =>
  (text.match(/[\da-f]{2}/g) ?? []).map((byte) => Number.parseInt(byte, 16));

const DC = '000102030405060708090a0b';
const AC_LUMINANCE = `
01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a3435363738393a43
4445464748494a535455565758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2
b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa`;
const AC_CHROMINANCE = `
000102031104052131061241510761711322328108144291a1b1c109233352f0156272d10a162434e125f11718191a262728292a35363738393a
434445464748494a535455565758595a636465666768696a737475767778797a82838485868788898a92939495969798999aa2a3a4a5a6a7a8a9
aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa`;
/** Class (AC from 16 on) and number, how many codes have 1 to 16 bits, and the symbols in the order of the codes. */
const STANDARD = [
  [0x00, [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], DC],
  [0x01, [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], DC],
  [0x10, [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125], AC_LUMINANCE],
  [0x11, [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119], AC_CHROMINANCE],
] as const;
