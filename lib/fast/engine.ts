/**
 * The engine: the compiled kernels, their memory, and the settings.
 *
 * All operands are copied into the one memory that the kernels see, slab by slab, so nothing of the caller is kept
 * and no weight is held twice.
 */
import { mustBeObject } from '../../reference/named.ts';
import type { Precision, Storage } from '../../reference/tensor.ts';
import {
  assembleKernels,
  type Features,
  fusedProbe,
  type JobKind,
  KINDS,
  tilesFor,
} from './kernels/index.ts';
import type { Arithmetic, Tile } from './kernels/product.ts';
import { addressOf, HEAP, type JobField } from './kernels/sharing.ts';

// What of WebAssembly's interface is used here; TypeScript has it only among the browser's types.

export interface Memory {
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
  grow(pages: number): number;
}

/** Compiled code; structured clone shares it between threads. */
export interface CompiledModule {
  readonly brand?: 'WebAssembly.Module';
}

type KernelFunction = (...args: number[]) => number;

interface Api {
  validate(bytes: Uint8Array<ArrayBuffer>): boolean;
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => CompiledModule;
  readonly Memory: new (limits: { initial: number; maximum?: number; shared?: boolean }) => Memory;
  readonly Instance: new (
    module: CompiledModule,
    imports: { js: { memory: Memory } },
  ) => { readonly exports: Readonly<Record<string, KernelFunction>> };
}

/** undefined where the JavaScript engine has none. */
const webAssembly = (globalThis as unknown as { readonly WebAssembly?: Api }).WebAssembly;

/** Threads that share the work with this one: node.ts has those of Node. */
export interface Threads {
  /** This one included. */
  readonly count: number;
  /** Gives threads 1 … count − 1 the kernels and their shared memory, and returns what ends them. */
  start(kernels: CompiledModule, memory: Memory): () => void;
}

export interface Settings {
  /** Who shares the work; default: nobody. */
  readonly threads: Threads;
  /**
   * Tiles for V8's 256-bit revectorisation; slow unless the process runs with --experimental-wasm-revectorize. A
   * function (node.ts has one) is asked when the kernels are first wanted.
   */
  readonly wide: boolean | (() => Width);
  /** Told once, as soon as it is known, why the plain loops compute instead. */
  readonly missing: (reason: string) => void;
}

export interface Width {
  readonly wide: boolean;
  /** For people: how that was found out. */
  readonly why: string;
}

export interface FastEngine extends Features, Width {
  readonly memory: Memory;
  readonly kernels: Readonly<Record<string, KernelFunction>>;
  readonly tiles: Readonly<Record<Arithmetic, Tile>>;
  readonly threads: number;
  /** Ends the threads. */
  close(): void;
}

export const alone: Threads = { count: 1, start: () => () => {} };

let settings: Settings = { threads: alone, wide: false, missing: () => {} };
let engine: FastEngine | null | undefined;
let missing = '';

/** Changes settings from here on. */
export function configure(changes: Partial<Settings>): void {
  mustBeObject('settings', changes);
  settings = { ...settings, ...changes };
  engine?.close();
  engine = undefined;
}

/** Why the plain loops compute instead of the fast twins; '' where they need not. */
export function unavailable(): string {
  currentEngine();
  return missing;
}

/**
 * The engine for the current settings, compiled on first use; null where the JavaScript engine lacks what they need.
 */
export function currentEngine(): FastEngine | null {
  if (engine === undefined) {
    missing = '';
    const { threads, wide } = settings;
    engine = openEngine(threads, typeof wide === 'function' ? wide() : { wide, why: 'as configured' });
    if (missing) settings.missing(missing);
  }
  return engine;
}

/** `f` with another engine in the place of the current one. */
export function withEngine<T>(other: FastEngine, f: () => T): T {
  const before = engine;
  engine = other;
  try {
    return f();
  } finally {
    engine = before;
  }
}

export function openEngine(threads: Threads, { wide, why }: Width): FastEngine | null {
  if (!webAssembly) {
    missing = 'this JavaScript engine has no WebAssembly';
    return null;
  }
  const shared = threads.count > 1;
  const features: Features = { fma: webAssembly.validate(fusedProbe()), wide, shared };
  const bytes = assembleKernels(features);
  if (!webAssembly.validate(bytes)) {
    missing = 'this JavaScript engine has no WebAssembly SIMD or threads';
    return null;
  }
  const memory = memoryFor(shared);
  const module = new webAssembly.Module(bytes);
  const kernels = new webAssembly.Instance(module, { js: { memory } }).exports;
  const close = threads.start(module, memory);
  return { ...features, why, memory, kernels, tiles: tilesFor(features), threads: threads.count, close };
}

/** A shared memory reserves addresses for all that it may become: less where the process may not have that many. */
function memoryFor(shared: boolean): Memory {
  const { Memory } = webAssembly!;
  if (!shared) return new Memory({ initial: 1 });
  try {
    return new Memory({ initial: 1, maximum: 65536, shared });
  } catch {
    return new Memory({ initial: 1, maximum: 16384, shared });
  }
}

/** Memory handed out from the beginning, and taken back to a mark. */
export interface Arena {
  /** Address of `bytes` bytes. The engine's memory may grow: make views afterwards. */
  take(bytes: number): number;
  /** Copies `values` to an address. */
  copy(at: number, values: Storage | Int32Array): void;
  /** Address of a copy of `values`. */
  put(values: Storage | Int32Array): number;
  mark(): number;
  release(mark: number): void;
}

/** All of the engine's memory; what was handed out before is free again. */
export function openArena({ memory }: FastEngine): Arena {
  let top = HEAP;
  const take = (bytes: number): number => {
    const at = top;
    // 64 bytes beyond, for kernels that read whole registers
    top = Math.ceil((at + bytes + 64) / 64) * 64;
    const lacking = top - memory.buffer.byteLength;
    if (lacking > 0) grow(memory, lacking);
    return at;
  };
  const copy = (at: number, values: Storage | Int32Array): void => {
    const { byteOffset, byteLength } = values;
    const bytes = new Uint8Array(values.buffer as ArrayBuffer, byteOffset, byteLength);
    new Uint8Array(memory.buffer as ArrayBuffer, at, byteLength).set(bytes);
  };
  return {
    take,
    copy,
    put(values) {
      const at = take(values.byteLength);
      copy(at, values);
      return at;
    },
    mark: () => top,
    release(mark) {
      top = mark;
    },
  };
}

function grow(memory: Memory, bytes: number): void {
  try {
    memory.grow(Math.ceil(bytes / 65536));
  } catch {
    const megabytes = Math.ceil((memory.buffer.byteLength + bytes) / 1e6);
    throw new Error(
      `the kernels need ${megabytes} MB, more than there is; the plain loops need less (--plain)`,
    );
  }
}

/** Whether none of the values that were put at `at` is infinite or NaN. */
export function allFinite({ memory, kernels }: FastEngine, at: number, values: Storage): boolean {
  const end = at + values.byteLength;
  new Uint8Array(memory.buffer as ArrayBuffer, end, 16).fill(0); // the kernel reads whole registers
  return kernels[isFloat64(values) ? 'finite_float64' : 'finite_float32'](at, end) === 1;
}

/** A view of the engine's memory. */
export function viewOf({ memory }: FastEngine, precision: Precision, at: number, length: number): Storage {
  const Values = precision === 'float64' ? Float64Array : Float32Array;
  return new Values(memory.buffer as ArrayBuffer, at, length);
}

export const isFloat64 = (data: Storage): boolean => data instanceof Float64Array;

export type Job = { readonly kind: JobKind; readonly blocks: number } & Partial<
  Record<Exclude<JobField, 'kind' | 'blocks'>, number>
>;

/** Writes the record of a job and opens it; `meanwhile` runs here while the other threads begin. */
export function runJob(engine: FastEngine, job: Job, meanwhile?: () => void): void {
  const record = new Int32Array(engine.memory.buffer);
  const fields = { ...job, kind: KINDS.indexOf(job.kind) };
  for (const [field, value] of Object.entries(fields)) record[addressOf(field as JobField) / 4] = value;
  engine.kernels.open();
  meanwhile?.();
  engine.kernels.work(0);
  engine.kernels.finish();
}
