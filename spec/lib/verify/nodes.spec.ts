import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { dataTypes } from '../../../export/dtypes.ts';
import { toFloat16 } from '../../../export/float16.ts';
import { type TensorProto, tensorProto, type ValueInfoProto } from '../../../export/proto.ts';
import { fromTensor, type Value } from '../../../lib/array/value.ts';
import { classes } from '../../../lib/bounds/arithmetic.ts';
import type { Judged } from '../../../lib/bounds/bounds.ts';
import { judgedNode } from '../../../lib/bounds/nodes.ts';
import { writeNpy } from '../../../lib/format/npy.ts';
import { judge } from '../../../lib/judge/judge.ts';
import { readModel } from '../../../lib/onnx/read.ts';
import { run } from '../../../lib/onnx/run.ts';
import { verify } from '../../../lib/verify/index.ts';
import { noiseFor, verifyGraph } from '../../../lib/verify/nodes.ts';
import { type Shape, tensor } from '../../../reference/tensor.ts';
import { tallied } from '../../support/generated/tally.ts';
import { random } from '../../support/models.ts';
import {
  f32,
  graph,
  i64,
  info,
  modelBytes,
  type NodeText,
  open,
  refusal,
  tensorOf,
} from '../../support/onnx.ts';
import { writeNpz } from '../../support/tensor-bytes.ts';

describe('verify on the nodes of a graph', function () {
  this.timeout(60_000);
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-nodes-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const halves = (name: string, shape: Shape, seed: number): TensorProto => {
    const bits = toFloat16(random(shape, seed).data as Float32Array);
    const rawData = new Uint8Array(bits.buffer);
    return tensorProto({ name, dataType: dataTypes.float16, dims: [...shape], rawData });
  };
  /** Rows as [name, verdict], the whole verdict, and the result. */
  async function judged(
    nodes: readonly NodeText[],
    inputs: readonly ValueInfoProto[],
    outputs: readonly ValueInfoProto[],
    initializers: readonly TensorProto[] = [],
    input: readonly string[] = [],
  ) {
    const model = join(folder, 'm.onnx');
    writeFileSync(model, modelBytes(graph(nodes, inputs, outputs, initializers), 15));
    const result = await verify({ model, device: 'cpu', input });
    const rows = result.layers.map(({ layer, verdict }) => [layer, verdict]);
    return { result, rows: Object.fromEntries(rows), verdict: result.verdict };
  }
  const file = (name: string, values: readonly number[], shape: Shape): string => {
    const path = join(folder, `${name}.npy`);
    writeFileSync(path, writeNpy(fromTensor(tensor(Float32Array.from(values), shape))));
    return `${name}=${path}`;
  };

  it('each output of a node is the device’s own: Split, TopK and its indices, MaxPool’s', async () => {
    const { rows, verdict } = await judged(
      [
        { op: 'Softmax', inputs: ['x'], outputs: ['s'] }, // its rounding must not be the oracle's below
        { op: 'Split', inputs: ['s'], outputs: ['a', 'b'], attributes: { axis: 1 } },
        { op: 'Relu', inputs: ['b'], outputs: ['r'] },
        { op: 'TopK', inputs: ['b', 'k'], outputs: ['top', 'at'] },
        { op: 'MaxPool', inputs: ['x'], outputs: ['p', 'where'], attributes: { kernel_shape: [2, 2] } },
        { op: 'Cast', inputs: ['at'], outputs: ['y'], attributes: { to: dataTypes.float32 } },
      ],
      [info('x', 'float32', [1, 4, 5, 40])],
      [info('a'), info('r'), info('p'), info('y')],
      [tensorOf(i64([3]), 'k')],
    );
    expect(Object.keys(rows)).to.deep.equal(['s', 'a', 'b', 'r', 'top', 'at', 'p', 'where', 'y']);
    expect([...new Set(Object.values(rows))]).to.deep.equal(['pass']);
    expect(verdict).to.equal('pass');
  });

  it('float16 is told by the values: from a Cast, from an input, in all but the ends', async () => {
    const nodes: NodeText[] = [
      { op: 'Cast', inputs: ['x'], outputs: ['h'], attributes: { to: dataTypes.float16 } },
      { op: 'Conv', inputs: ['h', 'w'], outputs: ['c'] },
      { op: 'LRN', inputs: ['c'], outputs: ['l'], attributes: { size: 5, alpha: 0.5 } },
      { op: 'Tanh', inputs: ['l'], outputs: ['t'] },
      { op: 'AveragePool', inputs: ['t'], outputs: ['p'], attributes: { kernel_shape: [3, 3] } },
      { op: 'Exp', inputs: ['p'], outputs: ['e'] },
      { op: 'Div', inputs: ['e', 'e2'], outputs: ['d'] },
      { op: 'ReduceMean', inputs: ['d'], outputs: ['m'], attributes: { axes: [2, 3] } },
      { op: 'Flatten', inputs: ['m'], outputs: ['f'] },
      { op: 'LogSoftmax', inputs: ['f'], outputs: ['ls'] },
      { op: 'Cast', inputs: ['ls'], outputs: ['y'], attributes: { to: dataTypes.float32 } },
    ];
    const exp: NodeText = { op: 'Exp', inputs: ['t'], outputs: ['e1'] };
    const pool = { op: 'MaxPool', inputs: ['e1'], outputs: ['e2'], attributes: { kernel_shape: [3, 3] } };
    const all = [...nodes.slice(0, 4), exp, pool, ...nodes.slice(4)];
    const weights = [halves('w', [8, 3, 3, 3], 5)];
    const right = await judged(all, [info('x', 'float32', [2, 3, 9, 9])], [info('y')], weights);
    expect(right.verdict).to.equal('pass');
    expect(right.result.required).to.equal('float16');
    expect(right.result.runs.map(({ verdict }) => verdict)).to.deep.equal(['pass', 'pass', 'pass']);
    // no half but the input
    const fed = [{ op: 'Mul', inputs: ['x', 'x'], outputs: ['y'] }];
    const of = [info('x', 'float16', [3, 5])];
    expect((await judged(fed, of, [info('y', 'float16')])).result.required).to.equal('float16');
  });

  it('a Cast to float32 may show what the kernel before kept beyond float16, and no more', async () => {
    const to = { to: dataTypes.float32 };
    const cast = graph([{ op: 'Cast', attributes: to }], [info('x', 'float16', [3])], [info('y')]);
    const model = await readModel(modelBytes(cast), 'm.onnx');
    const x = { dtype: 'float16', shape: [3], data: Float32Array.of(1, -0.5, 100) } as const;
    const verdict = (factor: number) => {
      const y = { dtype: 'float32', shape: [3], data: x.data.map((v) => v * factor) } as const;
      const values = new Map<string, Value>([
        ['x', x],
        ['y', y],
      ]);
      const about = { model, node: model.graph.nodes[0], values, device: 'cpu' } as const;
      const [judged] = judgedNode({ ...about, operands: classes.float16 }, ['y']);
      return judge(tensor(y.data, [3]), judged as Judged, classes.float16).verdict;
    };
    expect([1, 1 + 2 ** -12, 1 + 2 ** -10].map(verdict)).to.deep.equal(['pass', 'pass', 'fail']);
  });

  it('arithmetic of fewer bits than float16 is still found: operands as bfloat16', async () => {
    const bfloat = { to: dataTypes.bfloat16 };
    const half = { to: dataTypes.float16 };
    const file = (narrows: boolean): Uint8Array => {
      const names = narrows ? ['xn', 'wn'] : ['x', 'w'];
      const conv = { op: 'Conv', inputs: names, outputs: ['c'], attributes: { pads: [1, 1, 1, 1] } };
      const narrow = ['x', 'w'].flatMap((name) => [
        { op: 'Cast', inputs: [name], outputs: [`${name}b`], attributes: bfloat },
        { op: 'Cast', inputs: [`${name}b`], outputs: [`${name}n`], attributes: half },
      ]);
      const nodes = [...(narrows ? narrow : []), conv, { op: 'Relu', inputs: ['c'], outputs: ['y'] }];
      const inputs = [info('x', 'float16', [1, 16, 9, 9])];
      return modelBytes(graph(nodes, inputs, [info('y', 'float16')], [halves('w', [8, 16, 3, 3], 4)]), 15);
    };
    const model = await readModel(file(false), 'm.onnx');
    const feeds = new Map([['x', noiseFor(model.graph.inputs[0], 3)]]);
    const rows = async (narrows: boolean) => {
      const { layers } = await verifyGraph({ bytes: file(narrows), model, feeds, device: 'cpu' });
      return layers.map(({ verdict, reason }) => [verdict, reason.replace(/^[\d.]+/, '…')]);
    };
    expect(await rows(false)).to.deep.equal([
      ['pass', ''],
      ['pass', ''],
    ]);
    expect(await rows(true)).to.deep.equal([
      ['fail', '… effective bits, float16 has at least 10'],
      ['pass', ''],
    ]);
  });

  it('a Cast to float16 and back that is taken away is not a fault', async () => {
    const { verdict, result } = await judged(
      [
        { op: 'Tanh', inputs: ['x'], outputs: ['t'] },
        { op: 'Cast', inputs: ['t'], outputs: ['h'], attributes: { to: dataTypes.float16 } },
        { op: 'Cast', inputs: ['h'], outputs: ['b'], attributes: { to: dataTypes.float32 } },
        { op: 'Mul', inputs: ['b', 'b'], outputs: ['y'] },
      ],
      [info('x', 'float32', [4, 50])],
      [info('y', 'float32', [4, 50])],
    );
    expect(verdict).to.equal('pass');
    expect(result.runs.map((run) => run.verdict)).to.deep.equal(['pass', 'pass', 'pass']);
  });

  it('Dropout that draws is judged by its rate, and what follows is compared with no chain', async () => {
    const nodes = (shape: number): NodeText[] => [
      { op: 'Constant', inputs: [], outputs: ['p'], attributes: { value_float: 0.25 } },
      { op: 'Dropout', inputs: ['x', 'p', 't'], outputs: ['d', 'mask'] },
      { op: 'Exp', inputs: ['d'], outputs: ['y'] },
      { op: 'Identity', inputs: ['mask'], outputs: [`m${shape}`] },
    ];
    const t = tensorProto({ name: 't', dataType: dataTypes.bool, dims: [], rawData: Uint8Array.of(1) });
    const { rows, verdict, result } = await judged(
      nodes(1),
      [info('x', 'float32', [1, 4000])],
      [info('y', 'float32', [1, 4000])],
      [t],
    );
    expect(rows).to.deep.equal({ d: 'pass', mask: 'pass', y: 'pass', m1: 'pass' });
    expect(verdict).to.equal('pass');
    const [, , untouched] = result.runs;
    expect([untouched.verdict, untouched.reason]).to.deep.equal([
      'untested',
      'y: not compared, computed from values that are random, overflow or have no bound',
    ]);
    expect(result.layers.find(({ layer }) => layer === 'y')?.accumulated).to.equal(null);
  });

  it('numbers that a node draws are untested, and all behind them is judged from the device’s own', async () => {
    const nodes: NodeText[] = [
      { op: 'RandomNormal', inputs: [], outputs: ['n'], attributes: { shape: [2, 30] } },
      {
        op: 'RandomUniform',
        inputs: [],
        outputs: ['u'],
        attributes: { shape: [2, 30], dtype: dataTypes.float32 },
      },
      { op: 'RandomNormalLike', inputs: ['x'], outputs: ['nl'] },
      { op: 'RandomUniformLike', inputs: ['x'], outputs: ['ul'], attributes: { low: { float: 0.25 } } },
      { op: 'Bernoulli', inputs: ['u'], outputs: ['b'] },
      {
        op: 'Multinomial',
        inputs: ['x'],
        outputs: ['m'],
        attributes: { sample_size: 3, dtype: dataTypes.int64 },
      },
      { op: 'Sum', inputs: ['x', 'n', 'nl', 'ul', 'b'], outputs: ['s'] },
      { op: 'Tanh', inputs: ['s'], outputs: ['y'] },
      { op: 'Cast', inputs: ['m'], outputs: ['c'], attributes: { to: dataTypes.float32 } },
      { op: 'Exp', inputs: ['x'], outputs: ['e'] },
    ];
    const outputs = [info('y'), info('c'), info('e')];
    const { rows, result } = await judged(nodes, [info('x', 'float32', [2, 30])], outputs);
    const random = {
      n: 'untested',
      u: 'untested',
      nl: 'untested',
      ul: 'untested',
      b: 'untested',
      m: 'untested',
    };
    expect(rows).to.deep.equal({ ...random, s: 'pass', y: 'pass', c: 'pass', e: 'pass' });
    const told = result.layers.filter(({ verdict }) => verdict === 'untested').map(({ reason }) => reason);
    expect([...new Set(told)]).to.deep.equal(['random']);
    const row = (name: string) => result.layers.find(({ layer }) => layer === name);
    expect([row('y')?.accumulated, row('n')?.accumulated]).to.deep.equal([null, null]);
    expect(row('e')?.accumulated).to.be.a('number');
    const refusal = await run(join(folder, 'm.onnx')).catch((e) => e);
    expect(refusal.message).to.match(/\(RandomNormal, opset 15\): the operator is not supported here$/);
  });

  it('values that overflow are called so', async () => {
    const { rows, result } = await judged(
      [
        { op: 'Add', inputs: ['x', 'x'], outputs: ['twice'] },
        { op: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] },
      ],
      [info('x', 'float32', [1, 3])],
      [info('twice', 'float32', [1, 3]), info('y', 'float32', [1, 2])],
      [tensorOf(f32([3e38, 1, 3e38, 2, 3e38, 3], [3, 2]), 'w')],
      [file('x', [3e38, 1, 2e38], [1, 3])],
    );
    expect(rows).to.deep.equal({ twice: 'untested', y: 'untested' });
    for (const { reason, introduced } of result.layers) {
      expect(reason).to.match(/^overflows: the oracle's value.* is beyond float32 in [12] of [23]$/);
      expect(introduced?.bits === null || Number.isFinite(introduced?.bits)).to.equal(true);
    }
  });

  it('a value without elements is judged by its shape', async () => {
    const { rows, verdict } = await judged(
      [
        { op: 'Slice', inputs: ['x', 'zero', 'zero'], outputs: ['none'] },
        { op: 'Tanh', inputs: ['none'], outputs: ['t'] },
        { op: 'Concat', inputs: ['x', 't'], outputs: ['y'], attributes: { axis: 0 } },
      ],
      [info('x', 'float32', [3, 4])],
      [info('y', 'float32', [3, 4])],
      [tensorOf(i64([0]), 'zero')],
    );
    expect(rows).to.deep.equal({ none: 'pass', t: 'pass', y: 'pass' });
    expect(verdict).to.equal('pass');
  });

  it('extents of 0 and −1 are open', async () => {
    for (const extent of [0, -1]) {
      const x = info('x', 'float32', [extent, 3]);
      expect((await judged([{ op: 'Relu' }], [x], [info('y')])).verdict, String(extent)).to.equal('pass');
    }
  });

  it('values from elsewhere: what they were computed of is taken from among them', async () => {
    const model = join(folder, 'elsewhere.onnx');
    const x = info('x', 'float32', [3]);
    writeFileSync(model, modelBytes(graph([{ op: 'Neg' }], [x], [info('y', 'float32', [3])])));
    for (const [y, verdict] of [
      [[-1, -2, -3], 'pass'],
      [[-1, -2, 3], 'fail'],
    ] as const) {
      const values = join(folder, `${verdict}.npz`);
      writeFileSync(
        values,
        writeNpz([
          ['x', fromTensor(tensor(Float32Array.of(1, 2, 3), [3]))],
          ['y', fromTensor(tensor(Float32Array.from(y), [3]))],
        ]),
      );
      const { layers, ...found } = await verify({ model, values });
      expect([found.verdict, layers.map(({ layer }) => layer)]).to.deep.equal([verdict, ['y']]);
    }
  });

  it('noise is for floats of a known shape, and what is no number is refused wherever it stands', async () => {
    for (const dtype of ['float32', 'float64', 'float16'] as const)
      expect(noiseFor({ name: 'x', dtype, shape: ['N', 3] }, 1)).to.deep.include({ dtype, shape: [1, 3] });
    for (const dtype of ['int64', 'bool', null] as const)
      expect(() => noiseFor({ name: 'x', dtype, shape: [1] }, 1)).to.throw(
        `'x' is ${dtype ?? 'of no type'}: give it`,
      );
    expect(() => noiseFor({ name: 'x', dtype: 'float32', shape: null }, 1)).to.throw(
      "input 'x' is float32: give it",
    );
    for (const at of [0, 2]) {
      const data = [1, 2, 3].with(at, Number.NaN);
      const bytes = modelBytes(graph([{ op: 'Relu' }], [info('x', 'float32', [3])], [info('y')]));
      const model = await open(bytes);
      const feeds = new Map([['x', f32(data)]]);
      expect(await refusal(() => verifyGraph({ bytes, model, feeds, device: 'cpu' } as never))).to.equal(
        `x holds NaN at position ${at}: nothing can be verified`,
      );
    }
  });

  it('names of JavaScript’s own are names like others', async () => {
    const names = ['__proto__', 'constructor', 'hasOwnProperty'];
    const nodes = names.map((name, i) => ({ op: 'Exp', inputs: [['x', ...names][i]], outputs: [name] }));
    const { verdict, result } = await judged(
      [...nodes, { op: 'Tanh', inputs: ['hasOwnProperty'], outputs: ['toString'] }],
      [info('x', 'float32', [2, 3])],
      [info('toString', 'float32', [2, 3])],
    );
    expect(verdict).to.equal('pass');
    expect(result.layers.map(({ layer }) => layer)).to.deep.equal([...names, 'toString']);
  });
});

describe('verify on generated graphs', function () {
  this.timeout(180_000);

  // 500 take a minute or two: npx tsx bench/generated-graphs.ts
  it('calls no right one wrong, and notices one wrong node', async () => {
    const { verdicts, met, wrong } = await tallied(50, 10_000);
    expect(wrong).to.deep.equal([]);
    expect([verdicts.get('float32 pass'), verdicts.get('float16 pass')].every((n) => n! > 20)).to.equal(true);
    expect(met.get('noticed')).to.be.above(30);
  });
});
