/** The five exercises in steps: what is tried, what the oracle makes of it, and a hint for those who are stuck. */
import * as conv2d from '../reference/ops/conv2d.ts';
import * as lrn from '../reference/ops/lrn.ts';
import * as maxpool from '../reference/ops/maxpool.ts';
import type { Backward, Forward } from '../reference/ops/operation.ts';
import * as relu from '../reference/ops/relu.ts';
import { words } from '../reference/random.ts';
import { type Shape, sizeOf, type Tensor, tensor } from '../reference/tensor.ts';
import * as optimiser from '../reference/training/optimiser.ts';

/** What a solution exports. */
export type Solution = Readonly<Record<'forward' | 'backward' | 'update', (...given: unknown[]) => unknown>>;

/** Something that a solution returned, and what it should have been. */
export interface Found {
  readonly name: string;
  readonly expected: Tensor;
  readonly got: unknown;
}

export interface Step {
  readonly title: string;
  readonly hint: string;
  readonly run: (yours: Solution) => readonly Found[];
}

export interface Exercise {
  readonly title: string;
  /** What is to be written. */
  readonly stub: string;
  /** Ours, from the root of the repository. */
  readonly solution: string;
  readonly steps: readonly Step[];
}

/** Sixteenths from −2 to 2: their products and short sums are exact, in any order. */
const numbers = (shape: Shape, seed = 1): Tensor =>
  tensor(
    Float64Array.from(words(seed, 0, sizeOf(shape)), (word) => (word % 65) / 16 - 2),
    shape,
  );

/** Values that all differ, in no order. */
const distinct = (shape: Shape, above = 0): Tensor => {
  const size = sizeOf(shape);
  return tensor(
    Float64Array.from({ length: size }, (_, i) => ((i * 101) % size) / 8 - size / 16 + above),
    shape,
  );
};
/** The value at one place is 1, all others are 0. */
const oneAt = (shape: Shape, at: number): Tensor =>
  tensor(
    Float64Array.from({ length: sizeOf(shape) }, (_, i) => (i === at ? 1 : 0)),
    shape,
  );

interface Operation<A> {
  readonly forward: Forward<A>;
  readonly backward: Backward<A>;
}

const there =
  <A>(op: Operation<A>, operands: readonly Tensor[], attributes: A): Step['run'] =>
  (yours) => {
    const expected = op.forward(operands, attributes, 'float64');
    return [{ name: 'y', expected, got: yours.forward(operands, attributes) }];
  };

const back =
  <A>(op: Operation<A>, operands: readonly Tensor[], attributes: A, dy?: Tensor): Step['run'] =>
  (yours) => {
    const y = op.forward(operands, attributes, 'float64');
    const given = dy ?? numbers(y.shape, 9);
    const [expected] = op.backward(given, operands, y, attributes);
    const got = yours.backward(given, operands, y, attributes);
    return [{ name: 'dx', expected: expected!, got: Array.isArray(got) ? got[0] : got }];
  };

const window = (
  kernel: number,
  stride: number,
  more: Partial<maxpool.Attributes> = {},
): maxpool.Attributes => ({
  kernel: [kernel, kernel],
  stride: [stride, stride],
  pad: [0, 0, 0, 0],
  rounding: 'floor',
  ...more,
});

const norm = (size: number, more: Partial<lrn.Attributes> = {}): lrn.Attributes => ({
  ...{ size, alpha: 0.25, beta: 0.75, k: 2, divide: false, even: 'above', groups: 1 },
  ...more,
});

const conv = (more: Partial<conv2d.Attributes> = {}): conv2d.Attributes => ({
  ...{ stride: [1, 1], pad: [0, 0, 0, 0], dilation: [1, 1], groups: 1 },
  ...more,
});
const operands = (x: Shape, w: Shape): readonly Tensor[] => [numbers(x), numbers(w, 2), numbers([w[0]], 3)];

/** Steps of the paper's rule from v = 0, each with a gradient of its own. */
function descend(...steps: optimiser.Coefficients[]): Step['run'] {
  return (yours) => {
    const start = numbers([7]).data as Float64Array;
    let ours = { w: start, v: new Float64Array(7) };
    let theirs = { w: start.slice(), v: new Float64Array(7) };
    for (const [i, coefficients] of steps.entries()) {
      const g = numbers([7], 10 + i).data as Float64Array;
      ours = optimiser.update('paper', ours.w, ours.v, g, coefficients) as typeof ours;
      theirs = yours.update('paper', theirs.w, theirs.v, g.slice(), coefficients) as typeof theirs;
    }
    const found = (name: 'v' | 'w'): Found => {
      const values: unknown = theirs?.[name];
      const got = values instanceof Float64Array ? tensor(values, [values.length]) : values;
      return { name, expected: tensor(ours[name], [7]), got };
    };
    return [found('v'), found('w')];
  };
}
const paper = { learningRate: 0.01, momentum: 0.9, weightDecay: 0.0005 };

export const exercises: readonly Exercise[] = [
  {
    title: 'ReLU, there and back',
    stub: 'exercises/1-relu.ts',
    solution: 'reference/ops/relu.ts',
    steps: [
      {
        title: 'y',
        hint: 'for each value: what is above 0 stays, all else becomes 0',
        run: there(relu, [numbers([2, 3, 2, 5])], undefined),
      },
      {
        title: 'dx',
        hint: 'dy passes where y is above 0: whether dy itself is positive does not matter',
        run: back(relu, [numbers([2, 3, 2, 5])], undefined),
      },
      {
        title: 'dx at x = 0',
        hint: 'at 0 the slope could be 0 or 1: here, as in every framework, it is 0',
        run: back(relu, [oneAt([1, 1, 2, 3], 4)], undefined),
      },
    ],
  },
  {
    title: 'overlapping max-pooling, there and back',
    stub: 'exercises/2-maxpool.ts',
    solution: 'reference/ops/maxpool.ts',
    steps: [
      {
        title: 'windows side by side, z = s = 2',
        hint: 'window (p,q) begins at row 2p and column 2q',
        run: there(maxpool, [distinct([1, 2, 4, 6])], window(2, 2)),
      },
      {
        title: 'overlapping windows, z = 3, s = 2, of negative values too',
        hint: 'windows begin every s pixels and are z pixels wide; a maximum that begins as 0 is never negative',
        run: there(maxpool, [distinct([2, 3, 7, 5], -30)], window(3, 2)),
      },
      {
        title: 'padding and a partial last window',
        hint: 'what lies outside the picture counts for nothing, not for 0: clip the window',
        run: there(
          maxpool,
          [distinct([1, 2, 6, 8], -30)],
          window(3, 2, { pad: [1, 0, 0, 1], rounding: 'caffe' }),
        ),
      },
      {
        title: 'dx where windows lie side by side',
        hint: "a window's dy goes to the place that its maximum came from, and to no other",
        run: back(maxpool, [distinct([1, 2, 4, 6])], window(2, 2)),
      },
      {
        title: 'dx where windows overlap',
        hint: 'one pixel may be the maximum of up to four windows: their gradients add up',
        run: back(maxpool, [distinct([2, 3, 7, 5])], window(3, 2)),
      },
      {
        title: 'dx of equal maxima',
        hint: 'of equal maxima the first in reading order gets the gradient: look for greater, not for at least as great',
        run: back(maxpool, [oneAt([1, 1, 5, 5], 0)], window(3, 2)),
      },
    ],
  },
  {
    title: 'back through local response normalisation',
    stub: 'exercises/3-lrn.ts',
    solution: 'reference/ops/lrn.ts',
    steps: [
      {
        title: 'a window of one channel',
        hint: 'y = x·s^−β with s = k + α·x²: x stands in it twice, so the product rule has two terms',
        run: back(lrn, [numbers([1, 3, 1, 2])], norm(1)),
      },
      {
        title: 'a window of three; dy is 1 in the middle channel',
        hint: "the neighbours' x are in the middle's s: their dx is not 0, though their dy is",
        run: back(lrn, [numbers([1, 3, 1, 1])], norm(3), oneAt([1, 3, 1, 1], 1)),
      },
      {
        title: "the paper's n = 5, with edges",
        hint: 'dx[c] has a sum over every j whose window holds c; at the first and last channels windows are cut off',
        run: back(lrn, [numbers([2, 7, 3, 4])], norm(5)),
      },
      {
        title: 'as it ran: α divided by n, inside each of two towers',
        hint: "`divide`: α/n in the place of α; `groups`: a window never reaches into the other tower's channels",
        run: back(lrn, [numbers([2, 8, 2, 3])], norm(5, { divide: true, groups: 2 })),
      },
      {
        title: 'a window of four, longer on one side',
        hint: 'c is in the window of j: that is not the same as j in the window of c where the sides differ',
        run: back(lrn, [numbers([1, 9, 1, 2])], norm(4)),
      },
    ],
  },
  {
    title: 'convolution in groups',
    stub: 'exercises/4-conv2d.ts',
    solution: 'reference/ops/conv2d.ts',
    steps: [
      {
        title: '1×1 kernels: a sum over channels and the bias',
        hint: 'y[n,k,p,q] = b[k] + Σ over c of w[k,c,0,0]·x[n,c,p,q]',
        run: there(conv2d, operands([2, 3, 2, 4], [5, 3, 1, 1]), conv()),
      },
      {
        title: '3×2 kernels',
        hint: 'the kernel is laid on the picture as it is, not turned round: w[r,s] meets x[p + r, q + s]',
        run: there(conv2d, operands([1, 2, 5, 4], [3, 2, 3, 2]), conv()),
      },
      {
        title: 'stride and padding, different on each side',
        hint: 'h = p·stride − top + r; what lies outside the picture counts as 0. pad is [top, left, bottom, right]',
        run: there(conv2d, operands([2, 2, 7, 6], [3, 2, 3, 2]), conv({ stride: [2, 3], pad: [1, 0, 2, 1] })),
      },
      {
        title: 'two towers',
        hint: 'kernel k belongs to group g = ⌊k / (K/G)⌋ and reads the channels from g·C/G on',
        run: there(conv2d, operands([1, 6, 4, 5], [4, 3, 3, 2]), conv({ groups: 2 })),
      },
      {
        title: 'three groups, stride, padding and dilation at once',
        hint: 'dilation d: taps r lie d pixels apart, h = p·stride − top + r·d',
        run: there(
          conv2d,
          operands([2, 6, 8, 9], [9, 2, 3, 2]),
          conv({ groups: 3, stride: [2, 1], pad: [2, 1, 0, 3], dilation: [2, 3] }),
        ),
      },
    ],
  },
  {
    title: "a step of the paper's gradient descent",
    stub: 'exercises/5-sgd.ts',
    solution: 'reference/training/optimiser.ts',
    steps: [
      {
        title: 'the first step, without decay',
        hint: 'v becomes −ε·g, and w + v the next w: the loss goes down along −g',
        run: descend({ ...paper, weightDecay: 0 }),
      },
      {
        title: 'weight decay',
        hint: 'the decay of a step is λ·ε·w, and it goes into v: 0.0005·ε·w in the paper',
        run: descend(paper),
      },
      {
        title: 'three steps',
        hint: 'v remembers: 0.9 of the old v is in the new one, and w takes the new v',
        run: descend(paper, paper, paper),
      },
      {
        title: 'the learning rate falls to a tenth after two steps',
        hint: 'in the paper ε is inside v, so that old steps keep their size; PyTorch multiplies by ε at the end',
        run: descend(paper, paper, { ...paper, learningRate: 0.001 }, { ...paper, learningRate: 0.001 }),
      },
    ],
  },
];
