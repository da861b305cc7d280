/**
 * A WebAssembly assembler: as much of the binary format as the kernels need, written as functions that return bytes.
 *
 *   const add = module.define('add', ['i32', 'i32'], ['i32'], (_, [a, b]) => i32.add(a.get, b.get));
 *
 * Expressions nest as in a formula and leave their value on the stack; statements leave nothing.
 * Source: WebAssembly Core Specification 2.0, chapter 5 (binary format); the threads proposal (0xfe …) and the
 * relaxed-SIMD proposal (0xfd, 0x80 and above).
 */
export type Code = readonly number[];
export type Type = 'i32' | 'f64' | 'v128';

const TYPES: Record<Type, number> = { i32: 0x7f, f64: 0x7c, v128: 0x7b };

/** Unsigned LEB128. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  return [...bytes, rest];
}

/** Signed LEB128 of a 32-bit integer. */
function signed(value: number): number[] {
  const bytes: number[] = [];
  let rest = value | 0;
  while (rest < -64 || rest > 63) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>= 7;
  }
  return [...bytes, rest & 0x7f];
}

const vector = (items: readonly Code[]): number[] => [...unsigned(items.length), ...items.flat()];
const text = (name: string): number[] => vector([...name].map((letter) => [letter.charCodeAt(0)]));
const section = (id: number, content: Code): number[] => [id, ...unsigned(content.length), ...content];

// ---- instructions --------------------------------------------------------------------------------------------------

const unary =
  (...opcode: number[]) =>
  (a: Code): Code => [...a, ...opcode];
const binary =
  (...opcode: number[]) =>
  (a: Code, b: Code): Code => [...a, ...b, ...opcode];
const ternary =
  (...opcode: number[]) =>
  (a: Code, b: Code, c: Code): Code => [...a, ...b, ...c, ...opcode];
/** Every access says its alignment (a hint; for atomics, exact) as log₂ of the bytes. */
const load =
  (align: number, ...opcode: number[]) =>
  (address: Code, offset = 0): Code => [...address, ...opcode, align, ...unsigned(offset)];
const store =
  (align: number, ...opcode: number[]) =>
  (address: Code, value: Code, offset = 0): Code => [
    ...address,
    ...value,
    ...opcode,
    align,
    ...unsigned(offset),
  ];
/** SIMD opcodes are the prefix 0xfd and a LEB128 number. */
const simd = (opcode: number): number[] => [0xfd, ...unsigned(opcode)];

export const i32 = {
  const: (value: number): Code => [0x41, ...signed(value)],
  add: binary(0x6a),
  sub: binary(0x6b),
  mul: binary(0x6c),
  divU: binary(0x6e),
  shl: binary(0x74),
  and: binary(0x71),
  or: binary(0x72),
  eqz: unary(0x45),
  ltS: binary(0x48),
  gtS: binary(0x4a),
  geS: binary(0x4e),
  ltU: binary(0x49),
  gtU: binary(0x4b),
  leU: binary(0x4d),
  load: load(2, 0x28),
  store: store(2, 0x36),
  /** value where `test` is not 0, else other. */
  select: (value: Code, other: Code, test: Code): Code => [...value, ...other, ...test, 0x1b],
  atomicLoad: load(2, 0xfe, 0x10),
  atomicStore: store(2, 0xfe, 0x17),
  atomicAdd: store(2, 0xfe, 0x1e),
  atomicSub: store(2, 0xfe, 0x25),
};

/** Wakes up to `count` waiters; the number that woke stays on the stack. */
export const atomicNotify = store(2, 0xfe, 0x00);
/** Sleeps while the word at `address` is `expected`; no timeout. */
export const atomicWait = (address: Code, expected: Code): Code => [
  ...address,
  ...expected,
  ...[0x42, 0x7f],
  ...[0xfe, 0x01, 2, 0],
];

export const f64 = {
  const: (value: number): Code => [0x44, ...new Uint8Array(new Float64Array([value]).buffer)],
  add: binary(0xa0),
  mul: binary(0xa2),
  abs: unary(0x99),
  load: load(3, 0x2b),
  store: store(3, 0x39),
  /** The float32 at `address`, widened. */
  loadF32: (address: Code, offset = 0): Code => [...load(2, 0x2a)(address, offset), 0xbb],
  /** Rounded to float32. */
  storeF32: (address: Code, value: Code, offset = 0): Code =>
    store(2, 0x38)(address, [...value, 0xb6], offset),
};

/** float32 arithmetic on values that memory or a vector lane gives; there are no f32 locals. */
export const f32 = {
  add: binary(0x92),
  mul: binary(0x94),
  load: load(2, 0x2a),
  store: store(2, 0x38),
  demote: unary(0xb6),
};

export const v128 = {
  zero: [...simd(12), ...new Array<number>(16).fill(0)] as Code,
  load: load(4, ...simd(0)),
  store: store(4, ...simd(11)),
  load32Splat: load(2, ...simd(9)),
  load64Splat: load(3, ...simd(10)),
  /** 8 bytes into the low half, zeros above. */
  load64Zero: load(3, ...simd(93)),
  load32Zero: load(2, ...simd(92)),
  /** `vector` with one float32 lane from memory. */
  load32Lane: (address: Code, vector: Code, lane: number): Code => [
    ...address,
    ...vector,
    ...simd(86),
    ...[2, 0, lane],
  ],
  /** The low 8 bytes to memory. */
  store64Lane: (address: Code, vector: Code): Code => [...address, ...vector, ...simd(91), ...[3, 0, 0]],
  and: binary(...simd(78)),
  andnot: binary(...simd(79)),
  or: binary(...simd(80)),
  anyTrue: unary(...simd(83)),
  /** a where the mask's bits are set, else b. */
  bitselect: ternary(...simd(82)),
  shuffle: (a: Code, b: Code, lanes: Code): Code => [...a, ...b, ...simd(13), ...lanes],
};

export const f64x2 = {
  add: binary(...simd(0xf0)),
  mul: binary(...simd(0xf2)),
  div: binary(...simd(0xf3)),
  sqrt: unary(...simd(0xef)),
  /** a·b + c; fused where the processor can, in two roundings where it cannot. */
  relaxedMadd: ternary(...simd(0x107)),
  splat: unary(...simd(20)),
  ne: binary(...simd(0x48)),
  gt: binary(...simd(0x4a)),
  /** The two low float32 lanes, widened. */
  promoteLow: unary(...simd(0x5f)),
};

export const f32x4 = {
  add: binary(...simd(0xe4)),
  mul: binary(...simd(0xe6)),
  eq: binary(...simd(0x41)),
  ne: binary(...simd(0x42)),
  gt: binary(...simd(0x44)),
  ge: binary(...simd(0x46)),
  /** Two float64 lanes rounded; zeros above. */
  demoteZero: unary(...simd(0x5e)),
};

export const memory = {
  /** memory.copy(to, from, bytes). */
  copy: ternary(0xfc, 10, 0, 0),
  /** memory.fill(at, byte, bytes). */
  fill: ternary(0xfc, 11, 0),
};

// ---- control -------------------------------------------------------------------------------------------------------

export const seq = (...statements: Code[]): Code => statements.flat();
export const when = (test: Code, then: Code): Code => [...test, 0x04, 0x40, ...then, 0x0b];
export const ifElse = (test: Code, then: Code, otherwise: Code): Code => [
  ...test,
  ...[0x04, 0x40],
  ...then,
  0x05,
  ...otherwise,
  0x0b,
];
export const drop = (value: Code): Code => [...value, 0x1a];
export const leave: Code = [0x0f];

/** Runs `body` for ever; `leave` ends it with the function. */
export const forever = (body: Code): Code => [0x03, 0x40, ...body, 0x0c, 0, 0x0b];

/** body, then again while `test` holds. */
export const doWhile = (body: Code, test: Code): Code => [0x03, 0x40, ...body, ...test, 0x0d, 0, 0x0b];

/** while `test` holds, body. */
export const forWhile = (test: Code, body: Code): Code => [
  ...[0x02, 0x40, 0x03, 0x40],
  ...[...test, 0x45, 0x0d, 1],
  ...body,
  ...[0x0c, 0, 0x0b, 0x0b],
];

/** for (i = from; i < to; i += step) body, signed. */
export const forTo = (i: Local, from: Code, to: Code, step: Code, body: Code): Code => [
  ...i.set(from),
  ...[0x02, 0x40, 0x03, 0x40],
  ...[...i32.geS(i.get, to), 0x0d, 1],
  ...body,
  ...i.set(i32.add(i.get, step)),
  ...[0x0c, 0, 0x0b, 0x0b],
];

// ---- functions and modules -----------------------------------------------------------------------------------------

export interface Local {
  readonly get: Code;
  set(value: Code): Code;
}

const local = (index: number): Local => ({
  get: [0x20, ...unsigned(index)],
  set: (value) => [...value, 0x21, ...unsigned(index)],
});

/** pointer += by. */
export const advance = (pointer: Local, by: Code): Code => pointer.set(i32.add(pointer.get, by));

/** f(0) … f(count − 1): unrolled code. */
export const times = <T>(count: number, f: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => f(i));

/** Declares another local variable of a function. */
export type Declare = (type: Type) => Local;
type FunctionCall = (...args: Code[]) => Code;

export interface Module {
  /** Defines and exports a function; the result calls it from others. */
  define(
    name: string,
    params: readonly Type[],
    results: readonly Type[],
    body: (declare: Declare, params: Local[]) => Code,
  ): FunctionCall;
  /** The bytes of the module. */
  bytes(): Uint8Array<ArrayBuffer>;
}

/** A module that imports its memory as js.memory. */
export function createModule(shared: boolean): Module {
  const types: Code[] = [];
  const exports: Code[] = [];
  const bodies: Code[] = [];
  const limits = shared ? [3, ...unsigned(0), ...unsigned(65536)] : [0, ...unsigned(0)];
  return {
    define(name, params, results, body) {
      const index = bodies.length;
      const locals: Type[] = [];
      const declare = (type: Type): Local => local(params.length + locals.push(type) - 1);
      const code = body(
        declare,
        params.map((_, i) => local(i)),
      );
      const content = [...vector(locals.map((type) => [1, TYPES[type]])), ...code, 0x0b];
      types.push([0x60, ...vector(params.map((t) => [TYPES[t]])), ...vector(results.map((t) => [TYPES[t]]))]);
      exports.push([...text(name), 0, ...unsigned(index)]);
      bodies.push([...unsigned(content.length), ...content]);
      return (...args) => [...args.flat(), 0x10, ...unsigned(index)];
    },
    bytes: () =>
      new Uint8Array([
        ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
        ...section(1, vector(types)),
        ...section(2, vector([[...text('js'), ...text('memory'), 2, ...limits]])),
        ...section(3, vector(bodies.map((_, index) => unsigned(index)))),
        ...section(7, vector(exports)),
        ...section(10, vector(bodies)),
      ]),
  };
}
