/** Convolutions by Winograd's and the Fourier transform, evaluated in float32: stride 1, one image, no groups. */
import { dense, type Tensor, tensor } from '../../reference/tensor.ts';

type Matrix = readonly (readonly number[])[];
const f = Math.fround;

/** F(4×4, 3×3) of Lavin and Gray, Fast algorithms for convolutional neural networks (2016), section 4.3. */
export const BT: Matrix = [
  [4, 0, -5, 0, 1, 0],
  [0, -4, -4, 1, 1, 0],
  [0, 4, -4, -1, 1, 0],
  [0, -2, -1, 2, 1, 0],
  [0, 2, -1, -2, 1, 0],
  [0, 4, 0, -5, 0, 1],
];
export const G: Matrix = [
  [1 / 4, 0, 0],
  [-1 / 6, -1 / 6, -1 / 6],
  [-1 / 6, 1 / 6, -1 / 6],
  [1 / 24, 1 / 12, 1 / 6],
  [1 / 24, -1 / 12, 1 / 6],
  [0, 0, 1],
];
export const AT: Matrix = [
  [1, 1, 1, 1, 1, 0],
  [0, 1, -1, 2, -2, 0],
  [0, 1, 1, 4, 4, 0],
  [0, 1, -1, 8, -8, 1],
];

/** a·b in float32, every product and sum rounded, zeros skipped. */
const product = (a: Matrix, b: Matrix): number[][] =>
  a.map((row) =>
    b[0].map((_, j) => row.reduce((sum, v, i) => (v === 0 ? sum : f(sum + f(f(v) * b[i][j]))), 0)),
  );
const transposed = (a: Matrix): Matrix => a[0].map((_, j) => a.map((row) => row[j]));
const sandwich = (a: Matrix, x: Matrix): number[][] => product(product(a, x), transposed(a));

/** y (1,K,P,Q) of x (1,C,H,W), w (K,C,3,3), b (K), pad on every side; `operand` rounds what is multiplied. */
export function winograd(x: Tensor, w: Tensor, b: Tensor, pad: number, operand = (v: number) => v): Tensor {
  const [, C, H, W] = x.shape;
  const [K] = w.shape;
  const [P, Q] = [H + 2 * pad - 2, W + 2 * pad - 2];
  const at = (c: number, h: number, v: number) =>
    h < 0 || h >= H || v < 0 || v >= W ? 0 : x.get(0, c, h, v);
  const y = new Float32Array(K * P * Q);
  const six = [0, 1, 2, 3, 4, 5];
  const three = [0, 1, 2];
  const kernels = Array.from({ length: K * C }, (_, i) =>
    sandwich(
      G,
      three.map((r) => three.map((s) => w.get(Math.floor(i / C), i % C, r, s))),
    ),
  );
  for (let top = 0; top < P; top += 4) {
    for (let left = 0; left < Q; left += 4) {
      const tiles = Array.from({ length: C }, (_, c) =>
        sandwich(
          BT,
          six.map((i) => six.map((j) => at(c, top + i - pad, left + j - pad))),
        ),
      );
      for (let k = 0; k < K; k++) {
        const sum = six.map((i) =>
          six.map((j) =>
            tiles.reduce((s, t, c) => f(s + f(operand(t[i][j]) * operand(kernels[k * C + c][i][j]))), 0),
          ),
        );
        const out = sandwich(AT, sum);
        for (let i = 0; i < 4 && top + i < P; i++)
          for (let j = 0; j < 4 && left + j < Q; j++)
            y[(k * P + top + i) * Q + left + j] = f(out[i][j] + b.data[k]);
      }
    }
  }
  return tensor(y, [1, K, P, Q]);
}

interface Complex {
  re: Float32Array;
  im: Float32Array;
}

/** One transform of a power of two in float32, radix 2, in place; sign −1 there, +1 back (not divided by n). */
function transform({ re, im }: Complex, sign: number): void {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [re[i], re[j]] = [re[j], re[i]];
      [im[i], im[j]] = [im[j], im[i]];
    }
  }
  for (let size = 2; size <= n; size *= 2) {
    for (let start = 0; start < n; start += size) {
      for (let k = 0; k < size / 2; k++) {
        const [c, s] = [f(Math.cos((2 * Math.PI * k) / size)), f(sign * Math.sin((2 * Math.PI * k) / size))];
        const [p, q] = [start + k, start + k + size / 2];
        const [a, b] = [f(f(c * re[q]) - f(s * im[q])), f(f(c * im[q]) + f(s * re[q]))];
        [re[q], im[q]] = [f(re[p] - a), f(im[p] - b)];
        [re[p], im[p]] = [f(re[p] + a), f(im[p] + b)];
      }
    }
  }
}

/** Rows, then columns, of an n×n image. */
function transform2(image: Complex, n: number, sign: number): Complex {
  for (let h = 0; h < n; h++)
    transform({ re: image.re.subarray(h * n, h * n + n), im: image.im.subarray(h * n, h * n + n) }, sign);
  for (let v = 0; v < n; v++) {
    const pick = (values: Float32Array) => new Float32Array(n).map((_, h) => values[h * n + v]);
    const column = { re: pick(image.re), im: pick(image.im) };
    transform(column, sign);
    for (let h = 0; h < n; h++) [image.re[h * n + v], image.im[h * n + v]] = [column.re[h], column.im[h]];
  }
  return image;
}

/** y (1,K,P,Q) of x (1,C,H,W), w (K,C,R,S), b (K), pad on every side, by transforms of the whole padded image. */
export function fourier(x: Tensor, w: Tensor, b: Tensor, pad: number): Tensor {
  const [, C, H, W] = x.shape;
  const [K, , R, S] = w.shape;
  const [P, Q] = [H + 2 * pad - R + 1, W + 2 * pad - S + 1];
  const n = 2 ** Math.ceil(Math.log2(Math.max(H, W) + 2 * pad));
  const blank = (): Complex => ({ re: new Float32Array(n * n), im: new Float32Array(n * n) });
  const spectrum = (
    rows: number,
    columns: number,
    shift: number,
    value: (h: number, v: number) => number,
  ) => {
    const image = blank();
    for (let h = 0; h < rows; h++)
      for (let v = 0; v < columns; v++) image.re[(h + shift) * n + v + shift] = value(h, v);
    return transform2(image, n, -1);
  };
  const maps = Array.from({ length: C }, (_, c) => spectrum(H, W, pad, (h, v) => x.get(0, c, h, v)));
  const y = new Float32Array(K * P * Q);
  for (let k = 0; k < K; k++) {
    const sum = blank();
    for (let c = 0; c < C; c++) {
      const kernel = spectrum(R, S, 0, (r, s) => w.get(k, c, r, s));
      const map = maps[c];
      for (let i = 0; i < n * n; i++) {
        // a correlation: the kernel's spectrum conjugated
        const re = f(f(map.re[i] * kernel.re[i]) + f(map.im[i] * kernel.im[i]));
        const im = f(f(map.im[i] * kernel.re[i]) - f(map.re[i] * kernel.im[i]));
        [sum.re[i], sum.im[i]] = [f(sum.re[i] + re), f(sum.im[i] + im)];
      }
    }
    transform2(sum, n, 1);
    for (let p = 0; p < P; p++)
      for (let q = 0; q < Q; q++) y[(k * P + p) * Q + q] = f(f(sum.re[p * n + q] / (n * n)) + dense(b)[k]);
  }
  return tensor(y, [1, K, P, Q]);
}
