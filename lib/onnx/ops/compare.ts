/**
 * Comparison and logic, broadcast: Equal Greater Less GreaterOrEqual LessOrEqual And Or Not Where. Results are bool.
 *
 * Versions: 7 numpy's broadcasting (before: `axis`, `broadcast`); 9, 11, 13 more types; Equal of strings since 19.
 * Where since 9, GreaterOrEqual and LessOrEqual since 12.
 */

import type { Data, Value } from '../../array/value.ts';
import { bools, elements, emptyLike } from '../value.ts';
import { broadcastIndex, broadcastShape, legacyOperand } from './broadcast.ts';
import { type Kernel, type Operators, operator, required } from './kernel.ts';

/** Numbers, bigints and strings compare by the same JavaScript operators. */
type Test = (a: number, b: number) => boolean;

function compare(a: Value, b: Value, test: Test): Value {
  if (a.dtype !== b.dtype) throw new Error(`operands must have one type (= ${a.dtype} and ${b.dtype})`);
  const shape = broadcastShape([a.shape, b.shape]);
  const [ia, ib] = [broadcastIndex(a.shape, shape), broadcastIndex(b.shape, shape)];
  const [A, B] = [elements(a.data), elements(b.data)];
  return bools(
    Uint8Array.from(ia, (at, i) => Number(test(A[at], B[ib[i]]))),
    shape,
  );
}

const pair =
  (test: Test, types: 'any' | 'bool' = 'any'): Kernel =>
  (inputs, { version, node }) => {
    const [a, b] = [required(inputs, 0), required(inputs, 1)];
    if (types === 'bool' && a.dtype !== 'bool')
      throw new Error(`bool operands are needed (dtype = ${a.dtype})`);
    return [compare(a, version < 7 ? legacyOperand(a, b, node) : b, test)];
  };

const not: Kernel = (inputs) => {
  const x = required(inputs, 0);
  if (x.dtype !== 'bool') throw new Error(`a bool operand is needed (dtype = ${x.dtype})`);
  return [
    bools(
      Uint8Array.from(x.data as Uint8Array, (v) => 1 - v),
      x.shape,
    ),
  ];
};

const where: Kernel = (inputs) => {
  const [condition, a, b] = [required(inputs, 0), required(inputs, 1), required(inputs, 2)];
  if (condition.dtype !== 'bool') throw new Error(`the condition must be bool (dtype = ${condition.dtype})`);
  if (a.dtype !== b.dtype) throw new Error(`operands must have one type (= ${a.dtype} and ${b.dtype})`);
  const shape = broadcastShape([condition.shape, a.shape, b.shape]);
  const ic = broadcastIndex(condition.shape, shape);
  const [ia, ib] = [broadcastIndex(a.shape, shape), broadcastIndex(b.shape, shape)];
  const wide = a.data instanceof Float64Array || b.data instanceof Float32Array ? a : b;
  const data: Data = emptyLike(wide, ic.length);
  const [C, A, B, Y] = [condition.data, a.data, b.data, data].map(elements);
  for (let i = 0; i < ic.length; i++) Y[i] = C[ic[i]] ? A[ia[i]] : B[ib[i]];
  return [{ dtype: a.dtype, shape, data }];
};

export const operators: Operators = {
  Equal: operator(
    '1 7 11 13 19',
    pair((a, b) => a === b),
    'axis broadcast',
  ),
  Greater: operator(
    '1 7 9 13',
    pair((a, b) => a > b),
    'axis broadcast',
  ),
  Less: operator(
    '1 7 9 13',
    pair((a, b) => a < b),
    'axis broadcast',
  ),
  GreaterOrEqual: operator(
    '12 16',
    pair((a, b) => a >= b),
  ),
  LessOrEqual: operator(
    '12 16',
    pair((a, b) => a <= b),
  ),
  And: operator(
    '1 7',
    pair((a, b) => a !== 0 && b !== 0, 'bool'),
    'axis broadcast',
  ),
  Or: operator(
    '1 7',
    pair((a, b) => a !== 0 || b !== 0, 'bool'),
    'axis broadcast',
  ),
  Not: operator('1', not),
  Where: operator('9 16', where),
};
