/** Rows become columns in registers: two rows of float32 widened to float64, or four kept as they are. */
import { type Code, f64x2, type Local, seq, v128 } from './assembler.ts';

/** Bytes of a shuffle that takes the low (high) halves of both operands. */
const LOW = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23];
export const HIGH = LOW.map((byte) => byte + 8);
/** Float32 lanes 0 and 1, 2 and 3 of two registers, interleaved. */
const LOW_PAIRS = [0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23];
const HIGH_PAIRS = LOW_PAIRS.map((byte) => byte + 8);

/** A register's worth of rows: how their next few steps become columns, one register a step. */
export interface Turn {
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
