import { expect } from 'chai';
import type { Value } from '../../../lib/array/value.ts';
import { InputError } from '../../../lib/errors.ts';
import { evaluateGraph } from '../../../lib/onnx/evaluate.ts';
import {
  type AttributeValue,
  f32,
  graph,
  i64,
  info,
  modelBytes,
  noise,
  open,
  single,
  tensorOf,
} from '../../support/onnx.ts';

/** Models with much to break: strings, lists, tensors, subgraphs. */
const branch = graph([{ op: 'Neg', inputs: ['x0'], outputs: ['b'] }], [], [info('b')]);
const seeds: { bytes: Uint8Array; feeds: Map<string, Value> }[] = [
  single('Conv', [noise([1, 4, 5, 6]), noise([6, 2, 3, 2])], {
    group: 2,
    pads: [1, 0, 2, 1],
    strides: [2, 1],
  }),
  single(
    'MaxPool',
    [noise([1, 2, 5, 6])],
    { kernel_shape: [3, 2], strides: [2, 1], ceil_mode: 1 },
    { outputs: 2 },
  ),
  single('Slice', [noise([3, 4]), i64([0]), i64([3]), i64([1]), i64([2])]),
  single('Resize', [noise([1, 1, 2, 2])], { mode: 'nearest' }),
  single('Pad', [noise([2, 3]), i64([0, 1, 2, 0])], { mode: 'reflect' }),
  single('Reshape', [noise([2, 3]), i64([3, -1])]),
];
const whole: AttributeValue = f32([0.5]);
seeds.push({
  bytes: modelBytes(
    graph(
      [
        { op: 'Constant', inputs: [], outputs: ['k'], attributes: { value: whole } },
        { op: 'Greater', inputs: ['k', 'w'], outputs: ['c'] },
        { op: 'If', inputs: ['c'], outputs: ['y'], attributes: { then_branch: branch, else_branch: branch } },
      ],
      [info('x0')],
      [info('y')],
      [tensorOf(f32([0.25]), 'w')],
    ),
  ),
  feeds: new Map([['x0', noise([4])]]),
});

/** xorshift32: the same bytes are broken every time. */
function dice(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return Math.floor(((state >>> 0) / 2 ** 32) * n);
  };
}

describe('damaged models', () => {
  it('are refused in one line or evaluated, and nothing else happens', async function () {
    this.timeout(180_000);
    const roll = dice(20121);
    let [refused, evaluated] = [0, 0];
    for (let i = 0; i < 3000; i++) {
      const { bytes, feeds } = seeds[i % seeds.length];
      const damaged = Uint8Array.from(bytes);
      for (let k = roll(3); k >= 0; k--) damaged[roll(damaged.length)] = roll(4) === 0 ? 255 : roll(256);
      try {
        evaluateGraph(await open(damaged), feeds, { maxIterations: 100 });
        evaluated++;
      } catch (error) {
        expect(error, (error as Error).stack).to.be.instanceOf(InputError);
        expect((error as Error).message).to.match(/^m\.onnx: [^\n]+$/);
        refused++;
      }
    }
    expect(refused).to.be.above(1000);
    expect(evaluated).to.be.above(100);
  });
});
