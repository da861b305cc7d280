/** Averages of grey levels: Pillow in fixed point, onnxruntime in fixed point and in float32 keep the bound. */
import { spawnSync } from 'node:child_process';
import { expect } from 'chai';
import * as ort from 'onnxruntime-node';
import { GraphBuilder } from '../../../export/graph.ts';
import { encodeModel } from '../../../export/proto.ts';
import { arithmetic, gamma } from '../../../lib/bounds/arithmetic.ts';
import { averaged } from '../../../lib/bounds/resampling.ts';
import { dense, map, type Tensor, tensor } from '../../../reference/tensor.ts';
import { g } from '../../support/hand.ts';
import { uniform } from '../../support/models.ts';
import { needsPython, PYTHON } from '../../support/pytorch.ts';

const next = uniform(7);
const noise = (H: number, W: number): Uint8Array => new Uint8Array(3 * W * H).map(() => (next() + 1) * 128);

/** [H, W] along axis 1 or 2 to a length: shrunk a little and a lot, enlarged, and far from the origin. */
const cases = [
  [97, 131, 2, 50],
  [1999, 23, 1, 256],
  [13, 4000, 2, 341],
  [31, 17, 1, 70],
] as const;

function judged(data: Uint8Array, [H, W, axis, length]: (typeof cases)[number]) {
  const x = tensor(Float32Array.from(data), [1, H, W, 3]);
  const { exact, bounds } = averaged(
    x,
    map(x, () => 0),
    axis,
    length,
    arithmetic.cpu,
  );
  return { exact, bound: bounds.bound };
}

const beyond = (y: ArrayLike<number>, exact: Tensor, bound: Float64Array): number =>
  bound.reduce((count, limit, i) => count + Number(!(Math.abs(y[i] - dense(exact)[i]) <= limit)), 0);

async function inOnnxruntime(
  data: Uint8Array,
  [H, W, axis, length]: (typeof cases)[number],
  type: 'uint8' | 'float32',
): Promise<Float32Array | Uint8Array> {
  const g = new GraphBuilder({ precision: 'float32', batch: 1, lrn: 'native' });
  const filter = { mode: 'linear', coordinate_transformation_mode: 'half_pixel', antialias: 1 };
  const attributes = { ...filter, exclude_outside: 1, axes: [axis] };
  const x = g.input('x', [1, H, W, 3], type);
  g.output(g.node('Resize', [x, '', '', g.integers('length', [length])], 'y', attributes));
  const model = { irVersion: 8, opsetImport: [{ domain: '', version: 18 }], graph: g.build('resize', '') };
  const session = await ort.InferenceSession.create(encodeModel(model), { logSeverityLevel: 3 });
  const values = type === 'uint8' ? data : Float32Array.from(data);
  const { y } = await session.run({ x: new ort.Tensor(type, values as Uint8Array, [1, H, W, 3]) });
  await session.release();
  return y.data as Float32Array;
}

describe('lib/bounds/resampling', function () {
  this.timeout(60_000);

  for (const one of cases) {
    const [H, W, axis, length] = one;
    const title = `${H}×${W}, axis ${axis} to ${length}`;

    it(`${title}: onnxruntime, in bytes and rounded from float32`, async () => {
      const data = noise(H, W);
      const { exact, bound } = judged(data, one);
      const bytes = await inOnnxruntime(data, one, 'uint8');
      expect(bytes.length).to.equal(exact.size);
      expect(beyond(bytes, exact, bound)).to.equal(0);
      const floats = await inOnnxruntime(data, one, 'float32');
      expect(beyond(floats.map(Math.round), exact, bound)).to.equal(0);
    });

    it(`${title}: Pillow`, function () {
      needsPython(this, 'PIL', 'python3-pil');
      const script = `import sys
from PIL import Image
W, H, w, h = map(int, sys.argv[1:])
x = Image.frombytes('RGB', (W, H), sys.stdin.buffer.read())
sys.stdout.buffer.write(x.resize((w, h), Image.BILINEAR).tobytes())`;
      const data = noise(H, W);
      const sizes = [W, H, axis === 2 ? length : W, axis === 1 ? length : H].map(String);
      const { stdout } = spawnSync(PYTHON, ['-c', script, ...sizes], { input: data });
      const { exact, bound } = judged(data, one);
      expect(stdout.length).to.equal(exact.size);
      expect(beyond(stdout, exact, bound)).to.equal(0);
    });

    it(`${title}: another level than the nearest fails, but where the average is next to half a level`, () => {
      const { bound } = judged(noise(H, W), one);
      expect(Math.max(...bound)).to.equal(1);
      const from = [H, W][axis - 1];
      if (length > from) return;
      // uniform levels: 128 on average, 64 away from it; a centre is from/2. By the formula of `averaged`, d = 1:
      const r = from / length;
      const n = 2 * r + 2;
      const s = (gamma(2 * length + 9) * 64 * n) / r + gamma(2 * n + 3) * 128 + 128 * n * 2 ** -23;
      // a share of 2s is within s of half a level; four standard deviations of so many draws
      const expected = 2 * s * bound.length;
      const found = bound.reduce((a, b) => a + b);
      expect(found).to.be.within(
        expected - 4 * Math.sqrt(expected) - 1,
        expected + 4 * Math.sqrt(expected) + 1,
      );
    });
  }

  describe('by hand: four values become two; the first is (¾·x₀ + ¾·x₁ + ¼·x₂)/(7/4), with n = 4, c = 1, r = 2', () => {
    /** Of [a, a, a + b, a + b] whose average is half a level less δ, for each δ: whether the next level is allowed. */
    function allowed(b: number, half: number, device: 'cpu' | 'webgpu', doubt: number, ...deltas: number[]) {
      const row = [0, 0, b, b].flatMap((more) => deltas.map((delta) => half - b / 7 - delta + more));
      const x = tensor(Float64Array.from(row), [1, 1, 4, 3]);
      const doubts = map(x, () => doubt);
      const { exact, bounds } = averaged(x, doubts, 2, 2, arithmetic[device]);
      expect([...dense(exact)].slice(0, 3)).to.deep.equal(deltas.map(() => Math.floor(half)));
      return [...bounds.bound].slice(0, 3);
    }

    it('equal values: γ_{2n+3}·ŷ + 2⁻²³·Σx, and 1 + 2⁻⁶ of what they may be off by themselves', () => {
      const own = 100.5 * (g(11) + 4 * 2 ** -23);
      expect(allowed(0, 100.5, 'cpu', 0, 0.99 * own, 1.01 * own, 0.4)).to.deep.equal([1, 0, 0]);
      const with1 = own + 0.1 * (1 + 2 ** -6);
      expect(allowed(0, 100.5, 'cpu', 0.1, 0.999 * with1, 1.001 * with1, 0.4)).to.deep.equal([1, 0, 0]);
    });

    it('others: ε·Σ|x − ŷ|/(Σw − nε) more, ε = γ_{(2d + 2)c/r + 3d + 6}', () => {
      // x − ŷ = −1000, −1000, 6000, 6000; Σx = 4·7.5 + 14,000
      for (const [device, roundings] of [
        ['cpu', 2 + 3 + 6],
        ['webgpu', 6 + 15 + 6],
      ] as const) {
        const epsilon = g(roundings);
        const s = (epsilon * 14_000) / (1.75 - 4 * epsilon) + g(11) * 1007.5 + 14_030 * 2 ** -23;
        expect(allowed(7000, 1007.5, device, 0, 0.99 * s, 1.01 * s, 0.4), device).to.deep.equal([1, 0, 0]);
      }
    });
  });

  it('of a length that stays nothing is averaged', () => {
    const x = tensor(Float32Array.of(1, 2, 3, 4, 5, 6), [1, 1, 2, 3]);
    const { exact, bounds } = averaged(
      x,
      map(x, () => 0),
      2,
      2,
      arithmetic.cpu,
    );
    expect([exact, ...bounds.bound]).to.deep.equal([x, 0, 0, 0, 0, 0, 0]);
  });
});
