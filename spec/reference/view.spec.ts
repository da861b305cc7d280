import { expect } from 'chai';
import ndarray, { type NdArray } from 'ndarray';
import type { Storage } from '../../reference/tensor.ts';
import { plainView } from '../../reference/view.ts';
import { runModule } from '../support/child.ts';

type View = NdArray<Storage>;
type Way = (view: View) => View;

/** Everything that can be seen of a view. */
const seen = (view: View) => {
  const { shape, stride, offset, dtype, size, dimension, order } = view;
  const last = shape.map((extent) => extent - 1);
  const values = size > 0 ? [view.get(...shape.map(() => 0)), view.get(...last), view.index(...last)] : [];
  return {
    shape: [...shape],
    stride: [...stride],
    offset,
    dtype,
    size,
    dimension,
    order: [...order],
    values,
  };
};

describe('a view without compiled code', () => {
  const ways: Readonly<Record<string, Way>> = {
    itself: (v) => v,
    'hi(2, -, 1)': (v) => v.hi(2, -1, 1),
    'lo(1, 0, 2)': (v) => v.lo(1, 0, 2),
    'lo(1).hi(1, 2)': (v) => v.lo(1).hi(1, 2),
    'step(2, -1, -2)': (v) => v.step(2, -1, -2),
    'transpose(2, 0, 1)': (v) => v.transpose(2, 0, 1),
    'transpose(1, 0)': (v) => v.transpose(1, 0),
    'pick(null, 1)': (v) => v.pick(null, 1),
    'pick(1, 2, 3)': (v) => v.pick(1, 2, 3),
    'transpose(2, 1, 0).lo(1, 1).step(-1)': (v) => v.transpose(2, 1, 0).lo(1, 1).step(-1),
  };
  for (const [name, way] of Object.entries(ways)) {
    it(`is what ndarray makes: ${name}`, () => {
      for (const shape of [
        [3, 4, 5],
        [2, 3, 4],
      ]) {
        const data = new Float32Array(60).map((_, i) => i).subarray(0, shape[0] * shape[1] * shape[2]);
        expect(seen(way(plainView(data, shape)))).to.deep.equal(
          seen(way(ndarray(data as Storage, [...shape]))),
        );
      }
    });
  }

  it('writes where ndarray writes', () => {
    const data = new Float64Array(6);
    const view = plainView(data, [2, 3]).transpose(1, 0);
    expect(view.set(2, 1, 7)).to.equal(7);
    expect([...data]).to.deep.equal([0, 0, 0, 0, 0, 7]);
    expect(seen(plainView(data, []))).to.deep.include({ shape: [], size: 1, dimension: 0, dtype: 'float64' });
  });

  it('lets a network run, with the same bits, where strings are never compiled', () => {
    const text = `
      const { networkNamed } = await import('@/reference/networks/index.ts');
      const { forward } = await import('@/reference/oracle.ts');
      const { initialise } = await import('@/reference/training/init.ts');
      const { dense, tensor } = await import('@/reference/tensor.ts');
      const net = networkNamed('cifar-tanh');
      const x = tensor(new Float32Array(3 * 32 * 32).map((_, i) => Math.fround(i % 97) / 97), [1, 3, 32, 32]);
      process.stdout.write([...dense(forward(net, initialise(net, 0, 'kaiming'), x))].join());`;
    const strict = runModule(text, { node: ['--disallow-code-generation-from-strings'] });
    expect(strict.stderr).to.equal('');
    expect(strict.stdout.split(',')).to.have.length(10);
    expect(strict.stdout).to.equal(runModule(text, {}).stdout);
  });
});
