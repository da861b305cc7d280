import { expect } from 'chai';
import { InputError } from '../../../lib/errors.ts';
import { evaluate, evaluateNode } from '../../../lib/onnx/evaluate.ts';
import type { Value } from '../../../lib/onnx/value.ts';
import {
  type AttributeValue,
  bool,
  f32,
  graph,
  i64,
  info,
  modelBytes,
  noise,
  open,
  single,
} from './helpers.ts';

/** The first output of a single node. */
async function run(
  op: string,
  inputs: readonly (Value | undefined)[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
  opset = 13,
  outputs = 1,
): Promise<Value[]> {
  const { bytes, feeds } = single(op, inputs, attributes, { opset, outputs });
  return [...evaluate(await open(bytes), feeds).values()];
}

const list = (value: Value): number[] => Array.from(value.data as Float32Array, Number);

async function refusal(work: () => Promise<unknown>): Promise<string> {
  const error = await work().then(
    () => new Error('it did not fail'),
    (e: unknown) => e as Error,
  );
  expect(error, error.message).to.be.instanceOf(InputError);
  expect(error.message).not.to.contain('\n');
  return error.message;
}

describe('evaluating ONNX models', () => {
  describe('precision', () => {
    const third = graph(
      [
        { op: 'Div', inputs: ['x', 'x3'], outputs: ['t'] },
        { op: 'Mul', inputs: ['t', 'x3'], outputs: ['u'] },
        { op: 'Sub', inputs: ['u', 'x'], outputs: ['y'] },
      ],
      [info('x'), info('x3')],
      [info('y')],
    );
    const feeds = new Map([
      ['x', f32([1, 7])],
      ['x3', f32([49, 49])],
    ]);

    it('float32 rounds after every node, as an engine that stores float32 does', async () => {
      const y = evaluate(await open(modelBytes(third)), feeds).get('y')!;
      expect(y.data).to.be.instanceOf(Float32Array);
      const f = Math.fround;
      expect(list(y)).to.deep.equal([f(f(f(1 / 49) * 49) - 1), f(f(f(7 / 49) * 49) - 7)]);
    });

    it('float64 rounds nothing', async () => {
      const y = evaluate(await open(modelBytes(third)), feeds, { precision: 'float64' }).get('y')!;
      expect(y.data).to.be.instanceOf(Float64Array);
      expect(y.dtype).to.equal('float32');
      expect(list(y)).to.deep.equal([(1 / 49) * 49 - 1, (7 / 49) * 49 - 7]);
    });

    it('a float16 value is rounded to float16, once', async () => {
      const half = (data: number[]): Value => ({ ...f32(data), dtype: 'float16' });
      const { bytes, feeds: given } = single(
        'Add',
        [half([2048, 1]), half([1, 2 ** -11])],
        {},
        { types: ['float16'] },
      );
      const model = await open(bytes);
      expect(list(evaluate(model, given).get('y0')!)).to.deep.equal([2048, 1]);
      expect(list(evaluate(model, given, { precision: 'float64' }).get('y0')!)).to.deep.equal([
        2049,
        1 + 2 ** -11,
      ]);
    });

    it('Cast rounds to its type at either precision', async () => {
      const { bytes, feeds: given } = single('Cast', [f32([0.1])], { to: 10 }, { types: ['float16'] });
      const y = evaluate(await open(bytes), given, { precision: 'float64' }).get('y0')!;
      expect(list(y)).to.deep.equal([0.0999755859375]);
    });
  });

  it('traces every node, and runs one alone', async () => {
    const g = graph(
      [
        { op: 'Neg', inputs: ['x'], outputs: ['a'], name: 'first' },
        { op: 'Abs', inputs: ['a'], outputs: ['y'], name: 'second' },
      ],
      [info('x')],
      [info('y')],
    );
    const model = await open(modelBytes(g));
    const seen: string[] = [];
    evaluate(model, new Map([['x', f32([-2])]]), {
      trace: ({ name }, outputs) => seen.push(`${name}: ${[...outputs].map(([k, v]) => `${k}=${v.data}`)}`),
    });
    expect(seen).to.deep.equal(['first: a=2', 'second: y=2']);
    const alone = evaluateNode(model, model.graph.nodes[1], new Map([['a', f32([-5])]]));
    expect(list(alone.get('y')!)).to.deep.equal([5]);
  });

  describe('feeds', () => {
    const g = graph([{ op: 'Relu' }], [info('x', 'float32', ['N', 2])], [info('y')]);
    const feed = async (name: string, value: Value) =>
      evaluate(await open(modelBytes(g)), new Map([[name, value]]));

    it('fit free extents', async () => {
      expect((await feed('x', f32([1, 2, 3, 4], [2, 2]))).get('y')!.shape).to.deep.equal([2, 2]);
    });

    it('are refused where name, type, rank or extent disagree', async () => {
      expect(await refusal(() => feed('z', f32([1, 2], [1, 2])))).to.contain("no input 'z' (there are: x)");
      expect(await refusal(() => feed('x', i64([1, 2], [1, 2])))).to.contain('given: int64 [1,2]');
      expect(await refusal(() => feed('x', f32([1, 2])))).to.contain('must be float32 [N,2]');
      expect(await refusal(() => feed('x', f32([1, 2, 3], [1, 3])))).to.contain('given: float32 [1,3]');
    });
  });

  describe('control flow', () => {
    const inner = (op: string, reads: readonly string[]) =>
      graph([{ op, inputs: reads, outputs: ['b'] }], [], [info('b')]);

    it('a branch sees the values around it, also those that no node reads', async () => {
      const g = graph(
        [
          { op: 'Neg', inputs: ['x'], outputs: ['hidden'] },
          { op: 'Abs', inputs: ['hidden'], outputs: ['unused'] },
          {
            op: 'If',
            inputs: ['c'],
            outputs: ['y'],
            attributes: {
              then_branch: inner('Sub', ['hidden', 'x']),
              else_branch: inner('Identity', ['unused']),
            },
          },
        ],
        [info('x'), info('c', 'bool', [])],
        [info('y')],
      );
      const model = await open(modelBytes(g));
      const y = (c: number) =>
        list(
          evaluate(
            model,
            new Map([
              ['x', f32([3])],
              ['c', bool([c], [])],
            ]),
          ).get('y')!,
        );
      expect(y(1)).to.deep.equal([-6]);
      expect(y(0)).to.deep.equal([3]);
    });

    const doubling = (condition: 'c' | 'less') =>
      graph(
        [
          { op: 'Add', inputs: ['v', 'v'], outputs: ['v1'] },
          { op: 'Less', inputs: ['v1', 'limit'], outputs: ['less'] },
          { op: 'Identity', inputs: [condition], outputs: ['going'] },
          { op: 'Identity', inputs: ['v1'], outputs: ['scan'] },
        ],
        [info('i', 'int64', []), info('c', 'bool', []), info('v', 'float32', [])],
        [info('going', 'bool', []), info('v1', 'float32', []), info('scan', 'float32', [])],
      );
    const loop = (condition: 'c' | 'less', inputs: readonly string[]) =>
      graph(
        [{ op: 'Loop', inputs, outputs: ['last', 'all'], attributes: { body: doubling(condition) } }],
        [info('limit', 'float32', []), info('start', 'float32', []), info('M', 'int64', [])],
        [info('last'), info('all')],
      );
    const feeds = (M: number) =>
      new Map([
        ['limit', f32([50], [])],
        ['start', f32([3], [])],
        ['M', i64([M], [])],
      ]);

    it('Loop ends at its count, or when its condition is false, and stacks scan outputs', async () => {
      const counted = evaluate(await open(modelBytes(loop('c', ['M', '', 'start']))), feeds(3));
      expect([...counted.values()].map(list)).to.deep.equal([[24], [6, 12, 24]]);
      const conditional = evaluate(await open(modelBytes(loop('less', ['', '', 'start']))), feeds(0));
      expect([...conditional.values()].map(list)).to.deep.equal([[96], [6, 12, 24, 48, 96]]);
      const never = evaluate(await open(modelBytes(loop('c', ['M', '', 'start']))), feeds(0));
      expect([...never.values()].map(({ shape }) => shape)).to.deep.equal([[], [0]]);
    });

    it('a Loop without an end is refused, not waited for', async () => {
      const model = await open(modelBytes(loop('c', ['', '', 'start'])));
      expect(await refusal(async () => evaluate(model, feeds(0), { maxIterations: 500 }))).to.contain(
        'it ran 500 times',
      );
    });
  });

  it('names node, operator and opset when a node fails', async () => {
    const text = await refusal(() => run('Add', [f32([1, 2]), f32([1, 2, 3])], {}, 14));
    expect(text).to.equal("m.onnx: node 'n' (Add, opset 14): shapes do not broadcast: [2] and [3]");
  });

  it('a name in the file breaks no line of the message', async () => {
    const g = graph([{ op: 'No\nSuch\x1b[2J', name: 'a\nb' }], [info('x')], [info('y')]);
    const text = await refusal(async () => evaluate(await open(modelBytes(g)), new Map([['x', f32([1])]])));
    expect(text).to.equal("m.onnx: node 'a?b' (No?Such?[2J, opset 13): the operator is not supported here");
  });

  it('a kernel much larger than the image costs no time', async () => {
    const attributes = { kernel_shape: [2 ** 30, 2 ** 30], pads: [2 ** 30, 2 ** 30, 0, 0] };
    const x: Value = { dtype: 'uint8', shape: [1, 1, 2, 2], data: Uint8Array.of(1, 9, 3, 4) };
    const { bytes, feeds } = single('MaxPool', [x], attributes, { types: ['uint8'] });
    const y = evaluate(await open(bytes), feeds).get('y0')!;
    expect([y.shape, [...y.data]]).to.deep.equal([
      [1, 1, 3, 3],
      [0, 0, 0, 0, 1, 9, 0, 3, 9],
    ]);
  });

  it('refuses values that no memory holds', async () => {
    const huge = i64([2 ** 20, 2 ** 20, 2 ** 20]);
    expect(await refusal(() => run('ConstantOfShape', [huge]))).to.contain('does not fit');
    expect(await refusal(() => run('Expand', [f32([1]), huge]))).to.contain('does not fit');
    expect(await refusal(() => run('ConstantOfShape', [i64([-1])]))).to.contain('no shape');
    const far = [f32([0], []), f32([1e30], []), f32([1], [])];
    expect(await refusal(() => run('Range', far))).to.match(/does not fit|no shape/);
    const pads = i64([2 ** 40, 0]);
    expect(await refusal(() => run('Pad', [f32([1]), pads]))).to.contain('does not fit');
  });

  describe('forms that only opset 6 has (onnxruntime does not run them)', () => {
    const a = f32([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], [2, 3, 2]);

    it('arithmetic and comparison broadcast the second operand from an axis', async () => {
      const [sum] = await run('Add', [a, f32([100, 200, 300])], { broadcast: 1, axis: 1 }, 6);
      expect(list(sum)).to.deep.equal([100, 101, 202, 203, 304, 305, 106, 107, 208, 209, 310, 311]);
      const [last] = await run('Sub', [a, f32([10, 20])], { broadcast: 1 }, 6);
      expect(list(last).slice(0, 4)).to.deep.equal([-10, -19, -8, -17]);
      const [greater] = await run('Greater', [a, f32([1, 8])], { broadcast: 1, axis: 0 }, 6);
      expect(list(greater)).to.deep.equal([0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1]);
      expect(await refusal(() => run('Add', [a, f32([1])], {}, 6))).to.contain('without broadcast = 1');
      expect(await refusal(() => run('Sum', [a, f32([1])], {}, 6))).to.contain('one shape before opset 8');
    });

    it('Softmax flattens at its axis, which is not what opset 13 does', async () => {
      const x = noise([2, 3, 2]);
      const [flat] = await run('Softmax', [x], { axis: 1 }, 12);
      const [single] = await run('Softmax', [x], { axis: 1 }, 13);
      const sum = (v: Value, at: readonly number[]): number => at.reduce((s, i) => s + list(v)[i], 0);
      expect(sum(flat, [0, 1, 2, 3, 4, 5])).to.be.closeTo(1, 1e-6);
      expect(sum(single, [0, 2, 4])).to.be.closeTo(1, 1e-6);
      expect(sum(single, [1, 3, 5])).to.be.closeTo(1, 1e-6);
    });

    it('Dropout without is_test is refused: its random numbers are not defined', async () => {
      expect(await refusal(() => run('Dropout', [a], {}, 6))).to.contain('is_test = 0');
      expect(list((await run('Dropout', [a], { is_test: 1, ratio: 0.9 }, 6))[0])).to.deep.equal(list(a));
    });

    it('BatchNormalization: is_test, and one statistic an activation where spatial = 0', async () => {
      const x = f32([1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2]);
      const four = (v: number[]): Value => f32(v);
      const inputs = [x, four([1, 1, 1, 2]), four([0, 0, 0, 10]), four([1, 2, 3, 4]), four([1, 1, 4, 4])];
      const [y] = await run(
        'BatchNormalization',
        inputs,
        { is_test: 1, spatial: 0, epsilon: { float: 0 } },
        6,
      );
      expect(list(y)).to.deep.equal([0, 0, 0, 10, 4, 4, 2, 14]);
      const two = [x, f32([1, 1]), f32([0, 0]), f32([0, 0]), f32([1, 1])];
      const trained = await run('BatchNormalization', two, { epsilon: { float: 0 }, momentum: 0.5 }, 6, 5);
      // channel 0: 1 2 5 6, mean 3.5, variance 4.25; channel 1: 3 4 7 8, mean 5.5
      expect(list(trained[0])[0]).to.be.closeTo(-2.5 / Math.sqrt(4.25), 1e-6);
      expect(trained.slice(1).map(list)).to.deep.equal([
        [1.75, 2.75],
        [2.625, 2.625],
        [3.5, 5.5],
        [4.25, 4.25],
      ]);
    });

    it('Gemm broadcasts C only where it is told to', async () => {
      const [A, B, C] = [f32([1, 2], [1, 2]), f32([3, 4], [2, 1]), f32([5])];
      expect(list((await run('Gemm', [A, B, C], { broadcast: 1 }, 6))[0])).to.deep.equal([16]);
      expect(await refusal(() => run('Gemm', [A, B, C], {}, 6))).to.contain('without broadcast = 1');
    });
  });

  describe('numbers', () => {
    it('int64 is exact beyond 2^53, and wraps', async () => {
      const wide = (v: bigint): Value => ({ dtype: 'int64', shape: [1], data: BigInt64Array.of(v) });
      const sum = async (op: string, a: bigint, b: bigint) => {
        const { bytes, feeds } = single(op, [wide(a), wide(b)], {}, { types: ['int64'] });
        return (evaluate(await open(bytes), feeds).get('y0')!.data as BigInt64Array)[0];
      };
      expect(await sum('Add', 2n ** 53n, 1n)).to.equal(2n ** 53n + 1n);
      expect(await sum('Mul', 2n ** 40n + 1n, 2n ** 22n)).to.equal(2n ** 62n + 2n ** 22n);
      expect(await sum('Add', 2n ** 63n - 1n, 1n)).to.equal(-(2n ** 63n));
      expect(await sum('Div', -7n, 2n)).to.equal(-3n);
      expect(await refusal(() => sum('Div', 1n, 0n))).to.contain('division by zero');
    });

    it('NaN wins in Max, Min, Clip, Relu and pooling', async () => {
      const x = f32([Number.NaN, 1, -1], [1, 1, 3]);
      for (const [op, inputs, attributes] of [
        ['Max', [x, f32([0])], {}],
        ['Min', [x, f32([0])], {}],
        ['Clip', [x, f32([0], []), f32([1], [])], {}],
        ['Relu', [x], {}],
        ['ReduceMax', [x], {}],
        ['GlobalMaxPool', [x], {}],
        ['MaxPool', [x], { kernel_shape: [2] }],
      ] as [string, Value[], Record<string, AttributeValue>][]) {
        expect(list((await run(op, inputs, attributes))[0])[0], op).to.be.NaN;
      }
    });

    it('Pow has the values that C99 Annex F lists', async () => {
      const pairs: [number, number, number][] = [
        [2, 10, 1024],
        [4, 0.5, 2],
        [16, 0.75, 8],
        [2, -2, 0.25],
        [Number.NaN, 0, 1],
        [1, Number.NaN, 1],
        [-8, 3, -512],
        [-8, 0.5, Number.NaN],
        [0, -1, Infinity],
        [0, 0.3, 0],
        [0.5, Infinity, 0],
        [2, -Infinity, 0],
        [-Infinity, 3, -Infinity],
        [Infinity, -0.3, 0],
      ];
      const [y] = await run('Pow', [f32(pairs.map(([x]) => x)), f32(pairs.map(([, p]) => p))]);
      expect(list(y)).to.deep.equal(pairs.map(([, , p]) => p));
      const [general] = await run('Pow', [f32([2, 10]), f32([0.3, -0.7])]);
      expect(list(general)).to.deep.equal([2 ** Math.fround(0.3), 10 ** Math.fround(-0.7)].map(Math.fround));
    });
  });

  it('trains with Dropout’s seed as numpy draws, y = x·mask/(1 − ratio)', async () => {
    const x = f32([1, 1, 1, 1]);
    const [y, mask] = await run('Dropout', [x, f32([0.6], []), bool([1], [])], { seed: 5489 }, 13, 2);
    // uniform(5489): 0.8147 0.9058 0.1270 0.9134 (the first four of MATLAB's rand, too)
    expect(list(mask)).to.deep.equal([1, 1, 0, 1]);
    expect(list(y)).to.deep.equal([1, 1, 0, 1].map((m) => Math.fround(m / (1 - Math.fround(0.6)))));
  });
});
