/**
 * What is told about the first layer that failed: its worst element taken apart, and the mistakes that would
 * explain it.
 */
import type { Layer } from '../../reference/networks/layers.ts';
import type { Weights } from '../../reference/oracle.ts';
import { dense, type Tensor } from '../../reference/tensor.ts';
import type { LayerCall } from '../bounds/bounds.ts';
import { type Explanation, explanationOf, type Suspect } from './explain.ts';
import type { Worst } from './judge.ts';

export interface Why {
  readonly layer: string;
  readonly kind: string;
  readonly worst: Worst;
  /** Rows and columns of the input, [first, last], that the worst element sees; null where it sees all. */
  readonly receptiveField: {
    readonly rows: readonly [number, number];
    readonly columns: readonly [number, number];
  } | null;
  readonly sum: Sum | null;
  readonly explanation: Explanation;
}

/** The sum of products behind one output of a convolution or fully connected layer. */
export interface Sum {
  readonly terms: number;
  /** Σ w·x + b. */
  readonly value: number;
  /** Σ|w·x| / |Σ w·x|: how much cancels. */
  readonly cancellation: number;
  /** The five largest products: position in the window [c, r, s] or [i], weight, input, product. */
  readonly largest: readonly Product[];
}

export interface Product {
  readonly at: readonly number[];
  readonly w: number;
  readonly x: number;
  readonly product: number;
}

/** Looks at a value that is wrong; `call` is the layer that it is of, null where it is none. */
export function why(
  { name, kind }: { readonly name: string; readonly kind: string },
  call: LayerCall | null,
  suspect: Suspect,
  worst: Worst,
): Why {
  if (!call) {
    const explanation = { matches: [], tried: 0, known: 0 };
    return { layer: name, kind, worst, receptiveField: null, sum: null, explanation };
  }
  const { layer, inputs, weights } = call;
  const [x] = inputs;
  return {
    layer: name,
    kind: layer.kind,
    worst,
    receptiveField: receptiveField(layer, x, worst.index),
    sum: sumBehind(layer, x, weights, worst.index),
    explanation: explanationOf(call, suspect, worst.index[0]),
  };
}

function receptiveField(layer: Layer, x: Tensor, index: readonly number[]): Why['receptiveField'] {
  if (layer.kind !== 'conv2d' && layer.kind !== 'maxpool' && layer.kind !== 'avgpool') return null;
  const kernel = layer.kind === 'conv2d' ? layer.kernel : layer.attributes.kernel;
  const { stride, pad } = layer.attributes;
  const dilation = layer.kind === 'conv2d' ? layer.attributes.dilation : ([1, 1] as const);
  const span = (axis: 0 | 1): [number, number] => {
    const first = index[2 + axis] * stride[axis] - pad[axis];
    return [Math.max(0, first), Math.min(x.shape[2 + axis] - 1, first + dilation[axis] * (kernel[axis] - 1))];
  };
  return { rows: span(0), columns: span(1) };
}

function sumBehind(layer: Layer, x: Tensor, weights: Weights, index: readonly number[]): Sum | null {
  const products = productsOf(layer, x, weights, index);
  if (!products) return null;
  const bias = weights.get(`${layer.name}.bias`);
  const sum = products.reduce((total, { product }) => total + product, 0);
  const magnitude = products.reduce((total, { product }) => total + Math.abs(product), 0);
  const largest = [...products].sort((a, b) => Math.abs(b.product) - Math.abs(a.product)).slice(0, 5);
  return {
    terms: products.length,
    value: sum + (bias ? dense(bias)[index[1]] : 0),
    cancellation: magnitude / Math.abs(sum),
    largest,
  };
}

/** The products inside the image, in the oracle's order. */
function productsOf(layer: Layer, x: Tensor, weights: Weights, index: readonly number[]): Product[] | null {
  const w = weights.get(`${layer.name}.weight`);
  if (!w) return null;
  const products: Product[] = [];
  const add = (at: readonly number[], wv: number, xv: number) =>
    products.push({ at, w: wv, x: xv, product: wv * xv });
  const [n, k, p, q] = index;
  if (layer.kind === 'linear') {
    for (let i = 0; i < w.shape[1]; i++) add([i], w.get(k, i), x.get(n, i));
    return products;
  }
  if (layer.kind !== 'conv2d') return null;
  const { stride, pad, dilation, groups } = layer.attributes;
  const [K, CG, R, S] = w.shape;
  const [, , H, W] = x.shape;
  const first = Math.floor(k / (K / groups)) * CG;
  for (let c = 0; c < CG; c++) {
    for (let r = 0; r < R; r++) {
      for (let s = 0; s < S; s++) {
        const h = p * stride[0] - pad[0] + r * dilation[0];
        const v = q * stride[1] - pad[1] + s * dilation[1];
        if (h >= 0 && h < H && v >= 0 && v < W) add([c, r, s], w.get(k, c, r, s), x.get(n, first + c, h, v));
      }
    }
  }
  return products;
}

/** The lines that `alexnet verify` prints. */
export function whyText({ layer, worst, receptiveField: field, sum, explanation }: Why): string[] {
  const lines: string[] = [];
  if (sum) {
    const [top] = sum.largest;
    const seen = field
      ? ` rows ${field.rows.join('–')}, columns ${field.columns.join('–')} of its input;`
      : '';
    lines.push(
      `${layer} at [${worst.index}]:${seen} ${sum.terms} products, Σ|w·x|/|Σw·x| = ${sum.cancellation.toPrecision(3)}, ` +
        `the largest ${top?.product.toPrecision(4)} at [${top?.at}]`,
    );
  }
  const { matches, tried, known } = explanation;
  if (matches.length > 0) lines.push(`${layer} matches if: ${matches.join('; or: ')}`);
  else if (known > 0)
    lines.push(
      `${layer}: none of the ${known} known mistakes explains it${tried < known ? ` (${tried} were tried)` : ''}`,
    );
  return lines;
}
