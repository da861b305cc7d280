import { expect } from 'chai';
import type { Value } from '../../../lib/array/value.ts';
import { repeatLines, repeatsOf } from '../../../lib/verify/repeats.ts';

const x: Value = { dtype: 'float32', shape: [1, 4], data: Float32Array.of(1, 2, 4, 8) };
const ULP = 2 ** -23;

/** A device that multiplies by 1, which `nudge` moves by so many units in the last place. */
const device =
  (
    nudge: (what: { session: number; run: number; batch: number; place: number }) => number,
    dtype = 'float32',
  ) =>
  (sessions = { count: 0 }) =>
  async () => {
    const session = sessions.count++;
    let run = 0;
    return async (feeds: ReadonlyMap<string, Value>) => {
      const [N, size] = feeds.get('x')!.shape;
      const given = feeds.get('x')!.data as Float32Array;
      const data = new Float32Array(N * size);
      for (let n = 0; n < N; n++)
        for (let i = 0; i < size; i++)
          data[n * size + i] = given[n * size + i] * (1 + ULP * nudge({ session, run, batch: N, place: n }));
      run++;
      return new Map<string, Value>([
        ['steady', { dtype: 'float32', shape: [N, size], data: given }],
        ['y', { dtype: dtype as 'float32', shape: [N, size], data }],
      ]);
    };
  };

const movesOf = async (open: ReturnType<typeof device>, fixed = false) =>
  Object.fromEntries(
    (await repeatsOf(new Map([['x', x]]), 3, fixed, open())).map(({ change, compared, moved }) => {
      expect(compared).to.equal(2);
      return [change, moved.map(({ layer, ulps }) => `${layer} ${ulps}`).join()];
    }),
  );

describe('repeats', () => {
  it('a device that gives the same bits keeps them everywhere', async () => {
    expect(await movesOf(device(() => 0))).to.deep.equal({ run: '', place: '', batch: '', session: '' });
  });

  it('each change is told from the others', async () => {
    const still = { run: '', place: '', batch: '', session: '' };
    expect(await movesOf(device(({ run }) => (run === 2 ? 3 : 0)))).to.deep.equal({ ...still, run: 'y 3' });
    expect(await movesOf(device(({ session }) => session))).to.deep.equal({ ...still, session: 'y 1' });
    expect(await movesOf(device(({ place }) => place))).to.deep.equal({ ...still, place: 'y 2' });
    expect(await movesOf(device(({ batch }) => (batch === 16 ? 5 : 0)))).to.deep.equal({
      ...still,
      batch: 'y 5',
    });
  });

  it('a fixed batch is left as it is; half values move in their own units', async () => {
    expect(
      await movesOf(
        device(({ batch }) => batch),
        true,
      ),
    ).to.deep.equal({ run: '', session: '' });
    expect(
      await movesOf(
        device(({ session }) => session * 2 ** 13, 'float16'),
        true,
      ),
    ).to.deep.equal({
      run: '',
      session: 'y 1',
    });
  });

  it('NaN where a number was is beyond any distance, and lines say what moved', async () => {
    const found = await repeatsOf(
      new Map([['x', x]]),
      2,
      true,
      device(({ session }) => (session ? Number.NaN : 0))(),
    );
    expect(found[1].moved).to.deep.equal([{ layer: 'y', ulps: Number.POSITIVE_INFINITY }]);
    expect(repeatLines(found)).to.deep.equal([
      'run twice: all 2 values keep their bits',
      'another session: 1 of 2 values keep their bits; units in the last place: y Infinity',
    ]);
  });

  it('across 0 and below it every float32 is a step', async () => {
    const moves = async (before: number, after: number) => {
      const value = (v: number): Value => ({ dtype: 'float32', shape: [1, 1], data: Float32Array.of(v) });
      let session = 0;
      const open = async () => {
        const v = session++ ? after : before;
        return async () => new Map([['y', value(v)]]);
      };
      return (await repeatsOf(new Map([['x', x]]), 2, true, open))[1].moved.map(({ ulps }) => ulps);
    };
    expect(await moves(-1, -1 - 2 ** -22)).to.deep.equal([2]);
    expect(await moves(-(2 ** -149), 2 ** -149)).to.deep.equal([2]);
    expect(await moves(-0, 0)).to.deep.equal([]);
    expect(await moves(0, -(2 ** -149))).to.deep.equal([1]);
  });

  it('the other places hold other images: turned by 97, 194 and 291', async () => {
    const many: Value = {
      dtype: 'float32',
      shape: [1, 400],
      data: new Float32Array(400).map((_, i) => i),
    };
    const seen: number[][] = [];
    await repeatsOf(new Map([['x', many]]), 1, false, async () => async (feeds) => {
      const { shape, data } = feeds.get('x')!;
      seen.push(Array.from({ length: shape[0] }, (_, n) => (data as Float32Array)[n * 400]));
      return new Map();
    });
    expect(seen).to.deep.equal([[0], [0, 97, 194, 291], [194, 291, 0, 97], [0], new Array(16).fill(0), [0]]);
  });
});
