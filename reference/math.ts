/**
 * Elementary functions made of IEEE 754 operations alone, so that their bits are the same on every machine. Math.exp
 * and its kin are left to the engine by ECMAScript.
 *
 * Source  fdlibm (Sun Microsystems 1993, FreeBSD msun: e_exp.c, s_expm1.c, e_log.c, s_tanh.c, k_cos.c, k_sin.c): its
 *         reductions and its minimax polynomials. Errors below 1 ULP for exp, expm1 and log (0.85, 0.74, 0.77 at worst
 *         on 70,000 points each of fixtures/math/make.py; spec/reference/math.spec.ts measures them on fewer).
 */

const LN2_HIGH = 0.6931471803691238; // 33 bits: k·LN2_HIGH is exact for |k| ≤ 2¹⁰
const LN2_LOW = 1.9082149292705877e-10;
// biome-ignore lint/suspicious/noApproximativeNumericConstant: of Math.LOG2E the standard says 'approximately'
const INVERSE_LN2 = 1.4426950408889634;

// fdlibm's minimax polynomials: P of r·coth(r/2), Q of expm1, L of log
const P1 = 0.16666666666666602;
const P2 = -0.0027777777777015593;
const P3 = 6.613756321437934e-5;
const P4 = -1.6533902205465252e-6;
const P5 = 4.1381367970572385e-8;
const Q1 = -0.03333333333333313;
const Q2 = 0.0015873015872548146;
const Q3 = -7.93650757867488e-5;
const Q4 = 4.008217827329362e-6;
const Q5 = -2.0109921818362437e-7;
const L1 = 0.6666666666666735;
const L2 = 0.3999999999940942;
const L3 = 0.2857142874366239;
const L4 = 0.22222198432149784;
const L5 = 0.1818357216161805;
const L6 = 0.15313837699209373;
const L7 = 0.14798198605116586;
// of cos and sin within π/4 (k_cos.c, k_sin.c)
const C1 = 4.1666666666666602e-2;
const C2 = -1.388888888887411e-3;
const C3 = 2.4801587289476729e-5;
const C4 = -2.7557314351390663e-7;
const C5 = 2.0875723212981748e-9;
const C6 = -1.1359647557788195e-11;
const S1 = -1.6666666666666632e-1;
const S2 = 8.3333333333224895e-3;
const S3 = -1.9841269829857949e-4;
const S4 = 2.7557313707070068e-6;
const S5 = -2.5050760253406863e-8;
const S6 = 1.5896909952115501e-10;
// biome-ignore lint/suspicious/noApproximativeNumericConstant: of Math.PI the standard says 'approximately'
const PI = 3.141592653589793;

/** 2^k at index k + 1074, for k from −1074 to 1023. */
const POWERS = new Float64Array(2098);
for (let i = 0, power = Number.MIN_VALUE; i < POWERS.length; i++, power *= 2) POWERS[i] = power;

/** y·2^k for y in [½, 2], rounded once: subnormal results are reached from a normal one by a single product. */
function scale(y: number, k: number): number {
  if (k > 1023) return y * 2 * POWERS[k - 1 + 1074];
  if (k >= -1021) return y * POWERS[k + 1074];
  return y * POWERS[k + 1000 + 1074] * POWERS[-1000 + 1074];
}

/** e^x. 0 below −745.14, ∞ above 709.79; NaN for NaN. */
export function exp(x: number): number {
  if (Number.isNaN(x)) return x;
  if (x > 709.782712893384) return Infinity;
  if (x < -745.1332191019411) return 0;
  const size = Math.abs(x);
  if (size < 3.725290298461914e-9) return 1 + x; // 2⁻²⁸
  // x = k·ln2 + r, |r| ≤ ½·ln2, r = high − low
  const k = size > 0.34657359027997264 ? Math.trunc(INVERSE_LN2 * x + (x < 0 ? -0.5 : 0.5)) : 0;
  const high = x - k * LN2_HIGH;
  const low = k * LN2_LOW;
  const r = high - low;
  // e^r = 1 + 2r / (c₀(r) − r), c₀ a polynomial in r²
  const t = r * r;
  const c = r - t * (P1 + t * (P2 + t * (P3 + t * (P4 + t * P5))));
  if (k === 0) return 1 - ((r * c) / (c - 2) - r);
  return scale(1 - (low - (r * c) / (2 - c) - high), k);
}

/** e^x − 1, without the cancellation near 0. −1 below −38.8, ∞ above 709.79. */
export function expm1(x: number): number {
  if (Number.isNaN(x) || x === Infinity) return x;
  if (x > 709.782712893384) return Infinity;
  if (x < -38.816242111356935) return -1; // 56·ln2
  const size = Math.abs(x);
  if (size < 5.551115123125783e-17) return x; // 2⁻⁵⁴, and −0 stays −0
  let k = 0;
  let r = x;
  let c = 0; // what r lost: r + c is closer
  if (size > 0.34657359027997264) {
    k = size < 1.0397207708399179 ? (x < 0 ? -1 : 1) : Math.trunc(INVERSE_LN2 * x + (x < 0 ? -0.5 : 0.5));
    const high = x - k * LN2_HIGH;
    const low = k * LN2_LOW;
    r = high - low;
    c = high - r - low;
  }
  const half = 0.5 * r;
  const s = r * half;
  const r1 = 1 + s * (Q1 + s * (Q2 + s * (Q3 + s * (Q4 + s * Q5))));
  const t = 3 - r1 * half;
  let e = s * ((r1 - t) / (6 - r * t));
  if (k === 0) return r - (r * e - s);
  e = r * (e - c) - c - s;
  if (k === -1) return 0.5 * (r - e) - 0.5;
  if (k === 1) return r < -0.25 ? -2 * (e - (r + 0.5)) : 1 + 2 * (r - e);
  if (k <= -2 || k > 56) return scale(1 - (e - r), k) - 1;
  if (k < 20) return scale(1 - POWERS[1074 - k] - (e - r), k);
  return scale(r - (e + POWERS[1074 - k]) + 1, k);
}

const bits = new Float64Array(1);
const words = new Uint32Array(bits.buffer);
/** Where the sign and the exponent lie: 1 on little-endian machines. */
const HIGH = new Uint8Array(new Uint32Array([1]).buffer)[0];

/** Natural logarithm. −∞ at ±0, NaN below 0. */
export function log(x: number): number {
  if (!(x > 0) || x === Infinity) return x === 0 ? -Infinity : x < 0 ? NaN : x;
  let k = 0;
  bits[0] = x;
  if (x < 2.2250738585072014e-308) {
    bits[0] = x * 18014398509481984; // subnormal: 2⁵⁴ times as large
    k = -54;
  }
  // x = 2^k·(1 + f), √½ < 1 + f < √2
  const high = words[HIGH];
  const mantissa = high & 0xfffff;
  const carry = (mantissa + 0x95f64) & 0x100000;
  words[HIGH] = mantissa | (carry ^ 0x3ff00000);
  k += (high >> 20) - 1023 + (carry >> 20);
  const f = bits[0] - 1;
  if (f === 0) return k * LN2_HIGH + k * LN2_LOW;
  if (Math.abs(f) < 9.5367431640625e-7) {
    const R = f * f * (0.5 - 0.3333333333333333 * f);
    return k * LN2_HIGH - (R - k * LN2_LOW - f);
  }
  // log(1 + f) = log(1 + s) − log(1 − s) = 2s + s·R(s²), s = f / (2 + f)
  const s = f / (2 + f);
  const z = s * s;
  const w = z * z;
  const even = w * (L2 + w * (L4 + w * L6));
  const odd = z * (L1 + w * (L3 + w * (L5 + w * L7)));
  const R = odd + even;
  if (mantissa > 0x6147a && mantissa < 0x6b851) {
    return k * LN2_HIGH - (s * (f - R) - k * LN2_LOW - f);
  }
  const square = 0.5 * f * f;
  return k * LN2_HIGH - (square - (s * (square + R) + k * LN2_LOW) - f);
}

/** Hyperbolic tangent; below 2.5 ULP. */
export function tanh(x: number): number {
  const size = Math.abs(x);
  if (Number.isNaN(x) || size < 3.725290298461914e-9) return x;
  if (size >= 22) return x < 0 ? -1 : 1;
  const t = expm1(size >= 1 ? 2 * size : -2 * size);
  const y = size >= 1 ? 1 - 2 / (t + 2) : -t / (t + 2);
  return x < 0 ? -y : y;
}

/** 1 / (1 + e^−x); below 3 ULP, in the far left tail too. */
export function sigmoid(x: number): number {
  if (x >= 0) return 1 / (1 + exp(-x));
  const e = exp(x);
  return e / (1 + e);
}

/** cos(πt) for 0 ≤ t ≤ 1, below 2 ULP; exactly 1, 0 and −1 at 0, ½ and 1. */
export function cosPi(t: number): number {
  if (t > 0.5) return -cosPi(1 - t);
  const x = PI * (t > 0.25 ? 0.5 - t : t); // at most π/4
  const z = x * x;
  if (t > 0.25) return x + x * z * (S1 + z * (S2 + z * (S3 + z * (S4 + z * (S5 + z * S6)))));
  const r = z * z * (C1 + z * (C2 + z * (C3 + z * (C4 + z * (C5 + z * C6)))));
  const half = 0.5 * z;
  const w = 1 - half;
  return w + (1 - w - half + r);
}

/** s^−β for s ≥ 0: by square roots and a division for β = ¾, ½ and 1, else e^(−β·log s). */
export function invPow(s: number, beta: number): number {
  if (beta === 0.75) {
    const root = Math.sqrt(s);
    return 1 / (root * Math.sqrt(root));
  }
  if (beta === 0.5) return 1 / Math.sqrt(s);
  if (beta === 1) return 1 / s;
  return beta === 0 ? 1 : exp(-beta * log(s));
}
