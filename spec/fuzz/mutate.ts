/**
 * Deterministic damage to files: flipped bits, cuts, impossible lengths, pieces repeated, removed and
 * exchanged.
 */

export type Random = () => number;

/** mulberry32: a 32-bit generator, enough to choose places. */
export function generator(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const below = (random: Random, n: number): number => Math.floor(random() * n);

/** Where headers are: three times in four near the start or the end. */
function place(random: Random, length: number): number {
  const near = Math.min(length, 600);
  const where = random();
  if (where < 0.5) return below(random, near);
  return where < 0.75 ? length - 1 - below(random, near) : below(random, length);
}

const lengths = [
  '0000000000000080', // 2⁶³
  'ffffffffffffffff',
  'ffffffffffffff7f',
  '0000000001000000', // 2³² in the upper half, little-endian
  'ffffffff',
  'ffffff7f',
  '00000080',
  'ffff',
  'ffffffffffffffffff01', // the longest varint
  '8080808080808080808080',
  '00',
  '80',
].map((hex) => Buffer.from(hex, 'hex'));

type Mutation = (file: Buffer, random: Random, other: Buffer) => Buffer;

const flip: Mutation = (file, random) => {
  for (let n = 1 + below(random, 8); n > 0; n--) file[place(random, file.length)] ^= 1 << below(random, 8);
  return file;
};
const cut: Mutation = (file, random) => file.subarray(0, below(random, file.length));
const behead: Mutation = (file, random) => file.subarray(below(random, file.length));
const lengthen: Mutation = (file, random) => {
  lengths[below(random, lengths.length)].copy(file, place(random, file.length));
  return file;
};
const remove: Mutation = (file, random) => {
  const at = place(random, file.length);
  return Buffer.concat([file.subarray(0, at), file.subarray(at + 1 + below(random, 64))]);
};
const repeat: Mutation = (file, random) => {
  const at = place(random, file.length);
  const piece = file.subarray(at, at + 1 + below(random, 64));
  const times = random() < 0.1 ? 1000 : 1 + below(random, 4);
  return Buffer.concat([file.subarray(0, at), ...new Array<Buffer>(times).fill(piece), file.subarray(at)]);
};
const exchange: Mutation = (file, random, other) => {
  const at = place(random, file.length);
  return Buffer.concat([file.subarray(0, at), other.subarray(place(random, other.length))]);
};
const noise: Mutation = (file, random) => {
  const at = place(random, file.length);
  for (let i = at; i < Math.min(file.length, at + 1 + below(random, 16)); i++) file[i] = below(random, 256);
  return file;
};
const words: Mutation = (file, random) => {
  const hostile = [
    '../../../etc/passwd',
    '/dev/zero',
    'cos\nsystem\n',
    'c__builtin__\neval\n',
    '__proto__',
    '\0',
    '[[[[[[',
    '}}}}',
  ];
  const text = Buffer.from(hostile[below(random, hostile.length)]);
  const at = place(random, file.length);
  return Buffer.concat([file.subarray(0, at), text, file.subarray(at + (random() < 0.5 ? text.length : 0))]);
};

const mutations = [flip, flip, flip, cut, behead, lengthen, lengthen, remove, repeat, exchange, noise, words];

/** A damaged copy, one to three times over. */
export function mutate(seed: Uint8Array, random: Random, other: Uint8Array): Buffer {
  let file: Buffer = Buffer.from(seed);
  for (let n = 1 + below(random, 3); n > 0 && file.length > 0; n--) {
    file = Buffer.from(mutations[below(random, mutations.length)](file, random, Buffer.from(other)));
  }
  return file;
}
