/**
 * What both normalisations share: y = x / s^β with s = k + α·mean(x²), in float32 whatever the graph's precision,
 * because the square of a value over 256 overflows float16. How the window is summed is each one's own.
 */
import type { GraphBuilder } from '../graph.ts';
import type { Reverse } from './emitter.ts';

interface Normaliser {
  readonly name: string;
  readonly attributes: { readonly beta: number; readonly k: number };
}

/** Runs `body` on x in float32 and returns its result in the graph's precision, under the name `name`. */
export function inFloat32(
  g: GraphBuilder,
  x: string,
  name: string,
  body: (x: string, output: string) => string,
): string {
  if (g.settings.precision === 'float32') return body(x, name);
  const wide = g.cast(x, `${name}/x`, 'float32');
  return g.cast(body(wide, `${name}/y`), name, 'float16');
}

/** Adds y as `output`; s is called `<layer>/s`. `scaledMean`: α·mean over a value's window. */
export function normalise(
  g: GraphBuilder,
  { name, attributes: { beta, k } }: Normaliser,
  [x, output, doc]: readonly [string, string, string],
  scaledMean: (squares: string, output: string) => string,
): string {
  const scaled = scaledMean(g.node('Mul', [x, x], `${name}/square`), `${name}/scaled`);
  const s = g.node('Add', [scaled, g.scalar(`${name}/k`, k, 'float32')], `${name}/s`);
  return g.node('Div', [x, power(g, name, s, beta)], output, {}, doc);
}

/** s^β. β = ¾ is √s·√√s: square roots are rounded correctly, Pow is some twenty units off on some devices. */
function power(g: GraphBuilder, name: string, s: string, beta: number): string {
  if (beta === 1) return s;
  if (beta !== 0.5 && beta !== 0.75) {
    return g.node('Pow', [s, g.scalar(`${name}/beta`, beta, 'float32')], `${name}/power`);
  }
  const root = g.node('Sqrt', [s], `${name}/root`);
  if (beta === 0.5) return root;
  const fourth = g.node('Sqrt', [root], `${name}/fourth`);
  return g.node('Mul', [root, fourth], `${name}/power`);
}

/**
 * dx = dy/s^β − 2αβ·x·mean′(dy·x/s^β/s); mean′ runs over the windows that contain a value instead of the window around
 * it: the same pooling with its pads exchanged. `mirroredMean`: 2αβ·mean′.
 */
export function normaliseBackward(
  g: GraphBuilder,
  { name, attributes: { beta } }: Normaliser,
  { inputs: [x], dy, dx: [dx] }: Reverse<string>,
  mirroredMean: (v: string, output: string) => string,
): void {
  const s = `${name}/s`;
  const power = beta === 1 ? s : beta === 0.5 ? `${name}/root` : `${name}/power`;
  const t = g.node('Div', [dy, power], `${dx}/direct`);
  const product = g.node('Mul', [t, x], `${dx}/product`);
  const v = g.node('Div', [product, s], `${dx}/v`);
  const spread = mirroredMean(v, `${dx}/spread`);
  g.node('Sub', [t, g.node('Mul', [spread, x], `${dx}/others`)], dx);
}
