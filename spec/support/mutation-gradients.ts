/**
 * Wrong gradients (wrong-gradients.ts, and those of convolution and fully connected layer below) against this
 * project's gradient vectors. ONNX has no operator for the gradient of any of them, and no test.
 */
import { type GradientCase, readGradientCases } from '../../lib/conform/cases.ts';
import { firstDifference } from '../../lib/conform/compare.ts';
import { vectorOf } from '../../lib/conform/vectors.ts';
import { reverse, roll, withBits } from '../../lib/judge/mistakes/tools.ts';
import { plain } from '../../reference/oracle.ts';
import { dense, map, type Tensor, tensor } from '../../reference/tensor.ts';
import { backwardCases, backwards, type Gradients } from './backwards.ts';
import type { Score } from './mutation.ts';
import { wrongGradients } from './wrong-gradients.ts';

export interface WrongGradient {
  readonly operation: string;
  readonly mistake: string;
  /** May throw where the mistake makes no sense. */
  readonly wrong: (test: GradientCase) => Gradients;
}

const tensorOf = ({ shape, data }: GradientCase['dy']): Tensor =>
  tensor(Float64Array.from(data, Number), shape);

type Operands = Readonly<Record<'dy' | 'x' | 'w', Tensor>>;
const mistakes: WrongGradient[] = [];

function right(
  operation: 'conv2d' | 'linear',
  { dy, x, w }: Operands,
  attributes: GradientCase['attributes'],
): Gradients {
  const how = { precision: 'float64' } as const;
  const [dx, dw, db] = plain[operation].backward(dy, [x, w], dy, attributes, how) as readonly Tensor[];
  return { dx, dw, db };
}

/** The right gradients of altered operands or attributes, or altered themselves. */
function mistake(
  operation: 'conv2d' | 'linear',
  name: string,
  operands: (o: Operands) => Partial<Operands>,
  attributes: (a: GradientCase['attributes']) => object = () => ({}),
  result: (g: Gradients, o: Operands) => Gradients = (g) => g,
): void {
  const wrong = ({ inputs, dy, attributes: a }: GradientCase): Gradients => {
    const given = { dy: tensorOf(dy), x: tensorOf(inputs.x), w: tensorOf(inputs.w) };
    const all = { ...given, ...operands(given) };
    return result(right(operation, all, { ...a, ...attributes(a) }), given);
  };
  mistakes.push({ operation, mistake: name, wrong });
}

const scaled = (t: Tensor, factor: number): Tensor => map(t, (v) => v * factor);
const none = () => ({});
for (const operation of ['conv2d', 'linear'] as const) {
  mistake(operation, 'images exchanged', ({ dy }) => ({ dy: reverse(dy, 0) }));
  mistake(operation, 'dy of the next neuron', ({ dy }) => ({ dy: roll(dy, 1) }));
  mistake(operation, 'weights in reverse', ({ w }) => ({ w: reverse(w, 0) }));
  mistake(operation, 'dy rounded to bfloat16', ({ dy, w }) => ({ dy: withBits(dy, 8), w: withBits(w, 8) }));
  mistake(operation, 'dw averaged over the batch', none, none, (g, { x }) => ({
    ...g,
    dw: scaled(g.dw, 1 / x.shape[0]),
  }));
  mistake(operation, 'db of the first image alone', none, none, (g, { dy, x, w }) => {
    const first = map(dy, (v) => v);
    dense(first).fill(0, dense(first).length / dy.shape[0]);
    return {
      ...g,
      db: right(operation, { dy: first, x, w }, { stride: [1, 1], ...attributesOf(dy, x, w) }).db,
    };
  });
  mistake(operation, 'signs of dx lost', none, none, (g) => ({ ...g, dx: map(g.dx, Math.abs) }));
}

/** Attributes with which any dy of a convolution has the shape of y: for db alone, which reads nothing but dy. */
const attributesOf = (dy: Tensor, x: Tensor, w: Tensor): object => {
  if (dy.dimension === 2) return {};
  const end = [2, 3].map((axis) => dy.shape[axis] - 1 + w.shape[axis] - x.shape[axis]);
  return { pad: [0, 0, ...end], dilation: [1, 1], groups: x.shape[1] / w.shape[1] };
};

const conv = (
  name: string,
  operands: (o: Operands) => Partial<Operands>,
  attributes = none as (a: GradientCase['attributes']) => object,
) => mistake('conv2d', name, operands, attributes);
conv('the kernel flipped once too often', ({ w }) => ({ w: reverse(w, 2, 3) }));
conv('dy upside down', ({ dy }) => ({ dy: reverse(dy, 2) }));
conv('dy left to right', ({ dy }) => ({ dy: reverse(dy, 3) }));
conv('input channels in reverse', ({ x }) => ({ x: reverse(x, 1) }));
conv('begin and end pads exchanged', none, ({ pad: [t, l, b, r] }) => ({ pad: [b, r, t, l] }));

/** The convention of the vectors, which is that of the exported graph. */
const isRight = (operation: string, name: string): boolean =>
  operation === 'maxpool' && name === 'every maximum for the first';

/** All wrong gradients: of the list, on the cases of the vectors, and those above. */
export const gradientMistakes: readonly WrongGradient[] = [
  ...wrongGradients
    .filter(({ operation, mistake: name }) => !isRight(operation, name))
    .map(({ operation, mistake: name, wrong }) => ({
      operation,
      mistake: name,
      wrong: (test: GradientCase) =>
        wrong(backwardCases(operation).cases.find(({ title }) => title === test.title)!),
    })),
  ...mistakes,
];

export const gradientProbes = (): GradientCase[] =>
  readGradientCases().filter((test) => typeof vectorOf(test) !== 'string');

/** Why gradients are wrong by the tests' tolerance; null where they are not seen to be. */
export function gradientFault({ expected }: GradientCase, got: Gradients): string | null {
  for (const [name, stored] of Object.entries(expected)) {
    const asValue = (t: Tensor) =>
      ({ dtype: 'float32', shape: t.shape, data: Float32Array.from(dense(t)) }) as const;
    // max-pooling: every maximum gets the gradient
    const t = name === 'dx' && got.every ? got.every : got[name];
    const reason = firstDifference(t && asValue(t), asValue(tensorOf(stored)));
    if (reason) return `${name}: ${reason}`;
  }
  return null;
}

/** Wrong gradients of an operation that the probes find. */
export function gradientScore(operation: string, probes: readonly GradientCase[]): Score {
  const own = probes.filter((probe) => probe.operation === operation);
  const all = gradientMistakes.filter((one) => one.operation === operation);
  const survivors = all.filter(({ wrong }) => {
    return !own.some((probe) => {
      try {
        return gradientFault(probe, wrong(probe)) !== null;
      } catch {
        return false;
      }
    });
  });
  return { killed: all.length - survivors.length, survivors: survivors.map(({ mistake: name }) => name) };
}

/** Probes on which even the right gradients are found wrong. */
export const gradientFalseAlarms = (probes: readonly GradientCase[]): string[] =>
  probes.flatMap((probe) => {
    const { operation, inputs, attributes, dy, title } = probe;
    if (operation === 'conv2d' || operation === 'linear') {
      const operands = { dy: tensorOf(dy), x: tensorOf(inputs.x), w: tensorOf(inputs.w) };
      const why = gradientFault(probe, right(operation, operands, attributes));
      return why ? [`${operation} ${title}: ${why}`] : [];
    }
    const test = backwardCases(operation).cases.find((one) => one.title === title)!;
    const why = gradientFault(probe, backwards[operation].run(test, test.dy, 'float32'));
    return why ? [`${operation} ${title}: ${why}`] : [];
  });
