/**
 * What all the rounding means for the answer: the first-order standard error of the margin between the two
 * largest logits, √Σ(∂margin/∂y·σ)² over every value y of every layer, σ its expected rounding error, against
 * the margin itself.
 */
import type { Network } from '../../reference/networks/layers.ts';
import { inputsOf, operandsOf, type Weights } from '../../reference/oracle.ts';
import { dense, map, type Tensor, tensor } from '../../reference/tensor.ts';
import { trunk } from '../../reference/training/gradient.ts';
import { operations } from '../fast/index.ts';

export interface Margin {
  /** Image of the batch whose margin is the fewest standard errors. */
  readonly image: number;
  /** The two classes with the largest logits, and the difference between them. */
  readonly classes: readonly [number, number];
  readonly margin: number;
  readonly standardError: number;
  /** Probability that rounding changes the first class, errors taken as normal. */
  readonly probability: number;
}

/**
 * The margin that rounding is most likely to overturn; null for a network with fewer than two outputs, and where they
 * are no numbers.
 * `chain` are the oracle's values by layer, `sigma` the expected errors.
 */
export function marginOf(
  network: Network,
  weights: Weights,
  chain: ReadonlyMap<string, Tensor>,
  sigma: ReadonlyMap<string, Float64Array>,
): Margin | null {
  const net = trunk(network);
  const logits = chain.get(net.layers[net.layers.length - 1].name) as Tensor;
  const N = logits.shape[0];
  const K = dense(logits).length / logits.shape[0];
  if (K < 2) return null;
  const tops = Array.from({ length: N }, (_, n) => twoLargest(dense(logits).subarray(n * K, (n + 1) * K)));
  const variances = varianceOf(net, weights, chain, sigma, tops, K);
  const margins = tops.map(([a, b], n): Margin => {
    const Z = dense(logits);
    const margin = Z[n * K + a] - Z[n * K + b];
    const standardError = Math.sqrt(variances[n]);
    return { image: n, classes: [a, b], margin, standardError, probability: tail(margin / standardError) };
  });
  const known = margins.filter(({ margin }) => Number.isFinite(margin)); // not those of logits that overflow
  return known.reduce<Margin | null>((worst, one) => {
    const isWorse = !worst || one.margin / one.standardError < worst.margin / worst.standardError;
    return isWorse ? one : worst;
  }, null);
}

function twoLargest(z: ArrayLike<number>): [number, number] {
  let [a, b] = z[0] >= z[1] ? [0, 1] : [1, 0];
  for (let k = 2; k < z.length; k++) {
    if (z[k] > z[a]) [a, b] = [k, a];
    else if (z[k] > z[b]) b = k;
  }
  return [a, b];
}

/** Σ(∂margin/∂y·σ)² of each image, going back through the layers. */
function varianceOf(
  net: Network,
  weights: Weights,
  chain: ReadonlyMap<string, Tensor>,
  sigma: ReadonlyMap<string, Float64Array>,
  tops: readonly (readonly [number, number])[],
  K: number,
): Float64Array {
  const seed = new Float64Array(tops.length * K);
  for (const [n, [a, b]] of tops.entries()) {
    seed[n * K + a] = 1;
    seed[n * K + b] = -1;
  }
  const last = net.layers[net.layers.length - 1].name;
  const gradients = new Map([[last, tensor(seed, (chain.get(last) as Tensor).shape)]]);
  const variances = new Float64Array(tops.length);
  for (let at = net.layers.length - 1; at >= 0; at--) {
    const layer = net.layers[at];
    const dy = gradients.get(layer.name);
    if (!dy) continue;
    addVariance(variances, dense(dy), sigma.get(layer.name));
    for (const [i, dx] of inputGradients(net, at, weights, chain, dy).entries()) {
      const name = inputsOf(net, at)[i];
      const known = gradients.get(name);
      if (dx) gradients.set(name, known ? plus(known, dx) : dx);
    }
    gradients.delete(layer.name);
  }
  return variances;
}

function addVariance(variances: Float64Array, dy: ArrayLike<number>, sigma: Float64Array | undefined): void {
  if (!sigma) return;
  const size = dy.length / variances.length;
  for (let i = 0; i < dy.length; i++) {
    const error = dy[i] * sigma[i];
    if (Number.isFinite(error)) variances[Math.floor(i / size)] += error * error;
  }
}

/** The gradients of one layer's inputs at test time: there the paper's dropout is a factor. */
function inputGradients(
  net: Network,
  at: number,
  weights: Weights,
  chain: ReadonlyMap<string, Tensor>,
  dy: Tensor,
): readonly (Tensor | null)[] {
  const layer = net.layers[at];
  if (layer.kind === 'dropout') {
    const { ratio, convention } = layer.attributes;
    return [convention === 'paper' ? map(dy, (v) => v * (1 - ratio)) : dy];
  }
  const names = inputsOf(net, at);
  const inputs = names.map((name) => chain.get(name) as Tensor);
  const y = chain.get(layer.name) as Tensor;
  const how = { precision: 'float32', dx: names[0] !== 'input', dw: false } as const;
  const operands = operandsOf(layer, inputs, weights);
  return operations[layer.kind].backward(dy, operands, y, layer.attributes, how).slice(0, inputs.length);
}

function plus(a: Tensor, b: Tensor): Tensor {
  const A = dense(a);
  const B = dense(b);
  return tensor(
    new Float64Array(A).map((v, i) => v + B[i]),
    a.shape,
  );
}

/** Probability that a normal variable exceeds t ≥ 0 standard deviations: erfc's asymptotic series beyond 3. */
function tail(t: number): number {
  if (!(t > 0)) return 0.5;
  const density = Math.exp((-t * t) / 2) / Math.sqrt(2 * Math.PI);
  // Abramowitz and Stegun 26.2.17, |error| < 7.5e-8; 26.2.12 far out
  if (t > 3) return (density / t) * (1 - 1 / t ** 2 + 3 / t ** 4);
  const k = 1 / (1 + 0.2316419 * t);
  const series = [0.31938153, -0.356563782, 1.781477937, -1.821255978, 1.330274429];
  return density * series.reduceRight((sum, c) => (sum + c) * k, 0);
}

/** 'margin 3.2 between class 7 and 12 …'. */
export function marginText({ image, classes, margin, standardError, probability }: Margin): string {
  const chance = probability < 1e-15 ? 'below 1e-15' : `about ${probability.toExponential(0)}`;
  return (
    `the answer: class ${classes[0]} leads ${classes[1]} by ${margin.toPrecision(3)}${image > 0 ? ` in image ${image}` : ''}, ` +
    `rounding moves that by ${standardError.toExponential(1)} (one standard error): the chance that it changes the class is ${chance}`
  );
}
