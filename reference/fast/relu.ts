/** The fast twin of ops/relu.ts for float32 values: the same signature, the same bits. */
import * as plain from '../ops/relu.ts';
import { dense, type Precision, precisionOf, type Tensor, tensor } from '../tensor.ts';

export { shape } from '../ops/relu.ts';

/** Bits of −∞: negative numbers lie below, negative NaNs above. */
const MINUS_INFINITY = 0xff800000 | 0;

/**
 * y as ops/relu.ts defines it, without a branch, as signs are unpredictable: on the bits, all are kept unless the sign
 * is set, and then only those of a NaN.
 */
export function forward(x: Tensor, precision: Precision = precisionOf(x)): { y: Tensor } {
  const X = dense(x);
  if (!(X instanceof Float32Array) || precision === 'float64') return plain.forward(x, precision);
  const Y = new Float32Array(X.length);
  const from = new Int32Array(X.buffer, X.byteOffset, X.length);
  const to = new Int32Array(Y.buffer);
  for (let i = 0; i < from.length; i++) {
    const bits = from[i];
    to[i] = bits & (~(bits >> 31) | ((MINUS_INFINITY - bits) >> 31));
  }
  return { y: tensor(Y, x.shape) };
}
