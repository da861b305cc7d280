/** Checkpoints that PyTorch itself writes in the test, and files written here that PyTorch reads back. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { NumericValue } from '../../lib/array/value.ts';
import { openTensorFile } from '../../lib/disk/tensors.ts';
import { pthPieces } from '../../lib/format/pth.ts';
import { needsPython } from '../support/pytorch.ts';
import { arraysOf } from '../support/weight-files.ts';

const python = '/usr/bin/python3';

/** Values are those of make.py: element i is ((7 i) mod 11 - 5) / 2, exact in every type. */
const write = `
import sys, collections, argparse, torch
folder = sys.argv[1]
def v(*shape, dtype=torch.float32):
    n = 1
    for s in shape: n *= s
    return (((7 * torch.arange(n)) % 11 - 5).double() / 2).reshape(shape).to(dtype)
od = collections.OrderedDict
plain = od(a=v(2, 3, 5), b=v(4))
base = v(20)
cases = {
  'plain': plain,
  'halves': od(h=v(3, 4, dtype=torch.float16), b=v(3, 4, dtype=torch.bfloat16), d=v(2, dtype=torch.float64)),
  'integers': od(l=torch.arange(5), i=torch.arange(5, dtype=torch.int32), s=torch.arange(5, dtype=torch.int16), c=torch.arange(5, dtype=torch.int8), u=torch.arange(5, dtype=torch.uint8), t=torch.tensor([True, False])),
  'strided': od(t=v(3, 4).t(), step=v(20)[::3], flipless=v(4, 5)[:, 1:4], middle=v(6, 2)[2:5], permuted=v(2, 3, 4).permute(2, 0, 1)),
  'shared': od(x=base, y=base[5:15], z=base.view(4, 5)),
  'nested': {'epoch': 3, 'arch': 'alexnet', 'state_dict': od(('module.' + k, t) for k, t in plain.items()), 'best': 0.5,
             'optimizer': {'state': {0: {'momentum_buffer': v(2, 3, 5)}}, 'param_groups': [{'lr': 0.1, 'params': [0, 1]}]},
             'args': argparse.Namespace(lr=0.1)},
  'scalar': od(s=torch.tensor(2.5), e=torch.zeros(0, 3)),
  'expanded': od(e=v(1, 3).expand(4, 3)),
}
lin = torch.nn.Linear(3, 2)
with torch.no_grad():
    lin.weight.copy_(v(2, 3)); lin.bias.copy_(v(2))
cases['parameters'] = {'model': {'weight': lin.weight, 'bias': lin.bias}}
net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
cases['metadata'] = net.state_dict()
for name, value in cases.items():
    torch.save(value, f'{folder}/{name}.pth')
    torch.save(value, f'{folder}/{name}.legacy.pth', _use_new_zipfile_serialization=False)
torch.save(lin, f'{folder}/whole-model.pth')
`;

const read = `
import sys, torch
for path in sys.argv[1:]:
    d = torch.load(path)
    for k, t in d.items(): print(k, str(t.dtype)[6:], list(t.shape), t.double().flatten().tolist())
`;

const element = (i: number) => (((7 * i) % 11) - 5) / 2;
const run = (n: number) => Array.from({ length: n }, (_, i) => element(i));
const range = (n: number, at: (i: number) => number) => Array.from({ length: n }, (_, i) => element(at(i)));

describe('PyTorch 1.13', function () {
  this.timeout(180_000);
  let folder = '';
  before(function () {
    needsPython(this, 'torch', 'python3-torch');
    folder = mkdtempSync(join(tmpdir(), 'pth-'));
    const made = spawnSync(python, ['-c', write, folder], { encoding: 'utf8' });
    expect(made.status, made.stderr).to.equal(0);
  });
  after(() => folder && rmSync(folder, { recursive: true }));

  const float = (array?: NumericValue) => [...(array as NumericValue).data].map(Number);
  for (const suffix of ['', '.legacy']) {
    const arrays = (name: string) => arraysOf(join(folder, `${name}${suffix}.pth`));
    const form = suffix === '' ? 'zip' : 'legacy';

    it(`${form}: plain state dicts`, async () => {
      const found = await arrays('plain');
      expect([...found].map(([name, { dtype, shape }]) => [name, dtype, shape])).to.deep.equal([
        ['a', 'float32', [2, 3, 5]],
        ['b', 'float32', [4]],
      ]);
      expect(float(found.get('a'))).to.deep.equal(run(30));
    });

    it(`${form}: half precision, bfloat16 and float64, bit for bit`, async () => {
      const found = await arrays('halves');
      expect([...found.values()].map(({ dtype }) => dtype)).to.deep.equal(['float16', 'bfloat16', 'float64']);
      const { data } = found.get('h') as { data: Uint16Array };
      expect([data[0], data[1]]).to.deep.equal([0xc100, 0x3c00]); // -2.5 and 1
      const brain = found.get('b') as { data: Uint16Array };
      const widened = new Float32Array(Uint32Array.from(brain.data, (bits) => bits << 16).buffer);
      expect([...widened]).to.deep.equal(run(12));
      expect(float(found.get('d'))).to.deep.equal(run(2));
    });

    it(`${form}: integers and bool`, async () => {
      const found = await arrays('integers');
      const shown = [...found].map(([name, { dtype, data }]) => [name, dtype, [...data].map(Number)]);
      const five = [0, 1, 2, 3, 4];
      const types = { l: 'int64', i: 'int32', s: 'int16', c: 'int8', u: 'uint8' };
      expect(shown).to.deep.equal([
        ...Object.entries(types).map(([n, t]) => [n, t, five]),
        ['t', 'bool', [1, 0]],
      ]);
    });

    it(`${form}: transposed, stepped, cut and permuted tensors`, async () => {
      const found = await arrays('strided');
      expect(float(found.get('t'))).to.deep.equal(range(12, (i) => (i % 3) * 4 + Math.floor(i / 3)));
      expect(float(found.get('step'))).to.deep.equal(range(7, (i) => 3 * i));
      expect(float(found.get('flipless'))).to.deep.equal(
        range(12, (i) => Math.floor(i / 3) * 5 + 1 + (i % 3)),
      );
      expect(float(found.get('middle'))).to.deep.equal(range(6, (i) => 4 + i));
      const permuted = (i: number) => (Math.floor(i / 3) % 2) * 12 + (i % 3) * 4 + Math.floor(i / 6);
      expect(float(found.get('permuted'))).to.deep.equal(range(24, permuted));
    });

    it(`${form}: tensors that share a storage`, async () => {
      const found = await arrays('shared');
      expect(float(found.get('x'))).to.deep.equal(run(20));
      expect(float(found.get('y'))).to.deep.equal(range(10, (i) => i + 5));
      expect(found.get('z')?.shape).to.deep.equal([4, 5]);
    });

    it(`${form}: a state dict among optimiser state, said in a note`, async () => {
      const file = await openTensorFile(join(folder, `nested${suffix}.pth`));
      expect([...file.tensors.keys()]).to.deep.equal(['module.a', 'module.b']);
      expect(file.notes[0]).to.include("under 'state_dict'");
      expect(float(file.tensors.get('module.a')?.read())).to.deep.equal(run(30));
      file.close();
    });

    it(`${form}: parameters, scalars, empty and expanded tensors, module metadata`, async () => {
      expect(float((await arrays('parameters')).get('weight'))).to.deep.equal(run(6));
      const scalars = await arrays('scalar');
      expect(float(scalars.get('s'))).to.deep.equal([2.5]);
      expect(scalars.get('e')?.shape).to.deep.equal([0, 3]);
      expect(float((await arrays('expanded')).get('e'))).to.deep.equal(range(12, (i) => i % 3));
      expect((await arrays('metadata')).size).to.equal(7);
    });
  }

  it('reads a whole pickled model, and calls none of its classes', async () => {
    const file = await openTensorFile(join(folder, 'whole-model.pth'));
    expect([...file.tensors.keys()]).to.deep.equal(['weight', 'bias']);
    file.close();
  });

  it('reads what is written here', () => {
    const arrays: [string, NumericValue][] = [
      ['a.weight', { dtype: 'float32', shape: [2, 3, 5], data: Float32Array.from(run(30)) }],
      ['h', { dtype: 'float16', shape: [2], data: Uint16Array.of(0xc100, 0x3c00) }],
      ['b', { dtype: 'bfloat16', shape: [2], data: Uint16Array.of(0xc020, 0x3f80) }],
      ['d', { dtype: 'float64', shape: [], data: Float64Array.of(0.1) }],
      ['l', { dtype: 'int64', shape: [1], data: BigInt64Array.of(-7n) }],
      ['e', { dtype: 'float32', shape: [0, 3], data: new Float32Array(0) }],
    ];
    const path = join(folder, 'ours.pth');
    writeFileSync(path, Buffer.concat(pthPieces(arrays)));
    const result = spawnSync(python, ['-c', read, path], { encoding: 'utf8' });
    expect(result.stderr).to.equal('');
    expect(result.stdout.trim().split('\n')).to.deep.equal([
      `a.weight float32 [2, 3, 5] [${run(30)
        .map((x) => x.toFixed(1))
        .join(', ')}]`,
      'h float16 [2] [-2.5, 1.0]',
      'b bfloat16 [2] [-2.5, 1.0]',
      'd float64 [] [0.1]',
      'l int64 [1] [-7.0]',
      'e float32 [0, 3] []',
    ]);
  });
});
