/**
 * An ONNX model as the evaluator sees it: nodes in an order in which they can run, initializers as values.
 *
 * Names are ONNX's own. An empty string among a node's inputs or outputs means "not given".
 */
import type { DType } from '../array/dtype.ts';
import type { Value } from '../array/value.ts';
import { InputError } from '../errors.ts';

export type Attribute =
  | { readonly kind: 'float' | 'int'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'floats' | 'ints'; readonly value: readonly number[] }
  | { readonly kind: 'strings'; readonly value: readonly string[] }
  | { readonly kind: 'tensor'; readonly value: Value }
  | { readonly kind: 'graph'; readonly value: Graph };

export interface Node {
  /** The file's name for it; where it has none, '<operator> → <first output>'. */
  readonly name: string;
  readonly op: string;
  /** '' is ai.onnx. */
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, Attribute>;
}

/** What the file says about a value; null and strings are extents that it leaves open. */
export interface ValueInfo {
  readonly name: string;
  readonly dtype: DType | null;
  readonly shape: readonly (number | string | null)[] | null;
}

export interface Graph {
  readonly name: string;
  readonly nodes: readonly Node[];
  readonly initializers: ReadonlyMap<string, Value>;
  /** Declared inputs without those that an initializer fills: what must be fed. */
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
}

export interface Model {
  /** Of the file, for messages. */
  readonly name: string;
  readonly irVersion: number;
  readonly producer: string;
  /** Version by domain. */
  readonly opsets: ReadonlyMap<string, number>;
  readonly metadata: ReadonlyMap<string, string>;
  readonly graph: Graph;
}

const LONGEST = 500;

/** An error about a model's file, in one line: control characters become '?' and move no cursor. */
export function refusal(file: string, message: string): InputError {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  const line = message.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, '?');
  return new InputError(`${file}: ${line.length > LONGEST ? `${line.slice(0, LONGEST)}…` : line}`);
}
