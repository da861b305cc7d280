/** `run` from code: values in and out in memory, a file as the command writes it, wrong arguments in one line. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { readTensors } from '../../../lib/disk/tensors.ts';
import { InputError } from '../../../lib/errors.ts';
import { type RunOptions, run } from '../../../lib/onnx/run.ts';
import { tensor } from '../../../reference/tensor.ts';
import { f32, graph, info, list, modelBytes } from '../../support/onnx.ts';

describe('run', () => {
  const folder = mkdtempSync(join(tmpdir(), 'alexnet-run-'));
  const model = join(folder, 'model.onnx');
  const out = join(folder, 'y.npz');
  const nodes = [
    { op: 'Mul', inputs: ['x', 'x'], outputs: ['square'] },
    { op: 'Add', inputs: ['square', 'x'], outputs: ['y'] },
  ];
  before(() => writeFileSync(model, modelBytes(graph(nodes, [info('x')], [info('y')]))));
  after(() => rmSync(folder, { recursive: true }));
  afterEach(() => rmSync(out, { force: true }));

  const x = f32([1, -2, 3]);
  for (const [what, input] of Object.entries({
    'a map of values': new Map([['x', x]]),
    'values by name': { x },
    tensors: { x: tensor(Float32Array.of(1, -2, 3), [3]) },
  })) {
    it(`takes ${what}`, async () => {
      const { values, engine } = await run(model, { input });
      expect([...values.keys()]).to.deep.equal(['y']);
      expect(list(values.get('y')!)).to.deep.equal([2, 2, 12]);
      expect(engine).to.equal('the oracle, float32 storage');
    });
  }

  it('all nodes on request, and the file that the command writes', async () => {
    const { values, out: written } = await run(model, { input: { x }, all: true, out });
    expect([...values.keys()]).to.deep.equal(['square', 'y']);
    expect(written).to.equal(out);
    const read = await readTensors(out);
    expect(list(read.get('square')!)).to.deep.equal([1, 4, 9]);
    expect(list(read.get('y')!)).to.deep.equal([2, 2, 12]);
  });

  it('what readTensors returns, halves too', async () => {
    const half = join(folder, 'half.onnx');
    const types = ['float16', 'float16'] as const;
    const same = [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }];
    writeFileSync(half, modelBytes(graph(same, [info('x', types[0])], [info('y', types[1])])));
    const input = { x: { dtype: 'float16', shape: [2], data: Uint16Array.of(0x3c00, 0xc000) } } as const;
    expect(list((await run(half, { input })).values.get('y')!)).to.deep.equal([1, -2]);
  });

  const wrong: readonly (readonly [string, unknown, RegExp])[] = [
    [
      'an option that is none',
      { inputs: { x } },
      /^run: unknown option 'inputs' \(there are: input, engine, /,
    ],
    [
      'another engine',
      { engine: 'tensorrt' },
      /^run: engine must be one of oracle, onnxruntime \(= "tensorrt"\)$/,
    ],
    [
      'another device',
      { device: 'tpu' },
      /^run: device must be one of auto, cpu, cuda, cuda:N, webgpu \(= "tpu"\)$/,
    ],
    ['no object', 3, /^run: options must be an object \(= 3\)$/],
    ['a number for a file', { out: 7n }, /^run: out must be a text \(= /],
    ['numbers without a shape', { input: { x: [1, 2, 3] } }, /^the input 'x' must be a tensor, or \{dtype/],
    ['nothing for a value', { input: { x: undefined } }, /^the input 'x' must be a tensor/],
    ['too few numbers', { input: { x: { ...x, shape: [4] } } }, /^the input 'x' must be a tensor/],
    ['a name that is none', { input: { z: x } }, /there is no input 'z' \(there are: x\)$/],
    ['all values of a device', { engine: 'onnxruntime', all: true }, /^--all is for --engine oracle/],
  ];
  for (const [what, options, message] of wrong) {
    it(`refuses ${what} in one line, and writes nothing`, async () => {
      const given = typeof options === 'object' ? { out, ...options } : options;
      const error = await run(model, given as RunOptions).catch((reason) => reason);
      expect(error).to.be.instanceOf(InputError);
      expect(error.message).to.match(message).and.not.include('\n');
      expect(existsSync(out)).to.equal(false);
    });
  }
});
