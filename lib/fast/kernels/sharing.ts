/**
 * How threads share work: one record at the start of the memory says what is to be done, split into blocks that are
 * claimed by an atomic countdown. No block is a part of a sum, so who computes it cannot change a bit.
 *
 * `open` is the number of blocks still to be claimed: a claim subtracts 1 and owns block (old value − 1) if the old
 * value was above 0. All other fields are written before `open` is, and no new job is opened before `done` says that
 * every block is finished, so whoever owns a block reads the record that belongs to it. Threads that are
 * still starting up, or sleep, are simply not waited for.
 */
import {
  atomicNotify,
  atomicWait,
  type Code,
  type Declare,
  drop,
  forever,
  i32,
  leave,
  seq,
  when,
} from './assembler.ts';

const FIELDS = [
  // the protocol
  'open', // blocks not yet claimed
  'done', // blocks finished
  'blocks', // blocks in all
  'generation', // counts jobs: what idle threads sleep on
  // the job
  'kind', // index into the module's list of block functions
  'a', // first operand
  'x', // second operand
  'source', // how x is read: index into SOURCES of pack.ts
  'base', // table: byte offset of every column in x
  'steps', // table: byte offset of every step of the sum in x
  'out', // table: byte offset of every column in y
  'y', // result
  'yWide', // 1: y is float64
  'rowBytes', // from one row of y to the next
  'bias', // float64, one per row or one per column:
  'biasRow', // bytes from one row's to the next …
  'biasColumn', // … and from one column's
  'rows',
  'columns',
  'depth', // terms in a sum
  'blockColumns', // columns (neurons, maps) in a block
  'blockDepth', // terms that are packed at a time
  'begins', // 1: sums start at zero, 0: they go on from the tiles kept …
  'ends', // 1: sums are complete and stored, 0: their tiles are kept …
  'sums', // … here (0: in scratch), and per block this many bytes
  'sumsBytes',
  // windows
  'kernelRows',
  'kernelColumns',
  'strideRows',
  'strideColumns',
  'height', // of a map …
  'width', // … with its frame
  'scratch', // memory that belongs to one thread alone …
  'scratchBytes', // … and its size
] as const;

export type JobField = (typeof FIELDS)[number];

/** The record's first byte; address 0 stays unused. */
const START = 64;
/** First byte after the record. */
export const HEAP = 256;

export const addressOf = (field: JobField): number => START + 4 * FIELDS.indexOf(field);
export const read = (field: JobField): Code => i32.load(i32.const(addressOf(field)));

const at = (field: JobField): Code => i32.const(addressOf(field));

/**
 * Claims and computes blocks until none is left. `blocks[kind](block, thread)` computes one; on an unshared memory
 * the same instructions are valid, as nobody sleeps there.
 */
export function claimLoop(
  thread: Code,
  declare: Declare,
  blocks: readonly ((block: Code, thread: Code) => Code)[],
): Code {
  const block = declare('i32');
  const mine = block.set(i32.sub(i32.atomicSub(at('open'), i32.const(1)), i32.const(1)));
  return forever(
    seq(
      mine,
      when(i32.ltS(block.get, i32.const(0)), leave),
      ...blocks.map((compute, kind) =>
        when(i32.eqz(i32.sub(read('kind'), i32.const(kind))), compute(block.get, thread)),
      ),
      drop(i32.atomicAdd(at('done'), i32.const(1))),
      drop(atomicNotify(at('done'), i32.const(1))),
    ),
  );
}

/** Opens the job that the record describes, and wakes those who sleep. */
export const openJob: Code = seq(
  i32.atomicStore(at('done'), i32.const(0)),
  i32.atomicStore(at('open'), read('blocks')),
  drop(i32.atomicAdd(at('generation'), i32.const(1))),
  drop(atomicNotify(at('generation'), i32.const(1024))),
);

/** Sleeps until every block is done. */
export function finishJob(declare: Declare): Code {
  const done = declare('i32');
  return forever(
    seq(
      done.set(i32.atomicLoad(at('done'))),
      when(i32.eqz(i32.sub(done.get, read('blocks'))), leave),
      drop(atomicWait(at('done'), done.get)),
    ),
  );
}

/** A worker's life: work, sleep until the next job, and so on. */
export function serveLoop(declare: Declare, work: Code): Code {
  const generation = declare('i32');
  return forever(
    seq(
      generation.set(i32.atomicLoad(at('generation'))),
      work,
      drop(atomicWait(at('generation'), generation.get)),
    ),
  );
}
