/**
 * V8's 256-bit path: its revectoriser joins pairs of the kernels' registers. It is an experiment of V8's, so it is
 * used only where it is seen to compute the plain loop's bits, and to be faster, in this process on this machine.
 *
 * Node 22 has the flag without the effect. The flag is the process's: it holds for whatever is compiled from then on.
 */
import v8 from 'node:v8';
import * as plain from '../../reference/ops/conv2d.ts';
import { dense, type Storage, type Tensor, tensor } from '../../reference/tensor.ts';
import * as conv2d from './conv2d.ts';
import { alone, type FastEngine, openEngine, type Width, withEngine } from './engine.ts';

/** Node's first version whose V8 joins registers. */
const FIRST = 24;
const FLAG = 'experimental-wasm-revectorize';

/** V8 optimises kernels beside their first runs: at least so many of each width, the best one counts. */
const RUNS = 8;
/** Less than that is noise. */
const GAIN = 0.95;

let found: Width | undefined;

/**
 * For `configure({ wide: widerIfFaster })`, before any kernels are compiled: 256 bits where they pay. Found out once a
 * process, in some 0.1 s. ALEXNET_WIDE=0 in the environment keeps 128. Sets a flag of V8's.
 */
export function widerIfFaster(): Width {
  found ??= widest();
  return found;
}

function widest(): Width {
  const narrow = (why: string): Width => ({ wide: false, why });
  if (process.env.ALEXNET_WIDE === '0') return narrow('ALEXNET_WIDE=0 is set');
  if (process.arch !== 'x64') return narrow(`there are no wider ones on ${process.arch}`);
  if (Number.parseInt(process.versions.node, 10) < FIRST) return narrow(`256 need Node ${FIRST}`);
  v8.setFlagsFromString(`--${FLAG}`);
  const width = compared();
  if (!width.wide) v8.setFlagsFromString(`--no-${FLAG}`);
  return width;
}

/** Both widths in turns. */
function compared(): Width {
  const narrow = openEngine(alone, { wide: false, why: '' });
  const wide = openEngine(alone, { wide: true, why: '' });
  if (!narrow || !wide) return { wide: false, why: 'there is no SIMD' };
  const small = [productOf(Float32Array, 16, 32, 9), productOf(Float64Array, 16, 32, 9)];
  const exact = small.map((operands) => dense(plain.forward(operands, attributes)));
  const large = productOf(Float32Array, 48, 128, 14);
  let narrowBest = Number.POSITIVE_INFINITY;
  let wideBest = Number.POSITIVE_INFINITY;
  for (let run = 0; run < RUNS; run++) {
    const once = timed(narrow, large);
    const again = timed(wide, large);
    narrowBest = Math.min(narrowBest, once.ms);
    wideBest = Math.min(wideBest, again.ms);
    const right =
      same(once.y, again.y) && small.every((operands, i) => same(timed(wide, operands).y, exact[i]));
    if (!right) return { wide: false, why: "256 do not give the plain loop's bits here" };
  }
  const why = `a product took ${wideBest.toFixed(2)} ms with 256 bits, ${narrowBest.toFixed(2)} with 128`;
  return { wide: wideBest < GAIN * narrowBest, why };
}

const attributes = { stride: [1, 1], pad: [1, 1, 1, 1], dilation: [1, 1], groups: 1 } as const;

function timed(engine: FastEngine, operands: readonly Tensor[]): { y: Storage; ms: number } {
  const start = performance.now();
  const y = dense(withEngine(engine, () => conv2d.forward(operands, attributes)));
  return { y, ms: performance.now() - start };
}

const same = (a: Storage, b: Storage): boolean => a.every((value, i) => Object.is(value, b[i]));

/** x (1,C,H,H), w (K,C,3,3) and b of numbers of very different sizes, so that another order of terms is seen. */
function productOf(
  Values: Float32ArrayConstructor | Float64ArrayConstructor,
  C: number,
  K: number,
  H: number,
): readonly Tensor[] {
  const shapes = [[1, C, H, H], [K, C, 3, 3], [K]];
  return shapes.map((shape, step) => {
    const word = (i: number): number => Math.imul(i + 1, 0x9e3779b1 + 2 * step);
    const size = shape.reduce((a, b) => a * b);
    const values = new Values(size).map((_, i) => word(i) * 2 ** -((word(i) >>> 3) & 15));
    return tensor(values, shape);
  });
}
