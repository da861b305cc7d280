import { expect } from 'chai';
import { dataTypes } from '../../../export/dtypes.ts';
import type { Value } from '../../../lib/array/value.ts';
import { evaluateGraph } from '../../../lib/onnx/evaluate.ts';
import {
  type AttributeValue,
  f32,
  i64,
  list,
  noise,
  open,
  refusal,
  run,
  single,
} from '../../support/onnx.ts';

describe('operators in forms and on numbers that other engines do not run', () => {
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
        return (evaluateGraph(await open(bytes), feeds).get('y0')!.data as BigInt64Array)[0];
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

    it('NaN cast to bool is true, as in C and NumPy, and −0 is false', async () => {
      const x = f32([Number.NaN, -0, 0.25, Infinity]);
      const [y] = await run('Cast', [x], { to: dataTypes.bool });
      expect([y.dtype, ...list(y)]).to.deep.equal(['bool', 1, 0, 1, 1]);
    });

    it('MaxPool in float16 has −∞ for a window without a pixel', async () => {
      const x: Value = { dtype: 'float16', shape: [1, 1, 2], data: Float32Array.of(1, -2) };
      const pool = { kernel_shape: [1], strides: [2], pads: [2, 2] };
      const { bytes, feeds } = single('MaxPool', [x], pool, { types: ['float16'] });
      const [y] = evaluateGraph(await open(bytes), feeds).values();
      expect(list(y)).to.deep.equal([-Infinity, 1, -Infinity]);
    });

    it('Adam at T = 1 corrects for its start, by hand', async () => {
      const scalars = [f32([0.1], []), i64([1], [])];
      const inputs = [...scalars, f32([1]), f32([4]), f32([2]), f32([8])];
      const plain = {
        epsilon: { float: 0 },
        norm_coefficient: { float: 0 },
        norm_coefficient_post: { float: 0 },
      };
      const how = { outputs: 3, domain: 'ai.onnx.preview.training' };
      const { bytes, feeds } = single('Adam', inputs, { alpha: 0.75, beta: 0.75, ...plain }, how);
      const [x, v, h] = evaluateGraph(await open(bytes), feeds).values();
      // v = 0.75·2 + 0.25·4, h = 0.75·8 + 0.25·16, R·√(1 − 0.75)/(1 − 0.75) = 2R
      expect([...list(v), ...list(h)]).to.deep.equal([2.5, 10]);
      expect(list(x)).to.deep.equal([Math.fround(1 - (2 * Math.fround(0.1) * 2.5) / Math.sqrt(10))]);
    });
  });
});
