/** Opens a file of tensors whatever its format; the format is told by content, never by the name. */
import type { LazyArray } from './array.ts';
import { isNpy, openNpy } from './npy.ts';
import { openNpz } from './npz.ts';
import { openSafetensors } from './safetensors.ts';
import { bad, openFile, type Source } from './source.ts';

export type Format = 'safetensors' | 'npz' | 'npy';

export interface TensorFile {
  readonly format: Format;
  /** By the file's own names, values unread. */
  readonly tensors: ReadonlyMap<string, LazyArray>;
  /** What the file says about itself. */
  readonly metadata: ReadonlyMap<string, string>;
  close(): void;
}

type Opened = Omit<TensorFile, 'close' | 'metadata'> & Partial<Pick<TensorFile, 'metadata'>>;

/** The tensors of an open file. Throws InputError naming the file where it is of no known format or damaged. */
export function readTensors(source: Source): Omit<TensorFile, 'close'> {
  return { metadata: new Map(), ...dispatch(source) };
}

function dispatch(source: Source): Opened {
  if (source.size === 0) throw bad(source, 'the file is empty');
  const start = source.read(0, Math.min(source.size, 16));
  const text = Buffer.from(start).toString('latin1');
  if (text.startsWith('PK\x03\x04')) return { format: 'npz', tensors: openNpz(source) };
  if (isNpy(start)) return { format: 'npy', tensors: new Map([['array', openNpy(source)]]) };
  if (text[8] === '{') return { format: 'safetensors', ...openSafetensors(source) };
  throw bad(source, 'no known format of weights (.safetensors, .npz, .npy)');
}

/** Opens the file; the caller closes it. Throws InputError naming it. */
export function openTensors(path: string): TensorFile {
  const source = openFile(path);
  try {
    return { ...readTensors(source), close: source.close };
  } catch (error) {
    source.close();
    throw error;
  }
}
