/** What a pickle describes, as data: pickle.ts tells how Python's types become these. */
import type { Source } from './source.ts';

/** A long string that stays in the file. */
export interface Slice {
  readonly kind: 'slice';
  readonly source: Source;
  readonly offset: number;
  readonly length: number;
  /** utf8: the bytes are the UTF-8 form of text; latin1: they are the bytes themselves. */
  readonly coding: 'utf8' | 'latin1';
}

export interface Global {
  readonly kind: 'global';
  /** 'module.name'. */
  readonly name: string;
  /** True for what is on no list: a call of it gives an instance, and does nothing. */
  readonly unknown?: boolean;
}

export interface Instance {
  readonly kind: 'instance';
  readonly type: string;
  readonly args: readonly PickleValue[];
  state: PickleValue;
}

/** Anything a builder makes: tensors, arrays, storages. */
export interface Built {
  readonly kind: 'built';
  readonly what: string;
  readonly content: unknown;
}

export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | Slice
  | Global
  | Instance
  | Built;

/** What may be named, and what is made of a call to it. */
export interface Globals {
  /** The value for a global; undefined if it is not on the list: it is kept as inert data. */
  find(module: string, name: string): Global | undefined;
  /** What a call gives: built by our own code. Throws Error with a reason. */
  build(name: string, args: readonly PickleValue[]): PickleValue;
  /** What giving `object` its state makes of it; undefined to keep the state aside. */
  setState?(object: PickleValue, state: PickleValue): PickleValue | undefined;
  /** For a persistent id, which PyTorch uses for storages. */
  persistent?(id: PickleValue): PickleValue;
}

export function isKind<K extends 'global' | 'instance' | 'built' | 'slice'>(
  value: PickleValue,
  kind: K,
): value is Extract<PickleValue, { kind: K }> {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === kind;
}
