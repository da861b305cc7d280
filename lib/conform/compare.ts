/**
 * Compares a value with the expected one as ONNX's test runner does, numpy.testing.assert_allclose: type and
 * shape must be the same, |y − expected| ≤ atol + rtol·|expected|, NaN equals NaN, infinities must agree.
 * Integers, bools and strings must be equal, where the runner would allow them the tolerance too.
 */

import { isFloat } from '../array/dtype.ts';
import type { Value } from '../array/value.ts';
import { elements } from '../onnx/value.ts';

export interface Tolerance {
  readonly rtol: number;
  readonly atol: number;
}

/** Hard-coded in onnx/backend/test/case/node/__init__.py for all tests. */
export const ONNX_TOLERANCE: Tolerance = { rtol: 1e-3, atol: 1e-7 };

/** In words the first disagreement of a value; null where it agrees. */
export function difference(
  got: Value | undefined,
  expected: Value,
  tolerance = ONNX_TOLERANCE,
): string | null {
  if (!got) return 'it is missing';
  if (got.dtype !== expected.dtype) return `its type is ${got.dtype}, not ${expected.dtype}`;
  if (got.shape.join() !== expected.shape.join())
    return `its shape is [${got.shape}], not [${expected.shape}]`;
  const [y, e] = [elements(got.data), elements(expected.data)];
  const close = isFloat(got.dtype)
    ? (i: number): boolean => within(y[i], e[i], tolerance)
    : (i: number): boolean => y[i] === e[i];
  let wrong = 0;
  let first = -1;
  for (let i = 0; i < e.length; i++) {
    if (close(i)) continue;
    wrong++;
    if (first < 0) first = i;
  }
  if (wrong === 0) return null;
  return `${wrong} of ${e.length} values differ, the first at ${first}: ${y[first]}, not ${e[first]}`;
}

function within(y: number, e: number, { rtol, atol }: Tolerance): boolean {
  if (y === e || (Number.isNaN(y) && Number.isNaN(e))) return true;
  return Number.isFinite(e) && Math.abs(y - e) <= atol + rtol * Math.abs(e);
}
