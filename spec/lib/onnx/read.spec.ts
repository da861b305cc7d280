import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type ModelProto, tensorProto } from '../../../export/proto.ts';
import { InputError } from '../../../lib/errors.ts';
import { onnxruntimeEngine } from '../../../lib/onnx/engines.ts';
import { evaluateGraph } from '../../../lib/onnx/evaluate.ts';
import { readModel } from '../../../lib/onnx/read.ts';
import {
  FLOAT,
  f32,
  graph,
  i64,
  info,
  modelBytes,
  type NodeText,
  open,
  tensorOf,
} from '../../support/onnx.ts';
import { skipBecause } from '../../support/skip.ts';

/** The one-line InputError with which a promise fails. */
async function refusal(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => new Error('it did not fail'),
    (e: unknown) => e as Error,
  );
  expect(error).to.be.instanceOf(InputError);
  expect(error.message).not.to.contain('\n');
  return error.message;
}

const add = (a: string, b: string, y: string): NodeText => ({
  op: 'Add',
  inputs: [a, b],
  outputs: [y],
  name: y,
});

describe('reading ONNX files', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-read-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  const relu = graph([{ op: 'Relu' }], [info('x', 'float32', ['N', 3])], [info('y')]);

  it('takes IR 3 to 13, and no other', async () => {
    for (const irVersion of [3, 8, 13]) {
      expect((await open(modelBytes(relu, 13, { irVersion }))).irVersion).to.equal(irVersion);
    }
    for (const irVersion of [2, 14]) {
      expect(await refusal(open(modelBytes(relu, 13, { irVersion })))).to.contain(`IR version ${irVersion}`);
    }
  });

  it('counts what an initializer fills out of the inputs, as IR 3 files list it', async () => {
    const g = graph([add('x', 'w', 'y')], [info('x'), info('w')], [info('y')], [tensorOf(f32([1, 2]), 'w')]);
    const model = await open(modelBytes(g, 13, { irVersion: 3 }));
    expect(model.graph.inputs.map(({ name }) => name)).to.deep.equal(['x']);
    expect([...evaluateGraph(model, new Map([['x', f32([10, 20])]])).get('y')!.data]).to.deep.equal([11, 22]);
  });

  it('takes an attribute of no type for what it holds, as files of before 2017 have it', async () => {
    const attributes = { axis: 1, scale: 0.5, word: 'a', shape: [1, 2] };
    const g = graph([{ op: 'X', attributes }], [info('x')], [info('y')]);
    const untyped = g.node[0].attribute.map(({ type: _, ...rest }) => rest);
    const [node] = (await open(modelBytes({ ...g, node: [{ ...g.node[0], attribute: untyped }] }))).graph
      .nodes;
    const kinds = [...node.attributes].map(([name, { kind }]) => `${name} ${kind}`);
    expect(kinds).to.deep.equal(['axis int', 'scale float', 'word string', 'shape ints']);
  });

  it('sorts nodes that the file has out of order', async () => {
    const g = graph([add('b', 'x', 'y'), add('a', 'x', 'b'), add('x', 'x', 'a')], [info('x')], [info('y')]);
    const model = await open(modelBytes(g));
    expect(model.graph.nodes.map(({ name }) => name)).to.deep.equal(['a', 'b', 'y']);
    expect(evaluateGraph(model, new Map([['x', f32([1])]])).get('y')!.data[0]).to.equal(4);
  });

  const bad: [string, () => Uint8Array, string][] = [
    [
      'a cycle',
      () => modelBytes(graph([add('b', 'x', 'a'), add('a', 'x', 'b')], [info('x')], [info('b')])),
      'cycle',
    ],
    [
      'a value with two producers',
      () => modelBytes(graph([add('x', 'x', 'y'), add('x', 'x', 'y')], [info('x')], [info('y')])),
      'another producer',
    ],
    [
      'an input that nothing produces',
      () => modelBytes(graph([add('x', 'z', 'y')], [info('x')], [info('y')])),
      "nothing produces its input 'z'",
    ],
    ['an output that nothing produces', () => modelBytes(graph([], [info('x')], [info('y')])), "output 'y'"],
    ['no opset at all', () => modelBytes(relu, 13, { opsetImport: [] }), 'declares no opset'],
    [
      'an opset of another domain alone',
      () => modelBytes(relu, 13, { opsetImport: [{ domain: 'ai.onnx.ml', version: 3 }] }),
      "no opset is declared for 'ai.onnx'",
    ],
    [
      'two opsets for one domain',
      () => modelBytes(relu, 13, { opsetImport: [13, 14].map((version) => ({ domain: '', version })) }),
      'two opsets',
    ],
    ['no graph', () => modelBytes(relu, 13, { graph: undefined } as Partial<ModelProto>), 'no graph'],
    [
      'sparse initializers',
      () => modelBytes({ ...relu, sparseInitializer: [{ dims: [3], values: tensorOf(f32([1]), 's') }] }),
      'sparse',
    ],
    [
      'data of another length than the shape says',
      () =>
        modelBytes(
          graph([add('x', 'w', 'y')], [info('x')], [info('y')], [{ ...tensorOf(f32([1]), 'w'), dims: [2] }]),
        ),
      "tensor 'w'",
    ],
    [
      'an element type that is not supported',
      () =>
        modelBytes(
          graph([], [info('x')], [info('x')], [tensorProto({ name: 'w', dims: [1], dataType: 17 })]),
        ),
      'elements of type 17 are not supported',
    ],
    [
      'external data without a folder',
      () =>
        modelBytes(
          graph(
            [],
            [info('x')],
            [info('x')],
            [tensorProto({ name: 'w', dims: [1], dataType: FLOAT, dataLocation: 1 })],
          ),
        ),
      'external files',
    ],
    ['text', () => new TextEncoder().encode('<html>no model</html>'), 'm.onnx'],
    ['a length field of 2 GB', () => Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0x07, 0), 'm.onnx'],
  ];
  for (const [what, bytes, message] of bad) {
    it(`refuses ${what} in one line that names the file`, async () => {
      const text = await refusal(open(bytes()));
      expect(text).to.match(/^m\.onnx: /);
      expect(text).to.contain(message);
    });
  }

  it('refuses a file cut off anywhere', async () => {
    const whole = modelBytes(
      graph([add('x', 'w', 'y')], [info('x')], [info('y')], [tensorOf(f32([1, 2, 3, 4]), 'w')]),
    );
    const path = join(folder, 'cut.onnx');
    let refused = 0;
    for (let length = 1; length < whole.length; length++) {
      writeFileSync(path, whole);
      truncateSync(path, length);
      await readModel(path).then(
        () => {},
        (error: unknown) => {
          expect(error).to.be.instanceOf(InputError);
          refused++;
        },
      );
    }
    // a cut between two fields after the graph leaves a complete, smaller model at best
    expect(refused).to.be.greaterThan(0.8 * whole.length);
  });

  it('refuses a missing file, an empty one and a folder', async () => {
    expect(await refusal(readModel(join(folder, 'none.onnx')))).to.contain('no such file');
    writeFileSync(join(folder, 'empty.onnx'), '');
    expect(await refusal(readModel(join(folder, 'empty.onnx')))).to.contain('empty');
    writeFileSync(join(folder, 'byte.onnx'), 'x');
    expect(await refusal(readModel(join(folder, 'byte.onnx')))).not.to.contain('empty');
    expect(await refusal(readModel(folder))).to.contain('not a file');
  });

  describe('external data', () => {
    const weights = (entries: Record<string, string>, dims = [3]) => ({
      ...tensorProto({ name: 'w', dims, dataType: FLOAT, dataLocation: 1 }),
      externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
    });
    const write = (entries: Record<string, string>, dims?: number[]): string => {
      const path = join(folder, 'inside', 'external.onnx');
      mkdirSync(join(folder, 'inside', 'deeper'), { recursive: true });
      const data = Float32Array.of(0, 1, 2, 3);
      for (const file of ['inside/w.bin', 'inside/deeper/w.bin', 'outside.bin']) {
        writeFileSync(join(folder, file), new Uint8Array(data.buffer));
      }
      const g = graph([add('x', 'w', 'y')], [info('x')], [info('y')], [weights(entries, dims)]);
      writeFileSync(path, modelBytes(g));
      return path;
    };

    it('is read from the model’s folder, at its offset', async () => {
      for (const location of ['w.bin', 'deeper/w.bin', './w.bin']) {
        const model = await readModel(write({ location, offset: '4', length: '12' }));
        expect([...model.graph.initializers.get('w')!.data]).to.deep.equal([1, 2, 3]);
      }
    });

    it('is refused where the path leads out of the folder', async () => {
      for (const location of [
        '../outside.bin',
        join(folder, 'outside.bin'),
        'deeper/../../outside.bin',
        'C:\\w.bin',
      ]) {
        expect(await refusal(readModel(write({ location })))).to.contain("below the model's folder");
      }
      symlinkSync(join(folder, 'outside.bin'), join(folder, 'inside', 'link.bin'));
      expect(await refusal(readModel(write({ location: 'link.bin' })))).to.contain(
        "leads out of the model's folder",
      );
    });

    it('is refused where it is a pipe, on which reading would wait for ever', async function () {
      if (process.platform === 'win32') skipBecause(this, 'there are no named pipes');
      const path = write({ location: 'pipe' });
      execFileSync('mkfifo', [join(folder, 'inside', 'pipe')]);
      expect(await refusal(readModel(path))).to.contain('pipe: is not a plain file');
      const opened = await onnxruntimeEngine({ device: 'cpu' }).open(path);
      expect(opened).to.have.property('unsupported').that.contains('pipe: is not a plain file');
    });

    it('is refused where the file or the range is not there', async () => {
      expect(await refusal(readModel(write({ location: 'none.bin' })))).to.contain(
        'there is no file none.bin',
      );
      expect(await refusal(readModel(write({})))).to.contain('location is missing');
      expect(await refusal(readModel(write({ location: 'deeper' })))).to.contain('not a file');
      const wrong: Record<string, string>[] = [
        { offset: '8' },
        { offset: '-4' },
        { offset: '1e3' },
        { length: '8' },
      ];
      for (const range of wrong) {
        expect(await refusal(readModel(write({ location: 'w.bin', ...range })))).to.contain('external.onnx');
      }
      const huge = [2 ** 31, 2 ** 20];
      expect(await refusal(readModel(write({ location: 'w.bin' }, huge)))).to.match(
        /memory|ends at byte|makes no sense/,
      );
    });
  });

  it('reads initializers of every kind of storage alike', async () => {
    const raw = tensorOf(i64([1, -2, 3]), 'w');
    const typed = tensorProto({ name: 'w', dims: [3], dataType: raw.dataType, int64Data: [1n, -2n, 3n] });
    for (const w of [raw, typed]) {
      const g = graph([add('x', 'w', 'y')], [info('x', 'int64')], [info('y', 'int64')], [w]);
      const y = evaluateGraph(await open(modelBytes(g)), new Map([['x', i64([10, 10, 10])]])).get('y')!;
      expect([...y.data]).to.deep.equal([11n, 8n, 13n]);
    }
  });
});
