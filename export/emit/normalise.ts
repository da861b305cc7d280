/**
 * What both normalisations share: y = x / s^β with s = k + α·mean, in float32 whatever the graph's precision,
 * because the square of a value over 256 overflows float16.
 */
import type { GraphBuilder } from '../graph.ts';

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

/** s = k + α·mean, for α on the mean of the squares. */
export function affine(g: GraphBuilder, name: string, mean: string, alpha: number, k: number): string {
  const scaled = g.node('Mul', [mean, g.scalar(`${name}/alpha`, alpha, 'float32')], `${name}/scaled`);
  return g.node('Add', [scaled, g.scalar(`${name}/k`, k, 'float32')], `${name}/s`);
}

/** x / s^β. β = ¾ is √s·√√s: square roots are rounded correctly, Pow is some twenty units off on some devices. */
export function divideByPower(
  g: GraphBuilder,
  [x, s]: readonly [string, string],
  beta: number,
  [name, output]: readonly [string, string],
  doc: string,
): string {
  return g.node('Div', [x, power(g, name, s, beta)], output, {}, doc);
}

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
 * dx = dy/s^β − 2αβ·x·mean′(dy·x/s^β/s), for y = x/s^β and s = k + α·mean(x²); mean′ runs over the windows
 * that contain a value instead of the window around it: the same pooling with its pads exchanged.
 */
export function backwardOf(
  g: GraphBuilder,
  [x, dy, dx]: readonly [string, string, string],
  [s, power]: readonly [string, string],
  factor: number,
  mean: (v: string) => string,
): void {
  const t = g.node('Div', [dy, power], `${dx}/direct`);
  const product = g.node('Mul', [t, x], `${dx}/product`);
  const v = g.node('Div', [product, s], `${dx}/v`);
  const spread = g.node('Mul', [mean(v), g.scalar(`${dx}/factor`, factor)], `${dx}/spread`);
  g.node('Sub', [t, g.node('Mul', [spread, x], `${dx}/others`)], dx);
}

/** The value that holds s^β, as divideByPower names it. */
export const powerName = (name: string, s: string, beta: number): string =>
  beta === 1 ? s : beta === 0.5 ? `${name}/root` : `${name}/power`;
