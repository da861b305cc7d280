import { expect } from 'chai';
import { GraphBuilder } from '../../export/graph.ts';
import { tensor } from '../../reference/tensor.ts';

const settings = { precision: 'float32', batch: 'dynamic', lrn: 'native' } as const;

function builder(precision: 'float32' | 'float16' = 'float32'): GraphBuilder {
  const g = new GraphBuilder({ ...settings, precision });
  g.input('x', ['N', 6, 5, 4]);
  return g;
}

const window = { kernel_shape: [2, 3], strides: [2, 1], pads: [0, 1, 1, 0] };
const conv = { ...window, dilations: [1, 1], group: 2 };

describe('export/graph', () => {
  it('infers shapes by the rules of ONNX, with the batch open', () => {
    const g = builder();
    const w = g.initializer('w', tensor(new Float32Array(4 * 3 * 2 * 3), [4, 3, 2, 3]));
    expect(g.dims(g.node('Conv', ['x', w], 'conv', conv))).to.deep.equal(['N', 4, 3, 3]);
    expect(g.dims(g.node('MaxPool', ['x'], 'pool', window))).to.deep.equal(['N', 6, 3, 3]);
    expect(g.dims(g.node('Reshape', ['x', g.integers('a', [-1, 3, 5, 4])], 'apart'))).to.deep.equal([
      'N*2',
      3,
      5,
      4,
    ]);
    expect(g.dims(g.node('Reshape', ['apart', g.integers('b', [-1, 120])], 'back'))).to.deep.equal([
      'N',
      120,
    ]);
    expect(g.dims(g.node('Reshape', ['x', g.integers('c', [0, -1, 2])], 'kept'))).to.deep.equal(['N', 60, 2]);
    expect(g.dims(g.node('Transpose', ['x'], 'moved', { perm: [0, 2, 3, 1] }))).to.deep.equal(['N', 5, 4, 6]);
    expect(g.dims(g.node('Concat', ['x', 'x'], 'both', { axis: 1 }))).to.deep.equal(['N', 12, 5, 4]);
  });

  const refusals: [string, (g: GraphBuilder) => unknown, RegExp][] = [
    ['an unknown value', (g) => g.node('Relu', ['z'], 'y'), /^y: Relu: there is no value 'z' yet$/],
    ['an unknown operator', (g) => g.node('Relo', ['x'], 'y'), /^y: Relo: no such operator/],
    [
      'a second producer',
      (g) => {
        g.node('Relu', ['x'], 'y');
        g.node('Tanh', ['x'], 'y');
      },
      /^y: there is a value of that name already$/,
    ],
    ['a value called as the input', (g) => g.scalar('x', 1), /^x: there is a value of that name already$/],
    ['a value without a name', (g) => g.scalar('', 1), /must have a name/],
    [
      'a missing attribute',
      (g) => g.node('MaxPool', ['x'], 'y', { strides: [1, 1], pads: [0, 0, 0, 0] }),
      /^y: MaxPool: the attribute kernel_shape is missing$/,
    ],
    [
      'an attribute that the operator does not have',
      (g) => g.node('MaxPool', ['x'], 'y', { ...window, ceil_mode: 1 }),
      /^y: MaxPool: it has no attribute ceil_mode$/,
    ],
    ['too many inputs', (g) => g.node('Relu', ['x', 'x'], 'y'), /^y: Relu: 2 inputs$/],
    [
      'element types that do not mix',
      (g) => g.node('Mul', ['x', g.scalar('half', 1, 'float16')], 'y'),
      /'half' is float16, 'x' is float32$/,
    ],
    [
      'shapes that cannot be broadcast',
      (g) => g.node('Mul', ['x', g.initializer('v', tensor(new Float32Array(3), [3]))], 'y'),
      /^y: Mul: \[N,6,5,4\] and \[3\] cannot be broadcast$/,
    ],
    [
      'weights that do not fit the groups',
      (g) => {
        const w = g.initializer('w', tensor(new Float32Array(4 * 6 * 6), [4, 6, 2, 3]));
        g.node('Conv', ['x', w], 'y', conv);
      },
      /^y: Conv: w \[4,6,2,3\] does not fit x \[N,6,5,4\] in 2 groups$/,
    ],
    [
      'a reshape to another size',
      (g) => g.node('Reshape', ['x', g.integers('s', [-1, 7])], 'y'),
      /^y: Reshape: \[N,6,5,4\] cannot be reshaped to \[-1,7\]$/,
    ],
    [
      'a shape that is not a constant',
      (g) => g.node('Reshape', ['x', 'x'], 'y'),
      /^y: Reshape: 'x' must be an int64 initializer$/,
    ],
    [
      'a window that does not fit',
      (g) => g.node('MaxPool', ['x'], 'y', { ...window, kernel_shape: [9, 9] }),
      /does not fit/,
    ],
    [
      'a shape that disagrees with the oracle',
      (g) => g.expect('x', ['N', 6, 4, 5]),
      /^x: its shape in ONNX is \[N,6,5,4\], in the oracle \[N,6,4,5\]$/,
    ],
    ['an output that nothing makes', (g) => g.output('y'), /^there is no value 'y'$/],
    [
      'a weight that overflows float16',
      (g) => g.initializer('w', tensor(Float32Array.of(1, -70000), [2]), 'float16'),
      /^w: -70000 does not fit float16 \(at most 65504\)$/,
    ],
  ];
  for (const [title, act, reason] of refusals) {
    it(`refuses ${title}`, () => {
      expect(() => act(builder())).to.throw(reason);
    });
  }

  it('views float32 weights and does not copy them', () => {
    const data = new Float32Array(6);
    const g = builder();
    g.initializer('w', tensor(data, [2, 3]));
    expect(g.build('g', '').initializer[0].rawData!.buffer).to.equal(data.buffer);
  });

  it('tells the shape of every value', () => {
    const g = builder();
    g.node('Relu', ['x'], 'a');
    g.node('Tanh', ['a'], 'b');
    g.output('b');
    const graph = g.build('g', '');
    expect(graph.valueInfo.map(({ name }) => name)).to.deep.equal(['a']);
    expect(graph.output[0].type!.tensorType!.shape!.dim).to.deep.equal([
      { dimParam: 'N' },
      ...[6, 5, 4].map((dimValue) => ({ dimValue })),
    ]);
  });
});
