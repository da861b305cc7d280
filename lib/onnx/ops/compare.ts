/**
 * Comparison and logic, broadcast: Equal Greater Less GreaterOrEqual LessOrEqual And Or Not Where. Results are bool.
 *
 * Versions: 7 numpy's broadcasting (before: `axis`, `broadcast`); 9, 11, 13 more types; Equal of strings since 19.
 * Where since 9, GreaterOrEqual and LessOrEqual since 12.
 */
import type { Value } from '../../array/value.ts';
import { bools, elements, emptyLike, widest } from '../value.ts';
import { checkOneType, type Kernel, type Operators, operator, operatorsOf } from './kernel.ts';
import { broadcast, operandsOf } from './strides.ts';

/** Numbers, bigints and strings compare by the same JavaScript operators. */
type Test = (a: number, b: number) => boolean;

function mustBeBool({ dtype }: Value): void {
  if (dtype !== 'bool') throw new Error(`a bool operand is needed (dtype = ${dtype})`);
}

const compare =
  (test: Test): Kernel =>
  (call) => {
    const operands = operandsOf(call);
    checkOneType(operands);
    const { shape, at } = broadcast(operands);
    const [A, B] = operands.map(({ data }) => elements(data));
    const Y = new Uint8Array(at[0].length).map((_, to) => Number(test(A[at[0][to]], B[at[1][to]])));
    return bools(Y, shape);
  };

const logic =
  (test: Test): Kernel =>
  (call) => {
    mustBeBool(call.input(0));
    return compare(test)(call);
  };

const not: Kernel = (call) => {
  const x = call.input(0);
  mustBeBool(x);
  return bools(
    (x.data as Uint8Array).map((v) => 1 - v),
    x.shape,
  );
};

const where: Kernel = (call) => {
  const values = call.inputs(3);
  mustBeBool(values[0]);
  checkOneType(values.slice(1));
  const { shape, at } = broadcast(values);
  const [ic, ia, ib] = at;
  const data = emptyLike(widest(values.slice(1)), ic.length);
  const [C, A, B] = values.map((value) => elements(value.data));
  const Y = elements(data);
  for (let i = 0; i < ic.length; i++) Y[i] = C[ic[i]] ? A[ia[i]] : B[ib[i]];
  return { dtype: values[1].dtype, shape, data };
};

const orders: Record<string, Test> = { Greater: (a, b) => a > b, Less: (a, b) => a < b };
const laterOrders: Record<string, Test> = {
  GreaterOrEqual: (a, b) => a >= b,
  LessOrEqual: (a, b) => a <= b,
};
const logics: Record<string, Test> = {
  And: (a, b) => a !== 0 && b !== 0,
  Or: (a, b) => a !== 0 || b !== 0,
};

export const operators: Operators = {
  ...operatorsOf('1 7 11 13 19', 'axis broadcast', { Equal: (a, b) => a === b } as typeof orders, compare),
  ...operatorsOf('1 7 9 13', 'axis broadcast', orders, compare),
  ...operatorsOf('12 16', '', laterOrders, compare),
  ...operatorsOf('1 7', 'axis broadcast', logics, logic),
  Not: operator('1', not),
  Where: operator('9 16', where),
};
