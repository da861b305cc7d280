/**
 * Complex numbers, and the smooth layers over them, for derivatives by the complex step: with h = 1e-30,
 * Im f(w + ih) / h is f′(w) to the last bits, as nothing is subtracted. Written from the layers' definitions,
 * every index in full, and not from the code under test.
 */
import type { Layer, Network } from '../../reference/networks/layers.ts';
import type { Shape } from '../../reference/tensor.ts';

export type Complex = readonly [re: number, im: number];
export interface ComplexTensor {
  readonly data: readonly Complex[];
  readonly shape: Shape;
}

const ZERO: Complex = [0, 0];
const ONE: Complex = [1, 0];
const add = ([a, b]: Complex, [c, d]: Complex): Complex => [a + c, b + d];
const times = ([a, b]: Complex, [c, d]: Complex): Complex => [a * c - b * d, a * d + b * c];
const real = (r: number, [a, b]: Complex): Complex => [r * a, r * b];
const over = (a: Complex, [c, d]: Complex): Complex => real(1 / (c * c + d * d), times(a, [c, -d]));
const exp = ([a, b]: Complex): Complex => real(Math.exp(a), [Math.cos(b), Math.sin(b)]);
const log = ([a, b]: Complex): Complex => [Math.log(Math.hypot(a, b)), Math.atan2(b, a)];
const power = (z: Complex, p: number): Complex => exp(real(p, log(z)));
const sum = (terms: readonly Complex[]): Complex => terms.reduce(add, ZERO);

/** Σ f(i) for first ≤ i < last. */
const sumOver = (first: number, last: number, f: (i: number) => Complex): Complex => {
  let total = ZERO;
  for (let i = first; i < last; i++) total = add(total, f(i));
  return total;
};

/** A tensor (N,C,H,W) made value by value. */
function make(shape: Shape, f: (n: number, c: number, h: number, w: number) => Complex): ComplexTensor {
  const [N, C, H, W] = shape;
  const data: Complex[] = [];
  for (let n = 0; n < N; n++)
    for (let c = 0; c < C; c++)
      for (let h = 0; h < H; h++) for (let w = 0; w < W; w++) data.push(f(n, c, h, w));
  return { data, shape };
}

/** x at an index, 0 outside. */
function at(
  { data, shape: [, C, H, W] }: ComplexTensor,
  n: number,
  c: number,
  h: number,
  w: number,
): Complex {
  return h >= 0 && w >= 0 && h < H && w < W ? data[((n * C + c) * H + h) * W + w] : ZERO;
}

const square = (z: Complex): Complex => times(z, z);

function layerOf(
  layer: Layer,
  x: ComplexTensor,
  weights: ReadonlyMap<string, ComplexTensor>,
  shape: Shape,
): ComplexTensor {
  const w = weights.get(`${layer.name}.weight`);
  const b = weights.get(`${layer.name}.bias`);
  const each = (f: (z: Complex) => Complex): ComplexTensor => ({ data: x.data.map(f), shape: x.shape });
  const [, C, H, W] = x.shape;
  switch (layer.kind) {
    case 'conv2d': {
      const { stride, pad, dilation, groups } = layer.attributes;
      const [K, CG, R, S] = w!.shape;
      return make(shape, (n, k, p, q) => {
        const first = Math.floor(k / (K / groups)) * CG;
        const products = sumOver(0, CG * R * S, (i) => {
          const [c, r, s] = [Math.floor(i / (R * S)), Math.floor(i / S) % R, i % S];
          const h = p * stride[0] - pad[0] + r * dilation[0];
          const v = q * stride[1] - pad[1] + s * dilation[1];
          return times(w!.data[((k * CG + c) * R + r) * S + s], at(x, n, first + c, h, v));
        });
        return add(b!.data[k], products);
      });
    }
    case 'linear': {
      const [O, I] = w!.shape;
      const data = Array.from({ length: shape[0] * O }, (_, j) => {
        const [n, o] = [Math.floor(j / O), j % O];
        return add(
          b!.data[o],
          sumOver(0, I, (i) => times(w!.data[o * I + i], x.data[n * I + i])),
        );
      });
      return { data, shape };
    }
    case 'lrn': {
      const { size, alpha, beta, k, divide, even, groups } = layer.attributes;
      const below = even === 'below' ? Math.floor(size / 2) : Math.ceil(size / 2) - 1;
      return make(shape, (n, c, h, v) => {
        const width = C / groups;
        const squares = sumOver(c - below, c - below + size, (j) =>
          Math.floor(j / width) === Math.floor(c / width) ? square(at(x, n, j, h, v)) : ZERO,
        );
        const s = add([k, 0], real(divide ? alpha / size : alpha, squares));
        return over(at(x, n, c, h, v), power(s, beta));
      });
    }
    case 'mapnorm': {
      const { size, alpha, beta, k, divide } = layer.attributes;
      const from = -Math.floor(size / 2);
      return make(shape, (n, c, h, v) => {
        const squares = sumOver(from, from + size, (i) =>
          sumOver(from, from + size, (j) => square(at(x, n, c, h + i, v + j))),
        );
        const s = add([k, 0], real(divide ? alpha / (size * size) : alpha, squares));
        return over(at(x, n, c, h, v), power(s, beta));
      });
    }
    case 'avgpool': {
      const { kernel, stride, pad, divisor } = layer.attributes;
      if (divisor !== 'window') throw new Error('complex: only the divisor R·S');
      return make(shape, (n, c, p, q) =>
        real(
          1 / (kernel[0] * kernel[1]),
          sumOver(0, kernel[0], (i) =>
            sumOver(0, kernel[1], (j) => at(x, n, c, p * stride[0] - pad[0] + i, q * stride[1] - pad[1] + j)),
          ),
        ),
      );
    }
    case 'adaptiveavgpool': {
      const [, , P, Q] = shape;
      return make(shape, (n, c, p, q) => {
        const inside: Complex[] = [];
        for (let h = 0; h < H; h++)
          for (let v = 0; v < W; v++) {
            const covered = h >= Math.floor((p * H) / P) && h * P < (p + 1) * H;
            if (covered && v >= Math.floor((q * W) / Q) && v * Q < (q + 1) * W)
              inside.push(at(x, n, c, h, v));
          }
        return real(1 / inside.length, sum(inside));
      });
    }
    case 'tanh':
      return each((z) => {
        const e = exp(real(2, z));
        return over(add(e, [-1, 0]), add(e, ONE));
      });
    case 'sigmoid':
      return each((z) => over(ONE, add(ONE, exp(real(-1, z)))));
    case 'flatten':
      return { data: x.data, shape };
    default:
      throw new Error(`complex: ${layer.kind} is not among the smooth layers`);
  }
}

/** The mean cross-entropy of a network whose layers follow one another, over complex weights and input. */
export function complexLoss(
  network: Network,
  weights: ReadonlyMap<string, ComplexTensor>,
  input: ComplexTensor,
  labels: readonly number[],
  shapes: ReadonlyMap<string, Shape>,
): Complex {
  let x = input;
  for (const layer of network.layers) x = layerOf(layer, x, weights, shapes.get(layer.name)!);
  const [N, K] = x.shape;
  const losses = labels.map((label, n) => {
    const row = x.data.slice(n * K, (n + 1) * K);
    return real(-1, log(over(exp(row[label]), sum(row.map(exp)))));
  });
  return real(1 / N, sum(losses));
}
