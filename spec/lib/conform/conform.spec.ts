import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { encodeTensor } from '../../../export/proto.ts';
import type { Value } from '../../../lib/array/value.ts';
import { checkBound, firstDifference } from '../../../lib/conform/compare.ts';
import { type ConformOptions, conform } from '../../../lib/conform/index.ts';
import { findTests } from '../../../lib/conform/layout.ts';
import { InputError } from '../../../lib/errors.ts';
import { evaluateGraph } from '../../../lib/onnx/evaluate.ts';
import { f32, graph, info, modelBytes, noise, open, single, tensorOf } from '../../support/onnx.ts';

describe('alexnet conform', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'alexnet-conform-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  /** Writes one test; returns its folder. */
  function write(
    name: string,
    model: Uint8Array,
    inputs: readonly Value[],
    outputs: readonly Value[],
  ): string {
    const folder = join(root, name);
    const data = join(folder, 'test_data_set_0');
    mkdirSync(data, { recursive: true });
    writeFileSync(join(folder, 'model.onnx'), model);
    const put = (kind: string, values: readonly Value[]): void => {
      for (const [k, v] of values.entries())
        writeFileSync(join(data, `${kind}_${k}.pb`), encodeTensor(tensorOf(v)));
    };
    put('input', inputs);
    put('output', outputs);
    return folder;
  }

  const engines: ConformOptions['engine'][] = ['oracle', 'onnxruntime'];
  const x = f32([-1, 2, -3, 4]);
  const relu = single('Relu', [x]).bytes;

  it('passes and fails the same tests on both engines, with the reason', async () => {
    write('good', relu, [x], [f32([0, 2, 0, 4])]);
    write('bad', relu, [x], [f32([0, 2, 0.5, 4])]);
    write('shape', relu, [x], [f32([0, 2, 0, 4], [2, 2])]);
    write('unknown', single('NoSuchOperator', [x]).bytes, [x], [x]);
    write('inputs', relu, [x, x], [f32([0, 2, 0, 4])]);
    for (const engine of engines) {
      const { tests, ...sums } = await conform([root], { engine });
      expect(tests.map(({ name, status }) => `${name} ${status}`)).to.deep.equal([
        'bad failed',
        'good passed',
        'inputs failed',
        'shape failed',
        'unknown unsupported',
      ]);
      expect([sums.passed, sums.failed, sums.unsupported]).to.deep.equal([1, 3, 1]);
      expect(tests[0].reason).to.contain("output 'y0': 1 of 4 values differ, the first at 2: 0, not 0.5");
      expect(tests[2].reason).to.contain('2 inputs are there, 1 needed');
      expect(tests[4].reason).to.contain('NoSuchOperator');
    }
  });

  it('reads input_10 after input_9', async () => {
    const inputs = Array.from({ length: 12 }, (_, i) => f32([i]));
    const { bytes } = single('Concat', inputs, { axis: 0 });
    write('twelve', bytes, inputs, [f32(inputs.map((_, i) => i))]);
    for (const engine of engines) expect((await conform([root], { engine })).passed).to.equal(1);
  });

  it('feeds the light models i/n', async () => {
    const model = modelBytes(
      graph([{ op: 'Neg' }], [info('x', 'float32', [2, 2])], [info('y', 'float32', [2, 2])]),
    );
    writeFileSync(join(root, 'light_neg.onnx'), model);
    writeFileSync(
      join(root, 'light_neg_output_0.pb'),
      encodeTensor(tensorOf(f32([0, -0.25, -0.5, -0.75], [2, 2]))),
    );
    for (const engine of engines) expect((await conform([root], { engine })).passed).to.equal(1);
  });

  it('finds by the derived bound what the tolerance lets pass: LRN without normalisation', async () => {
    const input = noise([1, 3, 2, 2]);
    const { bytes, feeds } = single('LRN', [input], {
      size: 3,
      alpha: 0.001,
      beta: 0.75,
      bias: { float: 1 },
    });
    const model = await open(bytes);
    const right = evaluateGraph(model, feeds);
    const wrong = new Map([['y0', input]]);
    const engine = { name: 'oracle', device: 'cpu' } as const;
    expect(firstDifference(wrong.get('y0'), right.get('y0')!)).to.equal(null);
    expect(checkBound(model, feeds, wrong, engine)!.reason).to.contain('times its bound');
    expect(checkBound(model, feeds, right, engine)).to.deep.include({ reason: null });
    expect(checkBound(model, feeds, right, engine)!.worst).to.be.within(0, 0.2);
  });

  it("takes a test's own tolerance from its data.json", async () => {
    const folder = write('loose', relu, [x], [f32([0, 2.1, 0, 4])]);
    expect((await conform([root])).failed).to.equal(1);
    writeFileSync(join(folder, 'data.json'), '{"rtol": 0.1}');
    expect((await conform([root])).passed).to.equal(1);
    writeFileSync(join(folder, 'data.json'), '{"rtol": "0.1"}');
    expect(await findTests([root]).catch((error) => error)).to.be.instanceOf(InputError);
  });

  it('finds tests in folders in folders, and says where there are none', async () => {
    write('a/b/deep', relu, [x], [x]);
    expect((await findTests([root])).map(({ name }) => name)).to.deep.equal(['deep']);
    expect((await findTests([join(root, 'a/b/deep')])).length).to.equal(1);
    const fail = async (folder: string): Promise<unknown> => findTests([folder]).catch((error) => error);
    mkdirSync(join(root, 'empty'));
    expect(await fail(join(root, 'empty'))).to.be.instanceOf(InputError);
    expect(await fail(join(root, 'none'))).to.be.instanceOf(InputError);
  });

  it('calls element types and sequences that it does not have unsupported, and does not run them', async () => {
    // Cast to int4: onnxruntime ends the process where it hands such an output over
    const int4 = { ...info('y'), type: { tensorType: { elemType: 22, shape: { dim: [{ dimValue: 4 }] } } } };
    const cast = { op: 'Cast', attributes: { to: 22 } };
    write(
      'int4',
      modelBytes(graph([cast], [info('x', 'float32', [4])], [int4]), 21, { irVersion: 10 }),
      [x],
      [x],
    );
    const text = graph(
      [{ op: 'Cast', attributes: { to: 8 } }],
      [info('x', 'float32', [4])],
      [info('y', 'string', [4])],
    );
    write('text', modelBytes(text, 13), [x], [x]);
    const element = { tensorType: { elemType: 1, shape: { dim: [{ dimValue: 4 }] } } };
    const list = { ...info('y'), type: { sequenceType: { elemType: element } } };
    const sequence = graph([{ op: 'SequenceConstruct' }], [info('x', 'float32', [4])], [list]);
    write('sequence', modelBytes(sequence, 13), [x], [x]);
    const verdicts = async (engine: ConformOptions['engine']) =>
      (await conform([root], { engine })).tests.map(({ name, status }) => `${name} ${status}`);
    expect(await verdicts('oracle')).to.deep.equal([
      'int4 unsupported',
      'sequence unsupported',
      'text failed',
    ]);
    const all = ['int4 unsupported', 'sequence unsupported', 'text unsupported'];
    expect(await verdicts('onnxruntime')).to.deep.equal(all);
  });

  it('calls an initializer in int4 unsupported, on either engine', async () => {
    const g = graph(
      [{ op: 'Add', inputs: ['x', 'w'] }],
      [info('x', 'float32', [4])],
      [info('y', 'float32', [4])],
    );
    const w = { name: 'w', dataType: 22, dims: [4], rawData: Uint8Array.of(0x21, 0x43) };
    const initializer = [w] as unknown as typeof g.initializer;
    write('weights', modelBytes({ ...g, initializer }, 21, { irVersion: 10 }), [x], [x]);
    for (const engine of ['oracle', 'onnxruntime'] as const) {
      const { tests } = await conform([root], { engine });
      expect(tests.map(({ name, status }) => `${name} ${status}`)).to.deep.equal(['weights unsupported']);
    }
  });

  it('follows links to folders', async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'alexnet-conform-'));
    write('deep', relu, [x], [x]);
    renameSync(join(root, 'deep'), join(elsewhere, 'deep'));
    symlinkSync(join(elsewhere, 'deep'), join(root, 'link'));
    expect((await findTests([root])).map(({ name }) => name)).to.deep.equal(['link']);
    rmSync(elsewhere, { recursive: true });
  });

  it('fails a test whose files are damaged, and goes on', async () => {
    const folder = write('a', relu, [x], [f32([0, 2, 0, 4])]);
    writeFileSync(join(folder, 'test_data_set_0', 'output_0.pb'), Uint8Array.of(0xff, 0xff));
    write('b', Uint8Array.of(1, 2, 3), [x], [x]);
    write('c', relu, [x], [f32([0, 2, 0, 4])]);
    const { tests } = await conform([root]);
    expect(tests.map(({ status }) => status)).to.deep.equal(['failed', 'failed', 'passed']);
    expect(tests[0].reason).to.match(/^output_0\.pb: /);
  });
});
