/** What a bundle holds, and which files of a folder are those of an earlier one. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect } from 'chai';
import { decodeModel } from '../../../export/proto.ts';
import { bundleTargets, type Evidence, writeBundle } from '../../../lib/verify/bundle.ts';
import { t } from '../../support/hand.ts';
import { graph, i64, info, modelBytes } from '../../support/onnx.ts';
import { arraysOf } from '../../support/weight-files.ts';

describe('a bundle', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-'));
  });
  after(() => rmSync(folder, { recursive: true }));
  const own = async () =>
    (await bundleTargets(folder, ['input_0.npy']))
      .filter((target) => target.own)
      .map(({ path }) => basename(path));
  const about = (value: unknown) => writeFileSync(join(folder, 'bundle.json'), JSON.stringify(value));

  it('owns the files of an earlier one, which bundle.json tells, and no others', async () => {
    expect(await own()).to.deep.equal([]);
    for (const stranger of [
      {},
      { versions: {}, inputs: [] },
      { versions: { 'alexnet-oracle': 1 }, inputs: [] },
    ]) {
      about(stranger);
      expect(await own(), JSON.stringify(stranger)).to.deep.equal([]);
    }
    const fixed = ['bound.npy', 'bundle.json', 'device.npy', 'expected.npy', 'model.onnx', 'repro.mjs'];
    about({ versions: { 'alexnet-oracle': '0.1.0' }, inputs: [] });
    expect((await own()).sort()).to.deep.equal(fixed);
    about({ versions: { 'alexnet-oracle': '0.1.0' }, inputs: [{ file: 'input_0.npy' }] });
    expect((await own()).sort()).to.deep.equal([...fixed, 'input_0.npy'].sort());
  });

  it('has the nodes that lead to the value, and of the inputs those that they read: halves widened, integers as they are', async () => {
    const nodes = [
      { op: 'Mul', inputs: ['x', 'x'], outputs: ['unread'] },
      { op: 'Cast', inputs: ['x'], outputs: ['wide'], attributes: { to: 1 } },
      { op: 'Expand', inputs: ['wide', 'shape'], outputs: ['y'] },
    ];
    const ports = [info('x', 'float16', [2]), info('shape', 'int64', [1]), info('other', 'float32', [1])];
    const whole = decodeModel(modelBytes(graph(nodes, ports, [info('y', 'float32', [2])])));
    const halves = { dtype: 'float16' as const, shape: [2], data: Uint16Array.of(0x3c01, 0xc000) };
    const y = t([2], 1, 2);
    const evidence: Evidence = {
      ...{ layer: 'the layer', device: 'cpu', engine: null, model: whole, output: 'y' },
      inputs: new Map([
        ['other', { dtype: 'float32' as const, shape: [1], data: Float32Array.of(9) }],
        ['x', halves],
        ['shape', i64([2])],
      ]),
      ...{ y, exact: t([2], 3, 4), bound: Float64Array.of(5, 6) },
    };
    await writeBundle(folder, evidence);
    const { graph: part } = decodeModel(readFileSync(join(folder, 'model.onnx')));
    expect(part!.node.map(({ opType }) => opType)).to.deep.equal(['Cast', 'Expand']);
    expect(part!.input.map(({ name }) => name)).to.deep.equal(['x', 'shape']);
    expect(part!.output.map(({ name }) => name)).to.deep.equal(['y']);
    const said = JSON.parse(readFileSync(join(folder, 'bundle.json'), 'utf8'));
    expect(said).to.deep.include({ engine: null, layer: 'the layer', device: 'cpu', output: 'y' });
    expect(said.inputs).to.deep.equal([
      { name: 'x', file: 'input_0.npy' },
      { name: 'shape', file: 'input_1.npy' },
    ]);
    const values = async (name: string) => {
      const [{ dtype, data }] = (await arraysOf(join(folder, `${name}.npy`))).values();
      return [dtype, ...[...data].map(Number)];
    };
    // 1 + 2⁻¹⁰ and −2
    expect(await values('input_0')).to.deep.equal(['float32', 1 + 2 ** -10, -2]);
    expect(await values('input_1')).to.deep.equal(['int64', 2]);
    expect(await values('device')).to.deep.equal(['float32', 1, 2]);
    expect(await values('expected')).to.deep.equal(['float32', 3, 4]);
    expect(await values('bound')).to.deep.equal(['float64', 5, 6]);
  });
});
