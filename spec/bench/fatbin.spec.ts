import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { codeFor, entriesOf, keepOnly } from '../../bench/fatbin.ts';

const library = (): Buffer => readFileSync(new URL('../../fixtures/runtime/fatbin/two.so', import.meta.url));

/** What make.sh asks nvcc for, in each of the two containers, in the order in which fatbinary writes it. */
const ENTRIES = [
  { kind: 2, sm: 80 },
  { kind: 1, sm: 90 },
  { kind: 2, sm: 90 },
];

describe('machine code for GPUs', () => {
  it('is found in every container', () => {
    const entries = entriesOf(library());
    expect(entries.map(({ kind, sm }) => ({ kind, sm }))).to.deep.equal([...ENTRIES, ...ENTRIES]);
    const code = entries.filter(({ kind }) => kind === 2);
    for (const { payload } of code) expect(payload.toString('latin1', 1, 4)).to.equal('ELF');
  });

  it('of other architectures becomes zeros, and nothing else changes', () => {
    const before = library();
    const after = library();
    const blanked = keepOnly(after, 90);
    expect(after.length).to.equal(before.length);
    const kept = entriesOf(after).filter(({ payload }) => payload.some((byte) => byte !== 0));
    expect(kept.map(({ kind, sm }) => ({ kind, sm }))).to.deep.equal([ENTRIES[2], ENTRIES[2]]);
    let changed = 0;
    for (let i = 0; i < before.length; i++) {
      if (before[i] === after[i]) continue;
      changed++;
      expect(after[i]).to.equal(0);
    }
    const nonzero = entriesOf(before)
      .filter(({ kind, sm }) => kind === 1 || sm !== 90)
      .map(({ payload }) => payload.reduce((count, byte) => count + (byte === 0 ? 0 : 1), 0));
    expect(changed).to.equal(nonzero.reduce((a, b) => a + b, 0));
    expect(blanked).to.be.greaterThan(changed);
  });

  it('runs on a GPU of the same major version and no older one', () => {
    expect(codeFor(90, [75, 80, 90])).to.equal(90);
    expect(codeFor(89, [75, 80, 86, 90])).to.equal(86);
    expect(codeFor(87, [80, 86, 89])).to.equal(86);
    expect(() => codeFor(100, [90, 120])).to.throw(
      /^the library has no machine code for sm 100: it has 90, 120$/,
    );
    expect(() => codeFor(70, [75])).to.throw(/sm 70/);
  });

  it('is refused where the file is something else', () => {
    expect(() => entriesOf(Buffer.from('no library'))).to.throw(/^not a 64-bit little-endian ELF file$/);
    const cut = library();
    const at = cut.indexOf(Buffer.from([0x50, 0xed, 0x55, 0xba]));
    cut.writeBigUInt64LE(1_000_000n, at + 8);
    expect(() => entriesOf(cut)).to.throw(/leaves the section/);
    const other = library();
    other.writeUInt32LE(1, at);
    expect(() => entriesOf(other)).to.throw(/something else than containers/);
  });
});
