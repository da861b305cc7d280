import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect } from 'chai';
import { attributeTypes, decodeModel } from '../../export/proto.ts';
import { renamed } from '../../export/rename.ts';
import { joined } from '../../export/wire.ts';
import { modelFile } from '../../export/write.ts';
import { holdDevice, openSession } from '../../lib/runtime/session.ts';
import { asTensor, type SessionValue } from '../../lib/runtime/values.ts';
import { dense, tensor } from '../../reference/tensor.ts';
import { f32, graph, info, modelBytes, type NodeText, tensorOf } from '../support/onnx.ts';

/** Names that end a string in onnxruntime's profile, or that no object can have. */
const SPOOF =
  'q","args":{}},{"cat":"Node","name":"b_kernel_time","args":{"provider":"X","op_name":"Relu"}},{"a":"';
const nasty = ['__proto__', SPOOF, 'C:\\dir\\u', 'tab\tand\nnewline', '"', 'constructor', 'v0', 'n1', 'ü'];

/** x → Relu → … → Relu, values and nodes called as `names` say; the last value is y. */
const chain = (names: readonly string[]): Uint8Array => {
  const nodes = names.map((name, i): NodeText => {
    const output = i === names.length - 1 ? 'y' : `${name}·`;
    return {
      op: i % 2 ? 'Neg' : 'Relu',
      name,
      inputs: [i === 0 ? 'x' : `${names[i - 1]}·`],
      outputs: [output],
    };
  });
  return modelBytes(graph(nodes, [info('x', 'float32', [2])], [info('y', 'float32', [2])]));
};

const x = (): ReadonlyMap<string, SessionValue> => new Map([['x', tensor(Float32Array.of(-1, 2), [2])]]);
const numbers = (values: ReadonlyMap<string, SessionValue>, name: string): number[] => [
  ...dense(asTensor(values.get(name)!, name)),
];

const unsigned = (value: number) => value + 0; // −0 is 0

describe('a model with other names', () => {
  it('shows onnxruntime none of the names, and places and returns values by their own', async () => {
    const taps = nasty.slice(0, -1).map((name) => `${name}·`);
    await using session = await openSession(chain(nasty), 'cpu', { optimise: false, profile: true, taps });
    expect([...session.inputs, ...session.outputs].map(({ name }) => name)).to.have.members([
      'x',
      'y',
      ...taps,
    ]);
    const values = await session.run(x());
    expect([...values.keys()]).to.have.members(['y', ...taps]);
    expect(numbers(values, '__proto__·')).to.deep.equal([0, 2]);
    const { nodes } = await session.placement();
    expect(nodes.map(({ name, op, device }) => [name, op, device])).to.deep.equal(
      nasty.map((name, i) => [name, i % 2 ? 'Neg' : 'Relu', 'CPU']),
    );
  });

  it('has a value called __proto__', async () => {
    const nodes: NodeText[] = [
      { op: 'Relu', outputs: ['__proto__'] },
      { op: 'Neg', inputs: ['__proto__'] },
    ];
    const bytes = modelBytes(graph(nodes, [info('x', 'float32', [2])], [info('y', 'float32', [2])]));
    await using session = await openSession(bytes, 'cpu', {
      taps: ['__proto__'],
      profile: true,
      optimise: false,
    });
    expect(numbers(await session.run(x(), ['__proto__']), '__proto__')).to.deep.equal([0, 2]);
    const { nodes: placed } = await session.placement();
    expect(placed.map(({ name }) => name)).to.deep.equal(['Relu → __proto__', 'Neg → y']);
  });

  it('keeps what subgraphs, initializers and functions read', async () => {
    const branch = (op: string) =>
      graph([{ op, inputs: ['both', 'w'], outputs: ['r'] }], [], [info('r', 'float32', [2])]);
    const nodes: NodeText[] = [
      { op: 'Twice', domain: 'own', outputs: ['both'] },
      {
        op: 'If',
        inputs: ['c'],
        attributes: { then_branch: branch('Add'), else_branch: branch('Mul') },
      },
    ];
    const whether = { dtype: 'bool', shape: [], data: Uint8Array.of(1) } as const;
    const main = graph(
      nodes,
      [info('x', 'float32', [2])],
      [info('y', 'float32', [2])],
      [tensorOf(f32([10, 20]), 'w'), tensorOf(whether, 'c')],
    );
    const twice = graph([{ op: 'Add', inputs: ['a', 'a'], outputs: ['b'] }], [], []);
    const bytes = modelBytes(main, 13, {
      opsetImport: [
        { domain: '', version: 13 },
        { domain: 'own', version: 1 },
      ],
      functions: [
        {
          name: 'Twice',
          domain: 'own',
          ...{ input: ['a'], output: ['b'], attribute: [], node: twice.node },
          opsetImport: [{ domain: '', version: 13 }],
        },
      ],
    });
    await using session = await openSession(bytes, 'cpu');
    expect(numbers(await session.run(x()), 'y')).to.deep.equal([8, 24]);
  });

  it('finds them in a list of subgraphs too, which no operator of ONNX has', () => {
    const inner = graph([{ op: 'Neg', inputs: ['x'], outputs: ['r'] }], [], [info('r')]);
    const outer = graph([{ op: 'Own', attributes: { all: inner } }], [info('x')], [info('y')]);
    const [all] = outer.node[0].attribute;
    outer.node[0].attribute = [{ ...all, type: attributeTypes.GRAPHS, g: undefined, graphs: [inner] }];
    const { untapped, valueNames } = renamed(modelBytes(outer));
    const [{ graphs }] = decodeModel(untapped).graph!.node[0].attribute;
    expect(graphs[0].node[0].input).to.deep.equal([valueNames.get('x')]);
    expect(graphs[0].output[0].name).to.equal(valueNames.get('r'));
  });

  it("names the file's values in what onnxruntime says", async () => {
    const bytes = modelBytes(
      graph(
        [{ op: 'Add', inputs: ['left', 'right'], outputs: ['y'], name: 'sum' }],
        ['left', 'right'].map((name) => info(name, 'float32', ['n'])),
        [info('y')],
      ),
    );
    await using session = await openSession(bytes, 'cpu');
    const of = (n: number) => tensor(new Float32Array(n), [n]);
    const error = await session
      .run(
        new Map([
          ['left', of(2)],
          ['right', of(3)],
        ]),
      )
      .then(
        () => undefined,
        (e: Error) => e,
      );
    expect(error?.message).to.match(/^the model: onnxruntime cannot run it: .*Name:'sum'/);
  });

  it('serves a host that opens one model again and again, with taps and without, and then another', async () => {
    await using host = await holdDevice('cpu');
    const model = chain(['a', 'b', 'c']);
    const outputs = async (bytes: Uint8Array, taps: readonly string[]) => {
      await using session = await host.open(bytes, 'cpu', { taps });
      const values = await session.run(x());
      return Object.fromEntries(
        [...values.keys()].map((name) => [name, numbers(values, name).map(unsigned)]),
      );
    };
    expect(await outputs(model, ['a·'])).to.deep.equal({ y: [0, 0], a·: [0, 2] });
    expect(await outputs(model, [])).to.deep.equal({ y: [0, 0] });
    expect(await outputs(model, ['b·'])).to.deep.equal({ y: [0, 0], b·: [0, -2] });
    expect(await outputs(chain(['a', 'b']), [])).to.deep.equal({ y: [0, -2] });
    expect(await outputs(model, [])).to.deep.equal({ y: [0, 0] });
  });

  it('copies weights once and refuses what is not a model', () => {
    const weights = f32(Array.from({ length: 1000 }, (_, i) => i));
    const bytes = modelBytes(
      graph([{ op: 'Add', inputs: ['x', 'w'] }], [info('x')], [info('y')], [tensorOf(weights, 'w')]),
    );
    const found = renamed(bytes);
    expect(Buffer.from(found.bytes).indexOf(Buffer.from((weights.data as Float32Array).buffer))).to.be.above(
      0,
    );
    expect(found.original('n0 reads v1, v0_token_3 and xv1')).to.equal('Add → y reads w, x_token_3 and xv1');
    expect(() => renamed(Uint8Array.of(9, 9, 9))).to.throw('not a valid protobuf file');
  });

  describe('with its large weights in a file', () => {
    const large = f32(Array.from({ length: 2 ** 18 }, (_, i) => i));
    const small = f32([5]);
    const nodes: NodeText[] = [
      { op: 'Mul', inputs: ['x', 'c'], outputs: ['a'] },
      { op: 'Add', inputs: ['a', 'w'], outputs: ['s'] },
      { op: 'Neg', inputs: ['s'], outputs: ['y'] },
    ];
    const initializers = [tensorOf(small, 'c'), tensorOf(large, 'w')];
    const model = modelBytes(graph(nodes, [info('x', 'float32', [1])], [info('y', 'float32')], initializers));
    // other processes have theirs there
    const folders = () =>
      readdirSync(tmpdir()).filter(
        (name) => /^alexnet-model-.*-(\d+)-\d+-/.exec(name)?.[1] === String(process.pid),
      );

    it('holds none of them, and they are not copied', () => {
      const { bytes, untapped, weights } = renamed(model, undefined, 'w.bin');
      expect(bytes.length).to.be.below(1000);
      expect(weights.map(({ length }) => length)).to.deep.equal([0, 2 ** 20]);
      expect(weights[1].buffer).to.equal(model.buffer);
      const { initializer } = decodeModel(untapped).graph!;
      expect(initializer.map(({ rawData }) => rawData?.length)).to.deep.equal([4, undefined]);
      expect(initializer[1].externalData).to.deep.equal([
        { key: 'location', value: 'w.bin' },
        { key: 'offset', value: '0' },
        { key: 'length', value: String(2 ** 20) },
      ]);
    });

    it('forgets where a file had them before they were read', () => {
      const stale = { key: 'location', value: 'gone.bin' };
      const whole = decodeModel(model);
      const initializer = whole.graph!.initializer.map((one) => ({
        ...one,
        externalData: [stale],
        dataLocation: 0,
      }));
      const was = joined(modelFile({ ...whole, graph: { ...whole.graph!, initializer } }).chunks());
      const { untapped } = renamed(was, undefined, 'w.bin');
      const places = decodeModel(untapped).graph!.initializer.map(({ externalData }) => externalData);
      expect(places[0]).to.deep.equal([stale]);
      expect(places[1].map(({ value }) => value)).to.deep.equal(['w.bin', '0', String(2 ** 20)]);
    });

    async function results(): Promise<number[]> {
      await using host = await holdDevice('cpu');
      await using session = await host.open(model, 'cpu', { taps: ['s'] });
      const values = await session.run(new Map([['x', tensor(Float32Array.of(2), [1])]]));
      await using again = await host.open(model, 'cpu');
      const { y } = Object.fromEntries(await again.run(new Map([['x', tensor(Float32Array.of(2), [1])]])));
      return ['s', 'y']
        .map((name) => numbers(values, name)[1000])
        .concat(dense(asTensor(y, 'y'))[2 ** 18 - 1]);
    }

    it('gives the same values, and leaves no file', async () => {
      const before = folders();
      expect(await results()).to.deep.equal([1010, -1010, -(2 ** 18 - 1 + 10)]);
      expect(folders()).to.deep.equal(before);
    });

    it('keeps them inside where no file can be written', async () => {
      const { TMPDIR } = process.env;
      process.env.TMPDIR = '/dev/null';
      try {
        expect(await results()).to.deep.equal([1010, -1010, -(2 ** 18 - 1 + 10)]);
      } finally {
        if (TMPDIR === undefined) delete process.env.TMPDIR;
        else process.env.TMPDIR = TMPDIR;
      }
    });
  });
});
