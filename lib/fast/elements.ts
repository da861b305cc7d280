/** Kernels that work value by value. */
import { advance, type Code, doWhile, f32x4, f64x2, i32, type Module, seq, v128 } from './assembler.ts';

/** relu(at, end): in place, 16 bytes at a time; a NaN stays. */
export function defineRelu(module: Module, name: string, wide: boolean) {
  const { gt, ne } = wide ? f64x2 : f32x4;
  return module.define(name, ['i32', 'i32'], [], (declare, [at, end]) => {
    const x = declare('v128');
    const kept = v128.or(gt(x.get, v128.zero), ne(x.get, x.get));
    return doWhile(
      seq(x.set(v128.load(at.get)), v128.store(at.get, v128.and(x.get, kept)), advance(at, i32.const(16))),
      i32.ltU(at.get, end.get),
    );
  });
}

/** finite(at, end): 0 if any value of whole registers is infinite or NaN, as only for those x · 0 ≠ 0. */
export function defineFinite(module: Module, name: string, wide: boolean) {
  const { mul, ne } = wide ? f64x2 : f32x4;
  return module.define(name, ['i32', 'i32'], ['i32'], (declare, [at, end]) => {
    const found = declare('v128');
    const odd: Code = ne(mul(v128.load(at.get), v128.zero), v128.zero);
    return seq(
      doWhile(seq(found.set(v128.or(found.get, odd)), advance(at, i32.const(16))), i32.ltU(at.get, end.get)),
      i32.eqz(v128.anyTrue(found.get)),
    );
  });
}
