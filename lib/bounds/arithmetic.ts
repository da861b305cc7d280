/**
 * What is assumed about a device's arithmetic: unit roundoffs, and how many ULP its functions may be off.
 *
 * A ULP figure is a licence, not a measurement: each is the documented maximum of the device's standard, or,
 * for onnxruntime's CPU kernels, which document none, twice what was ever seen (docs/error-bounds.md tells
 * the sources).
 */
import type { Device, Executor } from '../runtime/failures.ts';

/** Unit roundoff of float32 with rounding to nearest. */
export const U32 = 2 ** -24;
/** Unit roundoff of float64: the oracle's own. */
export const U64 = 2 ** -53;
/** Unit roundoff of float16, and half the spacing of its subnormal numbers. */
export const U16 = 2 ** -11;
export const HALF_SUBNORMAL_16 = 2 ** -25;
export const FLOAT16_MAX = 65504;
/** Smallest normal float32 number. */
export const MIN_NORMAL = 2 ** -126;
/** Half the spacing of subnormal float32 numbers: the error of a product or quotient that underflows. */
export const HALF_SUBNORMAL = 2 ** -150;
export const FLOAT32_MAX = 3.4028234663852886e38;

/**
 * γₙ = nu/(1 − nu), which bounds the relative error of n roundings (Higham, Accuracy and Stability, lemma
 * 3.1).
 */
export function gamma(n: number, u: number = U32): number {
  return n * u < 1 ? (n * u) / (1 - n * u) : Number.POSITIVE_INFINITY;
}

/** How a class of arithmetic treats the operands of a product. */
export interface OperandRounding {
  readonly name: Requirement;
  /** t: largest relative error of one operand. TF32 hardware may truncate, hence 2⁻¹⁰. */
  readonly t: number;
  /** Effective bits below which a layer is not of this class. */
  readonly bits: number;
}

export type Requirement = 'float32' | 'tf32' | 'float16' | 'bfloat16';

/** The classes of tier 3; 7 bits is the error of two truncated bfloat16 operands. */
export const classes: Record<Requirement, OperandRounding> = {
  float32: { name: 'float32', t: 0, bits: 15 },
  tf32: { name: 'tf32', t: 2 ** -10, bits: 10 },
  float16: { name: 'float16', t: 2 ** -11, bits: 10 },
  bfloat16: { name: 'bfloat16', t: 2 ** -8, bits: 7 },
};

export interface DeviceArithmetic {
  /** Whether subnormal numbers may be flushed to zero. */
  readonly flushes: boolean;
  /** Whether it may convolve by Winograd's or the Fourier transform. */
  readonly transforms: boolean;
  /** Whether products of fewer bits may run on tensor cores, which cut their sums off. */
  readonly tensorCores: boolean;
  /** Maximal errors in units of u·|result|, i.e. half ULPs doubled: 1 is correctly rounded. */
  readonly divide: number;
  readonly sqrt: number;
  readonly exp: (x: number) => number;
  /** exp may be 0 below this. */
  readonly leastExp: number;
  readonly pow: (base: number, exponent: number) => number;
  readonly tanh: number;
  /** tanh near 0, where a quotient of exponentials cancels: units of u, absolute. */
  readonly tanhNearZero: number;
  /** Error of a logarithm of x ≥ 1, absolute, in units of u; y is the logarithm. */
  readonly log: (y: number) => number;
}

const devices: Record<Device, DeviceArithmetic> = {
  // IEEE division and square root; MLAS' exp and tanh polynomials and Eigen's pow document no bound
  cpu: {
    flushes: false,
    transforms: false,
    tensorCores: false,
    divide: 1,
    sqrt: 1,
    exp: () => 8,
    leastExp: MIN_NORMAL,
    pow: () => 48,
    tanh: 16,
    tanhNearZero: 0,
    log: (y) => 8 * y,
  },
  // CUDA C++ Programming Guide, mathematical functions: division and sqrt 0 (IEEE) unless fast math, expf 2,
  // powf 4, tanhf 2, logf 1
  cuda: {
    flushes: false,
    transforms: true,
    tensorCores: true,
    divide: 4,
    sqrt: 4,
    exp: () => 4,
    leastExp: MIN_NORMAL,
    pow: () => 8,
    tanh: 4,
    tanhNearZero: 0,
    log: (y) => 2 * y,
  },
  // WGSL, floating point accuracy: division 2.5, sqrt as 1/inverseSqrt (2 + 2.5), exp 3 + 2|x|, pow as
  // exp2(y·log2 x)
  webgpu: {
    flushes: true,
    transforms: false,
    tensorCores: false,
    divide: 5,
    sqrt: 9,
    exp: (x) => 2 * (3 + 2 * Math.abs(x)),
    leastExp: MIN_NORMAL,
    pow: (base, exponent) => {
      const power = Math.abs(exponent * Math.log2(base));
      return 2 * (3 + 2 * power + (3 + 2 ** 3 * Math.abs(exponent)) * Math.max(1, power));
    },
    tanh: 64,
    // WGSL inherits tanh from sinh/cosh and sinh from (eˣ − e⁻ˣ)/2: twice exp's (3 + 2|x|) units in the last
    // place, |x| ≤ 1
    tanhNearZero: 10,
    // log: 2⁻²¹ absolute for x in [½, 2], else 3 ULP
    log: (y) => Math.max(2 ** 3, 6 * y),
  },
};

const { cpu, webgpu } = devices;

/**
 * OpenCV's exp: 7·10⁻⁶ relative (documentation of cv::exp). It scales a polynomial by 0.00967 (exp32f in
 * modules/core/src/mathfuncs_core.simd.hpp), and cv::dnn flushes subnormals: below 2⁻¹²⁶/0.00967 it is 0.
 */
const opencv = { exp: 7e-6 / U32, leastExp: 2 ** -119 };

/** An engine of which nothing is known may do what any of them does: WebGPU's figures are the widest, but for pow. */
export const arithmetic: Record<Executor, DeviceArithmetic> = {
  ...devices,
  other: {
    ...webgpu,
    transforms: true,
    tensorCores: true,
    exp: (x) => Math.max(opencv.exp, webgpu.exp(x)),
    leastExp: opencv.leastExp,
    pow: (base, exponent) => Math.max(cpu.pow(base, exponent), webgpu.pow(base, exponent)),
    log: (y) => Math.max(cpu.log(y), webgpu.log(y)),
  },
};
