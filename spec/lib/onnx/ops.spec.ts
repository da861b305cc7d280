/** Operators on numbers small enough for the head; what each gives is worked out from ONNX's text. */
import { expect } from 'chai';
import type { Value } from '../../../lib/array/value.ts';
import { constantsOf } from '../../../lib/onnx/constants.ts';
import { evaluateGraph, evaluateNode } from '../../../lib/onnx/evaluate.ts';
import { layerOf } from '../../../lib/onnx/layer.ts';
import {
  type AttributeValue,
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
  tensorOf,
} from '../../support/onnx.ts';

const words = (...data: string[]): Value => ({ dtype: 'string', shape: [data.length], data });

describe('operators by hand', () => {
  const x23 = f32([1, 2, 3, 4, 5, 6], [2, 3]);
  const cube = f32([0, 1, 2, 3, 4, 5, 6, 7], [2, 2, 2]);
  const minusLogs = f32([-1, -2, -3, -4, -5, -6], [2, 3]);
  const loss = [minusLogs, i64([1, 2]), f32([0.5, 1, 2])];
  const rows: readonly (readonly [
    op: string,
    inputs: readonly (Value | undefined)[],
    attributes: Readonly<Record<string, AttributeValue>>,
    expected: readonly (number | string)[],
    shape?: readonly number[],
    opset?: number,
  ])[] = [
    ['Pow', [i64([3, 2, -1, 2]), i64([5, 10, 3, 0])], {}, [243, 1024, -1, 1]],
    ['Abs', [i64([-7, 7, 0])], {}, [7, 7, 0]],
    ['Clip', [i64([-5, 0, 5]), i64([-2], []), i64([3], [])], {}, [-2, 0, 3]],
    ['Clip', [i64([-5, 0, 5]), undefined, i64([3], [])], {}, [-5, 0, 3]],
    ['ReduceMean', [i64([3, 6])], { keepdims: 0 }, [4], []],
    ['ReduceMean', [i64([-3, -4])], { keepdims: 0 }, [-3], []],
    ['Cast', [i64([3, -4])], { to: 1 }, [3, -4]],
    ['Cast', [bool([1, 0])], { to: 7 }, [1, 0]],
    ['Pow', [f32([3, 2]), bool([1, 0])], {}, [3, 1]],
    ['Size', [f32(new Array(200).fill(0))], {}, [200], []],
    ['Cast', [words('1.5', '-2', 'INF')], { to: 1 }, [1.5, -2, Number.POSITIVE_INFINITY]],
    ['Cast', [f32([1.5, -2])], { to: 8 }, ['1.5', '-2']],
    ['Expand', [words('a'), i64([3])], {}, ['a', 'a', 'a']],
    ['Reshape', [x23, i64([0, -1, 1])], {}, [1, 2, 3, 4, 5, 6], [2, 3, 1]],
    ['GatherND', [x23, i64([0, 1, 1, 2], [2, 2])], {}, [2, 6]],
    ['GatherND', [cube, i64([1, 0], [2, 1])], { batch_dims: 1 }, [2, 3, 4, 5], [2, 2]],
    [
      'ScatterElements',
      [f32([2, 3, 4]), i64([1, 1]), f32([5, 6])],
      { reduction: 'mul' },
      [2, 90, 4],
      [3],
      18,
    ],
    ['ScatterElements', [f32([2, 3, 4]), i64([0, 1]), f32([5, 1])], { reduction: 'max' }, [5, 3, 4], [3], 18],
    ['NegativeLogLikelihoodLoss', loss, { reduction: 'none' }, [2, 12]],
    ['NegativeLogLikelihoodLoss', loss, { reduction: 'sum' }, [14], []],
    ['NegativeLogLikelihoodLoss', loss, {}, [Math.fround(14 / 3)], []],
    ['NegativeLogLikelihoodLoss', loss, { ignore_index: 2 }, [2], []],
    [
      'ConvTranspose',
      [f32([1, 2], [1, 1, 2]), f32([3, 4], [1, 1, 2])],
      { auto_pad: 'VALID' },
      [3, 10, 8],
      [1, 1, 3],
    ],
  ];
  for (const [op, inputs, attributes, expected, shape = [expected.length], opset = 13] of rows) {
    it(`${op} ${JSON.stringify(attributes)} gives ${expected.join(', ')}`, async () => {
      const [y] = await run(op, inputs, attributes, opset);
      expect([...y.shape]).to.deep.equal(shape);
      expect(y.dtype === 'string' ? y.data : list(y)).to.deep.equal(expected);
    });
  }

  it('a Gemm is a fully connected layer where both its operands are matrices, and nothing else is asked', async () => {
    const [a, b, c] = [f32([1, 2], [1, 2]), f32([3, 4, 5, 6], [2, 2]), f32([7, 8])];
    const of = async (
      attributes: Readonly<Record<string, AttributeValue>>,
      ...inputs: (Value | undefined)[]
    ) => {
      const model = await open(single('Gemm', [a, b, c], attributes).bytes);
      return layerOf(model, model.graph.nodes[0], inputs);
    };
    const plain = await of({}, a, b, c);
    expect(plain!.layer).to.include({ kind: 'linear', channels: 2 });
    // rows are inputs, unless transB says otherwise
    expect([...plain!.weights.values()].map(({ data }) => [...data])).to.deep.equal([
      [3, 5, 4, 6],
      [7, 8],
    ]);
    expect(
      [...(await of({ transB: 1 }, a, b, c))!.weights.values()].map(({ data }) => [...data])[0],
    ).to.deep.equal([...[3, 4, 5, 6]]);
    const flat = f32([1, 2]);
    for (const inputs of [
      [undefined, b],
      [a, undefined],
      [flat, b],
      [a, flat],
      [a, b, f32([1])],
    ])
      expect(await of({}, ...inputs)).to.equal(null);
    for (const [name, value] of Object.entries({ transA: 1, alpha: 0.5, beta: 0.5 }))
      expect(await of({ [name]: value }, a, b, c), name).to.equal(null);
  });

  it('constants are what is computed from initializers alone, by operators that are known', async () => {
    const nodes = [
      { op: 'Neg', inputs: ['w'], outputs: ['a'] },
      { op: 'Neg', inputs: ['a'], outputs: ['b'] },
      { op: 'NoSuch', inputs: ['w'], outputs: ['c'] },
      { op: 'Sum', inputs: ['x', 'b', 'c'], outputs: ['d'] },
    ];
    const model = await open(modelBytes(graph(nodes, [info('x')], [info('d')], [tensorOf(f32([2]), 'w')])));
    expect([...constantsOf(model)].map(([name, value]) => [name, ...list(value)])).to.deep.equal([
      ['w', 2],
      ['b', 2],
    ]);
  });

  it('what cannot be is refused', async () => {
    const of = (...[op, inputs, attributes]: Parameters<typeof run>) =>
      refusal(async () => void (await run(op, inputs, attributes)));
    for (const shape of [
      [-1, -1],
      [-2, -3],
      [4, -1],
      [0, 0, 0],
      [2, 4],
    ])
      expect(await of('Reshape', [x23, i64(shape)]), `${shape}`).to.match(/cannot be reshaped|does not have/);
    expect(await of('Reshape', [f32([], [0, 3]), i64([0, -1])], { allowzero: 1 })).to.match(
      /reshape|allowzero/,
    );
    expect(await of('ConvTranspose', [f32([1, 2], [1, 1, 2]), f32([3, 4, 5, 6], [2, 1, 2])])).to.match(
      /does not fit x/,
    );
    const picture = f32([1, 2, 3, 4], [1, 1, 2, 2]);
    for (const strides of [[2, 0], [2], [2, 2, 2]])
      expect(await of('MaxPool', [picture], { kernel_shape: [2, 2], strides })).to.match(
        /must be 2 integers ≥ 1/,
      );
    expect(await of('NegativeLogLikelihoodLoss', [minusLogs, i64([1, 3])])).to.match(
      /target 3 is outside the 3/,
    );
    expect(await of('Pow', [i64([0]), i64([-1])])).to.match(/integer division by zero/);
  });

  it('MaxPool’s indices count rows first, or columns where storage_order says so, maps one after another', async () => {
    const maps = f32([1, 4, 3, 2, 5, 8, 7, 6], [1, 2, 2, 2]);
    const at = async (storage_order: number) =>
      list((await run('MaxPool', [maps], { kernel_shape: [2, 2], storage_order }, 13, 2))[1]);
    expect(await at(0)).to.deep.equal([1, 5]);
    expect(await at(1)).to.deep.equal([2, 6]);
  });

  it('Multinomial: where one class is certain each sample is it, the first of the row or the last', async () => {
    const x = f32([0, -1000, -1000, -1000, -1000, 0], [2, 3]);
    const { bytes } = single('Multinomial', [x], { sample_size: 3 }, { types: ['int32'] });
    const model = await open(bytes);
    const y = evaluateNode(model, model.graph.nodes[0], new Map([['x0', x]])).get('y0')!;
    expect([y.dtype, ...y.shape, ...list(y)]).to.deep.equal(['int32', 2, 3, 0, 0, 0, 2, 2, 2]);
  });

  it('Dropout’s mask is of bools since version 10, before it of the type of x', async () => {
    for (const [opset, dtype] of [
      [7, 'float32'],
      [10, 'bool'],
      [13, 'bool'],
    ] as const) {
      const [, mask] = await run('Dropout', [f32([1, 2])], {}, opset, 2);
      expect([mask.dtype, ...list(mask)], `${opset}`).to.deep.equal([dtype, 1, 1]);
    }
  });

  it('Momentum: V′ = αV + β(rX + G), at T = 0 without β; X − R·V′, Nesterov’s X − R(rX + G + αV′)', async () => {
    const step = async (T: number, mode: string, G = f32([2])) => {
      const inputs = [f32([0.125], []), i64([T], []), f32([1]), G, f32([3])];
      const attributes = { alpha: 0.5, beta: 0.25, norm_coefficient: { float: 1 }, mode };
      const domain = 'ai.onnx.preview.training';
      const { bytes, feeds } = single('Momentum', inputs, attributes, { outputs: 2, domain });
      return [...evaluateGraph(await open(bytes), feeds).values()].flatMap(list);
    };
    // rX + G = 3: V′ = 1.5 + 3, and 1.5 + 0.75
    expect(await step(0, 'standard')).to.deep.equal([1 - 4.5 / 8, 4.5]);
    expect(await step(1, 'standard')).to.deep.equal([1 - 2.25 / 8, 2.25]);
    expect(await step(1, 'nesterov')).to.deep.equal([1 - (3 + 1.125) / 8, 2.25]);
    expect(await refusal(() => step(1, 'standard', f32([2, 2])))).to.match(/differ in shape/);
  });

  it('a Loop of one round stacks one value, of none nothing, in the type that is declared', async () => {
    const body = graph(
      [{ op: 'Identity', inputs: ['v'], outputs: ['scan'] }],
      [info('i', 'int64', []), info('c', 'bool', [])],
      [info('c', 'bool', []), info('scan', 'float32', [2])],
    );
    const loop = { op: 'Loop', inputs: ['m', 'go'], outputs: ['y'], attributes: { body } };
    const inputs = [info('v', 'float32', [2]), info('m', 'int64', []), info('go', 'bool', [])];
    const model = await open(modelBytes(graph([loop], inputs, [info('y')])));
    for (const m of [1, 0]) {
      const feeds = new Map([
        ['v', f32([5, 6])],
        ['m', i64([m], [])],
        ['go', bool([1], [])],
      ]);
      const y = evaluateGraph(model, feeds).get('y')!;
      expect([y.dtype, ...y.shape, ...list(y)]).to.deep.equal(['float32', m, 2, ...(m ? [5, 6] : [])]);
    }
  });
});
