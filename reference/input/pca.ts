/**
 * Principal components of the colours of the training set, for the lighting of section 4.1 (see augment.ts).
 *
 * Moments are sums of integers, exact in float64 up to 2⁵³ (10¹¹ pixels); eigenvectors come from Jacobi's
 * rotations, which need no more than square roots.
 */

export interface Principal {
  /** Ascending. Of the covariance of RGB in 0..255. */
  readonly eigenvalues: readonly number[];
  /** eigenvectors[i] belongs to eigenvalues[i]: unit length, (R,G,B), its largest component positive. */
  readonly eigenvectors: readonly (readonly number[])[];
}

export interface Colours {
  readonly mean: readonly number[];
  /** Population covariance (divided by the number of pixels). */
  readonly covariance: readonly (readonly number[])[];
}

/**
 * The ImageNet training set's, from cuda-convnet2's make-data/input_meta (color_pca): eigenvalues are the
 * squares of its standard deviations 19.7208, 37.0939, 121.7801, the vectors are given to four digits.
 */
export const imagenetPrincipal: Principal = {
  eigenvalues: [388.90995264, 1375.95741721, 14830.39275601],
  eigenvectors: [
    [-0.418, 0.817, -0.3973],
    [0.7126, 0.0235, -0.7012],
    [0.5635, 0.5762, 0.592],
  ],
};

/** Sums over pixels, to be fed image by image. */
export interface Moments {
  pixels: number;
  /** ΣR, ΣG, ΣB. */
  readonly sums: Float64Array;
  /** ΣRR, ΣRG, ΣRB, ΣGG, ΣGB, ΣBB. */
  readonly products: Float64Array;
}

export const moments = (): Moments => ({
  pixels: 0,
  sums: new Float64Array(3),
  products: new Float64Array(6),
});

/** Adds an image of `size` pixels: planes R, G, B one after another (CIFAR's records, ONNX inputs). */
export function addPlanar(to: Moments, planes: Uint8Array, size: number): void {
  const { sums, products } = to;
  for (let i = 0; i < size; i++) {
    const r = planes[i];
    const g = planes[size + i];
    const b = planes[2 * size + i];
    sums[0] += r;
    sums[1] += g;
    sums[2] += b;
    products[0] += r * r;
    products[1] += r * g;
    products[2] += r * b;
    products[3] += g * g;
    products[4] += g * b;
    products[5] += b * b;
  }
  to.pixels += size;
}

/** Mean and covariance of all pixels. Throws if there are none. */
export function colours({ pixels, sums, products }: Moments): Colours {
  if (pixels === 0) throw new RangeError('pca: there are no pixels');
  const mean = Array.from(sums, (sum) => sum / pixels);
  const at = [
    [0, 1, 2],
    [1, 3, 4],
    [2, 4, 5],
  ];
  const covariance = at.map((row, i) => row.map((p, j) => products[p] / pixels - mean[i] * mean[j]));
  return { mean, covariance };
}

/** A full sweep of rotations leaves nothing off the diagonal after five or six; symmetric input is what ends it. */
const SWEEPS = 30;

/**
 * Eigenvalues and eigenvectors of a symmetric matrix, by cyclic Jacobi rotations (Golub and Van Loan, Matrix
 * Computations, section 8.5). Throws if the matrix is not square and symmetric.
 */
export function principal(matrix: readonly (readonly number[])[]): Principal {
  const n = matrix.length;
  const a = matrix.map((row) => Float64Array.from(row));
  if (a.some((row, i) => row.length !== n || row.some((value, j) => value !== matrix[j]?.[i]))) {
    throw new RangeError('pca: the matrix must be square and symmetric');
  }
  const v = a.map((_, i) => new Float64Array(n).map((__, j) => (i === j ? 1 : 0)));
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) rotate(a, v, p, q);
  }
  const order = a.map((_, i) => i).sort((i, j) => a[i][i] - a[j][j]);
  return {
    eigenvalues: order.map((i) => a[i][i]),
    eigenvectors: order.map((i) => upward(v.map((row) => row[i]))),
  };
}

/** Makes a[p][q] zero by turning the axes p and q, and turns the vectors, columns of v, with them. */
function rotate(a: Float64Array[], v: Float64Array[], p: number, q: number): void {
  if (a[p][q] === 0) return;
  const theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
  const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const c = 1 / Math.sqrt(t * t + 1);
  const s = t * c;
  for (let k = 0; k < a.length; k++) {
    const kp = a[k][p];
    const kq = a[k][q];
    a[k][p] = c * kp - s * kq;
    a[k][q] = s * kp + c * kq;
  }
  for (let k = 0; k < a.length; k++) {
    const pk = a[p][k];
    const qk = a[q][k];
    a[p][k] = c * pk - s * qk;
    a[q][k] = s * pk + c * qk;
    const vp = v[k][p];
    const vq = v[k][q];
    v[k][p] = c * vp - s * vq;
    v[k][q] = s * vp + c * vq;
  }
  a[p][q] = 0;
  a[q][p] = 0;
}

/** An eigenvector's sign is arbitrary: its largest component shall be positive. */
function upward(vector: number[]): number[] {
  const largest = vector.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0);
  return largest < 0 ? vector.map((value) => -value) : vector;
}
