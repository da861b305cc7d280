import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { InputError, type NumericValue, readTensors, writeTensors } from '../../../lib/index.ts';
import { tensor } from '../../../reference/tensor.ts';

describe('readTensors and writeTensors', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'tensors-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  const values = new Map<string, NumericValue>([
    ['a', { dtype: 'float32', shape: [2, 2], data: Float32Array.of(1, -0, Number.NaN, 4) }],
    ['half', { dtype: 'float16', shape: [2], data: Uint16Array.of(0x7e01, 0x3c00) }],
    ['long', { dtype: 'int64', shape: [1], data: BigInt64Array.of(-(2n ** 63n)) }],
    ['double', { dtype: 'float64', shape: [], data: Float64Array.of(0.1) }],
  ]);

  for (const ending of ['safetensors', 'npz', 'pth', 'pt']) {
    it(`.${ending} comes back bit for bit, from the file and from its bytes`, async () => {
      const path = join(folder, `all.${ending}`);
      expect(await writeTensors(path, values)).to.deep.equal([]);
      const sorted = (tensors: ReadonlyMap<string, NumericValue>) => [...tensors].sort();
      expect(sorted(await readTensors(path))).to.deep.equal(sorted(values));
      expect(sorted(await readTensors(readFileSync(path)))).to.deep.equal(sorted(values));
    });
  }

  it('takes an ndarray, one as .npy, and says what is widened', async () => {
    const path = join(folder, 'one.npy');
    await writeTensors(path, { x: tensor(Float64Array.of(1, 2, 3), [3]) });
    expect([...(await readTensors(path)).values()]).to.deep.equal([
      { dtype: 'float64', shape: [3], data: Float64Array.of(1, 2, 3) },
    ]);
    const brain: NumericValue = { dtype: 'bfloat16', shape: [1], data: Uint16Array.of(0x3fc0) };
    const notes = await writeTensors(join(folder, 'brain.npz'), { brain });
    expect(notes).to.deep.equal(['brain: bfloat16 widened to float32, exactly']);
    expect((await readTensors(join(folder, 'brain.npz'))).get('brain')!.data).to.deep.equal(
      Float32Array.of(1.5),
    );
  });

  it('refuses other endings, several tensors as .npy, and files that are not there, by name', async () => {
    const refused = async (promise: Promise<unknown>, reason: RegExp) => {
      const error = await promise.catch((e: unknown) => e);
      expect(error).to.be.instanceOf(InputError).with.property('message').that.matches(reason);
    };
    await refused(writeTensors('w.onnx', values), /^w\.onnx: tensors are written as \.safetensors, /);
    await refused(writeTensors('w.npy', values), /^w\.npy: one array is written as \.npy, 4 are there$/);
    await refused(readTensors(join(folder, 'none.npz')), /none\.npz: no such file$/);
    await refused(readTensors(new Uint8Array(3)), /^bytes: no known format/);
  });
});
