import { expect } from 'chai';
import type { Value } from '../../../lib/array/value.ts';
import { evaluateGraph, evaluateNode } from '../../../lib/onnx/evaluate.ts';
import {
  bool,
  f32,
  graph,
  i64,
  info,
  list,
  modelBytes,
  open,
  refusal,
  run,
  single,
} from '../../support/onnx.ts';

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
      const y = evaluateGraph(await open(modelBytes(third)), feeds).get('y')!;
      expect(y.data).to.be.instanceOf(Float32Array);
      const f = Math.fround;
      expect(list(y)).to.deep.equal([f(f(f(1 / 49) * 49) - 1), f(f(f(7 / 49) * 49) - 7)]);
    });

    it('float64 rounds nothing', async () => {
      const y = evaluateGraph(await open(modelBytes(third)), feeds, { precision: 'float64' }).get('y')!;
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
      expect(list(evaluateGraph(model, given).get('y0')!)).to.deep.equal([2048, 1]);
      expect(list(evaluateGraph(model, given, { precision: 'float64' }).get('y0')!)).to.deep.equal([
        2049,
        1 + 2 ** -11,
      ]);
    });

    it('Cast rounds to its type at either precision', async () => {
      const { bytes, feeds: given } = single('Cast', [f32([0.1])], { to: 10 }, { types: ['float16'] });
      const y = evaluateGraph(await open(bytes), given, { precision: 'float64' }).get('y0')!;
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
    evaluateGraph(model, new Map([['x', f32([-2])]]), {
      trace: ({ name }, outputs) => seen.push(`${name}: ${[...outputs].map(([k, v]) => `${k}=${v.data}`)}`),
    });
    expect(seen).to.deep.equal(['first: a=2', 'second: y=2']);
    const alone = evaluateNode(model, model.graph.nodes[1], new Map([['a', f32([-5])]]));
    expect(list(alone.get('y')!)).to.deep.equal([5]);
  });

  describe('feeds', () => {
    const g = graph([{ op: 'Relu' }], [info('x', 'float32', ['N', 2])], [info('y')]);
    const feed = async (name: string, value: Value) =>
      evaluateGraph(await open(modelBytes(g)), new Map([[name, value]]));

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
          evaluateGraph(
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
      const counted = evaluateGraph(await open(modelBytes(loop('c', ['M', '', 'start']))), feeds(3));
      expect([...counted.values()].map(list)).to.deep.equal([[24], [6, 12, 24]]);
      const conditional = evaluateGraph(await open(modelBytes(loop('less', ['', '', 'start']))), feeds(0));
      expect([...conditional.values()].map(list)).to.deep.equal([[96], [6, 12, 24, 48, 96]]);
      const never = evaluateGraph(await open(modelBytes(loop('c', ['M', '', 'start']))), feeds(0));
      expect([...never.values()].map(({ shape }) => shape)).to.deep.equal([[], [0]]);
    });

    it('a Loop without an end is refused, not waited for', async () => {
      const model = await open(modelBytes(loop('c', ['', '', 'start'])));
      expect(await refusal(async () => evaluateGraph(model, feeds(0), { maxIterations: 500 }))).to.contain(
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
    const text = await refusal(async () =>
      evaluateGraph(await open(modelBytes(g)), new Map([['x', f32([1])]])),
    );
    expect(text).to.equal("m.onnx: node 'a?b' (No?Such?[2J, opset 13): the operator is not supported here");
  });

  it('a kernel much larger than the image costs no time', async () => {
    const attributes = { kernel_shape: [2 ** 30, 2 ** 30], pads: [2 ** 30, 2 ** 30, 0, 0] };
    const x: Value = { dtype: 'uint8', shape: [1, 1, 2, 2], data: Uint8Array.of(1, 9, 3, 4) };
    const { bytes, feeds } = single('MaxPool', [x], attributes, { types: ['uint8'] });
    const y = evaluateGraph(await open(bytes), feeds).get('y0')!;
    expect([y.shape, [...y.data]]).to.deep.equal([
      [1, 1, 3, 3],
      [0, 0, 0, 0, 1, 9, 0, 3, 9],
    ]);
  });

  it('refuses values that no memory holds', async () => {
    const huge = i64([2 ** 20, 2 ** 20, 2 ** 20]);
    expect(await refusal(() => run('ConstantOfShape', [huge]))).to.contain('does not fit');
    expect(await refusal(() => run('Expand', [f32([1]), huge]))).to.contain('does not fit');
    expect(await refusal(() => run('ConstantOfShape', [i64([-1])]))).to.contain('not a shape');
    const far = [f32([0], []), f32([1e30], []), f32([1], [])];
    expect(await refusal(() => run('Range', far))).to.match(/does not fit|not a shape/);
    const pads = i64([2 ** 40, 0]);
    expect(await refusal(() => run('Pad', [f32([1]), pads]))).to.contain('does not fit');
  });

  it('counts halves in float32 since opset 27, unless stash_type says otherwise', async () => {
    const half = (x: number): Value => ({ dtype: 'float16', shape: [], data: Float32Array.of(x) });
    // 3 + 2⁻¹⁴·i: in float16 every term is rounded once, from the exact sum or from a float32
    const bounds = [half(3), half(3.01), half(2 ** -14)];
    const ranges = await Promise.all(
      [11, 27].map(async (opset) => {
        const { bytes, feeds } = single('Range', bounds, {}, { opset, types: ['float16'] });
        return list(evaluateGraph(await open(bytes), feeds).get('y0')!);
      }),
    );
    expect(ranges[1]).to.deep.equal(ranges[0]);
    // 2⁻¹⁴·i + 2⁹ needs 24 bits and more: float32 rounds first
    const wide = [half(512), half(513), half(2 ** -14 + 2 ** -24)];
    const float32 = single('Range', wide, {}, { opset: 27, types: ['float16'] });
    const y = list(
      evaluateGraph(await open(float32.bytes), float32.feeds, { precision: 'float64' }).get('y0')!,
    );
    expect(y[1]).to.equal(Math.fround(512 + (2 ** -14 + 2 ** -24)));
    const own = single('Range', wide, { stash_type: 10 }, { opset: 27, types: ['float16'] });
    const z = list(evaluateGraph(await open(own.bytes), own.feeds, { precision: 'float64' }).get('y0')!);
    expect(z[1]).to.equal(512 + (2 ** -14 + 2 ** -24));
  });

  it('trains with Dropout’s seed as numpy draws, y = x·mask/(1 − ratio)', async () => {
    const x = f32([1, 1, 1, 1]);
    const [y, mask] = await run('Dropout', [x, f32([0.6], []), bool([1], [])], { seed: 5489 }, 13, 2);
    // uniform(5489): 0.8147 0.9058 0.1270 0.9134 (the first four of MATLAB's rand, too)
    expect(list(mask)).to.deep.equal([1, 1, 0, 1]);
    expect(list(y)).to.deep.equal([1, 1, 0, 1].map((m) => Math.fround(m / (1 - Math.fround(0.6)))));
  });
});
