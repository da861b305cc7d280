import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { fromTensor, toTensor } from '../../lib/array/value.ts';
import { writeNpy } from '../../lib/format/npy.ts';
import { tensor } from '../../reference/tensor.ts';
import { runHere } from '../support/child.ts';
import { graph, info, modelBytes } from '../support/onnx.ts';
import { readNpz } from '../support/tensor-bytes.ts';

describe('alexnet run and alexnet conform', () => {
  let folder: string;
  const alexnet = (...args: string[]) => runHere(args, folder);
  const npy = (values: readonly number[], shape: readonly number[]): Uint8Array =>
    writeNpy(fromTensor(tensor(Float32Array.from(values), shape)));

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-run-'));
    // y = (x + 1/3)·x: a sum that float32 must round
    const g = graph(
      [
        { op: 'Constant', inputs: [], outputs: ['third'], attributes: { value_float: 1 / 3 } },
        { op: 'Add', inputs: ['x', 'third'], outputs: ['sum'] },
        { op: 'Mul', inputs: ['sum', 'x'], outputs: ['y'] },
      ],
      [info('x', 'float32', ['N', 2])],
      [info('y', 'float32', ['N', 2])],
    );
    writeFileSync(join(folder, 'm.onnx'), modelBytes(g));
    writeFileSync(join(folder, 'x.npy'), npy([1, 2, 3, 4], [2, 2]));
    writeFileSync(join(folder, 'long.npy'), npy([1, 2, 3], [1, 3]));
  });
  after(() => rmSync(folder, { recursive: true }));

  const values = (file: string) => readNpz(readFileSync(join(folder, file)));

  it('run computes the same on the oracle and on onnxruntime', async () => {
    for (const [engine, file] of [
      ['oracle', 'a.npz'],
      ['onnxruntime', 'b.npz'],
    ]) {
      const args = ['--input', 'x=x.npy', '--engine', engine, '--device', 'cpu', '--out', file];
      const { status, out, err } = await alexnet('run', 'm.onnx', ...args);
      expect({ status, err }).to.deep.equal({ status: 0, err: '' });
      expect(out).to.contain('y  float32 [2,2]');
    }
    expect(toTensor(values('a.npz').get('y')!).data).to.deep.equal(toTensor(values('b.npz').get('y')!).data);
  });

  it('run --all --precision float64 writes every value, unrounded', async () => {
    const { status, out } = await alexnet(
      ...[
        'run',
        'm.onnx',
        '--input',
        'x=x.npy',
        '--all',
        '--precision',
        'float64',
        '--out',
        'c.npz',
        '--json',
      ],
    );
    expect(status).to.equal(0);
    expect(JSON.parse(out).values.map(({ name }: { name: string }) => name)).to.deep.equal([
      'third',
      'sum',
      'y',
    ]);
    const y = values('c.npz').get('y')!;
    expect(y.dtype).to.equal('float64');
    expect([...y.data]).to.deep.equal([1, 2, 3, 4].map((x) => (x + Math.fround(1 / 3)) * x));
  });

  const refusals: [string, string[], RegExp][] = [
    [
      'a missing input',
      ['run', 'm.onnx', '--out', 'o.npz'],
      /m\.onnx: the input 'x' float32 \[N,2\] is missing/,
    ],
    [
      'an input of another shape',
      ['run', 'm.onnx', '--input', 'x=long.npy', '--out', 'o.npz'],
      /must be float32 \[N,2\] \(given: float32 \[1,3\]\)/,
    ],
    ['an input that is unknown', ['run', 'm.onnx', '--input', 'z=x.npy', '--out', 'o.npz'], /no input 'z'/],
    ['an input without a name', ['run', 'm.onnx', '--input', 'x.npy', '--out', 'o.npz'], /NAME=FILE/],
    ['an output over an input', ['run', 'm.onnx', '--input', 'x=x.npy', '--out', './x.npy'], /overwrite/],
    ['a folder without tests', ['conform', '.'], /no tests/],
    ['no folder', ['conform'], /name a folder/],
    ['folders and --write', ['conform', '.', '--write', 'w'], /takes no folders/],
  ];
  for (const [what, args, message] of refusals) {
    it(`refuses ${what} in one line, exit 2`, async () => {
      const { status, err } = await alexnet(...args);
      expect(status).to.equal(2);
      expect(err).to.match(message);
      expect(err.trim().split('\n')).to.have.length(1);
      expect(existsSync(join(folder, 'o.npz'))).to.equal(false);
    });
  }

  it('conform --write writes tests that conform runs; one that disagrees makes exit 1', async () => {
    expect(JSON.parse((await alexnet('conform', '--write', 'v', '--json')).out).written.length).to.be.above(
      100,
    );
    const first = await alexnet('conform', 'v', '--json');
    expect(first.status).to.equal(0);
    const result = JSON.parse(first.out);
    expect([result.passed, result.failed, result.unsupported]).to.deep.equal([result.tests.length, 0, 0]);
    const data = 'v/test_relu_rows/test_data_set_0';
    writeFileSync(join(folder, data, 'output_0.pb'), readFileSync(join(folder, data, 'input_0.pb')));
    const second = await alexnet('conform', 'v/test_relu_rows');
    expect(second.status).to.equal(1);
    expect(second.out).to.match(/failed +test_relu_rows: output 'y': \d+ of 21 values differ/);
  });
});
