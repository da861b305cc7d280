/**
 * Gathers an operand through two tables of byte offsets, element (i, k) at base[i] + steps[k], into panels
 * [panel][k][width]. Convolution, its groups, strides, pads and dilation, and both gradients are only tables:
 * no im2col matrix exists.
 */
import {
  advance,
  type Code,
  type Declare,
  doWhile,
  f32,
  f64,
  f64x2,
  forWhile,
  i32,
  type Local,
  type Module,
  seq,
  type Type,
  times,
  v128,
  when,
} from './assembler.ts';

const c = i32.const;

/**
 * How an operand is read: its elements' size, and what is taken of each: the value, or for the error bounds its
 * magnitude or square. 'lines' are float32 values whose steps follow one another in memory.
 */
export const SOURCES = ['float32', 'float64', 'lines', 'magnitudes', 'squares'] as const;
export type OperandSource = (typeof SOURCES)[number];

/** pack(to, from, base, steps, depth, panels): panels of `width` elements, as float64 or (`bytes` = 4) float32. */
export function definePack(
  module: Module,
  name: string,
  width: number,
  source: OperandSource,
  bytes: number,
) {
  return module.define(name, new Array<Type>(6).fill('i32'), [], (declare, params) => {
    const [to, from, base, steps, depth, panels] = params;
    const at = times(width, () => declare('i32'));
    const k = declare('i32');
    const end = declare('i32');
    const value = declare('f64');
    const put = (i: number): Code => {
      const element = i32.add(at[i].get, i32.load(k.get));
      if (bytes === 4) return f32.store(to.get, f32.load(element), 4 * i);
      const read = source === 'float64' ? f64.load(element) : f64.loadF32(element);
      if (source === 'magnitudes') return f64.store(to.get, f64.abs(read), 8 * i);
      if (source !== 'squares') return f64.store(to.get, read, 8 * i);
      return seq(value.set(read), f64.store(to.get, f64.mul(value.get, value.get), 8 * i));
    };
    const one = seq(...times(width, put), advance(to, c(width * bytes)), advance(k, c(4)));
    const lines = source === 'lines' && width % (16 / bytes) === 0;
    const whole = lines
      ? packTurned(declare, at, to, k, end, bytes)
      : source === 'float32' && width % 4 === 0
        ? packNeighbours(declare, at, to, k, end, bytes)
        : [];
    return doWhile(
      seq(
        ...at.map((local, i) => local.set(i32.add(from.get, i32.load(base.get, 4 * i)))),
        k.set(steps.get),
        end.set(i32.add(steps.get, i32.shl(depth.get, c(2)))),
        whole,
        forWhile(i32.ltU(k.get, end.get), one),
        advance(base, c(4 * width)),
        advance(panels, c(-1)),
      ),
      i32.gtS(panels.get, c(0)),
    );
  });
}

/** All steps, if the lines are neighbours in memory, as the pixels of a row are: four in a register. */
function packNeighbours(
  declare: Declare,
  at: readonly Local[],
  to: Local,
  k: Local,
  end: Local,
  bytes: number,
): Code {
  const four = declare('v128');
  const put = (i: number): Code => {
    const load = four.set(v128.load(i32.add(at[i].get, i32.load(k.get))));
    if (bytes === 4) return seq(load, v128.store(to.get, four.get, 4 * i));
    const high = v128.shuffle(four.get, four.get, HIGH);
    return seq(
      load,
      v128.store(to.get, f64x2.promoteLow(four.get), 8 * i),
      v128.store(to.get, f64x2.promoteLow(high), 8 * i + 16),
    );
  };
  const width = at.length;
  const one = seq(...times(width / 4, (i) => put(4 * i)), advance(to, c(width * bytes)), advance(k, c(4)));
  const gaps = times(width - 1, (i) => i32.sub(i32.sub(at[i + 1].get, at[i].get), c(4)));
  const neighbours = i32.eqz(gaps.reduce((any, gap) => i32.or(any, gap)));
  return when(neighbours, doWhile(one, i32.ltU(k.get, end.get)));
}

/** As many steps at a time as a register has lanes, while that many are left. */
function packTurned(
  declare: Declare,
  at: readonly Local[],
  to: Local,
  k: Local,
  end: Local,
  bytes: number,
): Code {
  const { lanes, locals, load, column } = turnFor(bytes);
  const turned = times(locals, () => declare('v128'));
  const width = at.length;
  const group = (g: number): Code =>
    seq(
      load(
        turned,
        at.slice(g * lanes, (g + 1) * lanes).map((line) => i32.add(line.get, i32.load(k.get))),
      ),
      ...times(lanes, (step) => v128.store(to.get, column(turned, step), 16 * g + width * bytes * step)),
    );
  const all = seq(
    ...times(width / lanes, group),
    advance(to, c(lanes * width * bytes)),
    advance(k, c(4 * lanes)),
  );
  return forWhile(i32.leU(i32.add(k.get, c(4 * lanes)), end.get), all);
}

/** Bytes of a shuffle that takes the low (high) halves of both operands. */
const LOW = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23];
const HIGH = LOW.map((byte) => byte + 8);
/** Float32 lanes 0 and 1, 2 and 3 of two registers, interleaved. */
const LOW_PAIRS = [0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23];
const HIGH_PAIRS = LOW_PAIRS.map((byte) => byte + 8);

/** A register's worth of rows: how their next few steps become columns, one register per step. */
interface Turn {
  /** Rows in a register, and steps at a time. */
  readonly lanes: number;
  readonly locals: number;
  load(locals: readonly Local[], addresses: readonly Code[]): Code;
  column(locals: readonly Local[], step: number): Code;
}

const turn64: Turn = {
  lanes: 2,
  locals: 2,
  load: (locals, addresses) =>
    seq(...addresses.map((at, i) => locals[i].set(f64x2.promoteLow(v128.load64Zero(at))))),
  column: ([a, b], step) => v128.shuffle(a.get, b.get, step === 0 ? LOW : HIGH),
};

const turn32: Turn = {
  lanes: 4,
  locals: 8,
  load: (locals, addresses) =>
    seq(
      ...addresses.map((at, i) => locals[i].set(v128.load(at))),
      ...[0, 2].flatMap((i) => [
        locals[4 + i].set(v128.shuffle(locals[i].get, locals[i + 1].get, LOW_PAIRS)),
        locals[5 + i].set(v128.shuffle(locals[i].get, locals[i + 1].get, HIGH_PAIRS)),
      ]),
    ),
  column: (locals, step) => {
    const half = step < 2 ? 4 : 5;
    return v128.shuffle(locals[half].get, locals[half + 2].get, step % 2 === 0 ? LOW : HIGH);
  },
};

/** How rows of float32 become columns of accumulators of `bytes` bytes. */
export const turnFor = (bytes: number): Turn => (bytes === 4 ? turn32 : turn64);
