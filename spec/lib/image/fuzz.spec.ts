/** Damaged files: whatever the bytes, a picture or an InputError of one line, soon. */
import { readdirSync } from 'node:fs';
import { expect } from 'chai';
import { InputError } from '../../../lib/errors.ts';
import { decodeImageSync } from '../../../lib/image/decode.ts';
import { fixture, fixturePath } from '../../support/golden-pictures.ts';
import { chunk } from '../../support/png.ts';

/** xorshift32: the same files in every run. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const names = readdirSync(fixturePath('.')).filter((name) => /\.(png|jpg)$/.test(name));
const ROUNDS = 60;

/** A few bytes changed, a piece cut out, doubled, or put in from another place. */
function mutate(original: Uint8Array, random: (below: number) => number): Uint8Array {
  const bytes = Array.from(original);
  for (let times = 1 + random(4); times > 0; times--) {
    const [from, length] = [random(bytes.length), 1 + random(24)];
    const kind = random(6);
    if (kind === 0) bytes.splice(from, length);
    else if (kind === 1) bytes.splice(from, 0, ...bytes.slice(from, from + length));
    else if (kind === 2) bytes.splice(from, 0, ...bytes.slice(random(bytes.length)).slice(0, length));
    else if (kind === 3) bytes[from] = [0, 0xff, 0x7f, 0x80][random(4)];
    else bytes[from] = random(256);
    if (bytes.length === 0) bytes.push(0);
  }
  return Uint8Array.from(bytes);
}

/** Mutated chunk contents under right checksums, so that damage reaches the decoder behind them. */
function mutatePng(original: Uint8Array, random: (below: number) => number): Uint8Array {
  const view = Buffer.from(original);
  const parts: Uint8Array[] = [view.subarray(0, 8)];
  for (let at = 8; at < view.length; ) {
    const length = view.readUInt32BE(at);
    const data = view.subarray(at + 8, at + 8 + length);
    const type = view.toString('latin1', at + 4, at + 8);
    parts.push(chunk(type, length > 0 && random(3) === 0 ? mutate(data, random) : data));
    at += 12 + length;
  }
  return Buffer.concat(parts);
}

describe('lib/image on damaged files', () => {
  for (const [title, kind, change] of [
    ['bytes of JPEG files', /jpg$/, mutate],
    ['bytes of PNG files', /png$/, mutate],
    ['chunks of PNG files under right checksums', /png$/, mutatePng],
  ] as const) {
    it(`decodes or refuses, never anything else, when ${title} are changed`, () => {
      const random = generator(2012);
      let [pictures, refused, slowest] = [0, 0, 0];
      for (const name of names.filter((n) => kind.test(n))) {
        const original = fixture(name);
        for (let round = 0; round < (kind.test('jpg') ? 3 * ROUNDS : ROUNDS); round++) {
          const bytes = change(original, random);
          const start = performance.now();
          try {
            const { width, height, data } = decodeImageSync(bytes, name);
            expect(data.length).to.equal(3 * width * height);
            pictures++;
          } catch (error) {
            if (!(error instanceof InputError)) throw error;
            expect(error.message).to.match(/^[^\n]+$/);
            refused++;
          }
          slowest = Math.max(slowest, performance.now() - start);
        }
      }
      expect(pictures + refused).to.be.above(1500);
      expect(refused).to.be.above(500);
      expect(slowest, 'ms for the slowest').to.be.below(2000);
    });
  }
});
