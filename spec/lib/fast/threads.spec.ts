/** Threads share the work without changing a bit, and let the process end. */
import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import * as fast from '../../../lib/fast/node.ts';
import { lrn } from '../../../reference/networks/layers.ts';
import * as plain from '../../../reference/ops/index.ts';
import { type Tensor, tensor } from '../../../reference/tensor.ts';
import { awkward, firstDifference } from '../../support/bits.ts';

const values = (shape: number[], seed: number): Tensor =>
  tensor(
    awkward(
      shape.reduce((a, b) => a * b),
      seed,
    ),
    shape,
  );

const attributes: plain.conv2d.Attributes = {
  stride: [1, 2],
  pad: [1, 2, 0, 1],
  dilation: [1, 1],
  groups: 2,
};
const window = { kernel: [3, 3], stride: [2, 2], pad: [0, 0, 0, 0], rounding: 'floor' } as const;
const norm = (lrn('norm') as unknown as { attributes: plain.lrn.Attributes }).attributes;

const run = (ops: typeof plain | typeof fast): Record<string, Tensor> => {
  const x = values([3, 8, 21, 19], 1);
  return {
    conv2d: ops.conv2d.forward([x, values([10, 4, 3, 3], 2), values([10], 3)], attributes),
    linear1: ops.linear.forward([values([1, 900], 4), values([700, 900], 5), values([700], 6)], undefined),
    linear5: ops.linear.forward([values([5, 900], 7), values([700, 900], 5)], undefined),
    lrn: ops.lrn.forward([x], norm),
    maxpool: ops.maxpool.forward([x], window),
  };
};

describe('fast threads', () => {
  after(() => fast.configure({ threads: fast.workers(1) }));

  for (const threads of [2, 3]) {
    it(`give the bits of the plain loops with ${threads}, while they start and when they run`, async () => {
      const expected = run(plain);
      fast.configure({ threads: fast.workers(threads) });
      for (let round = 0; round < 8; round++) {
        for (const [name, y] of Object.entries(run(fast))) {
          expect(firstDifference(y.data, expected[name].data), `${name}, round ${round}`).to.equal(-1);
        }
        if (round === 3) await sleep(200);
      }
    });
  }

  it('refuse a number that is not one', () => {
    for (const threads of [0, 1.5, Number.NaN]) {
      expect(() => fast.configure({ threads: fast.workers(threads) })).to.throw(
        'fast: threads must be a positive integer',
      );
    }
  });

  it('do not keep the process alive', () => {
    const script = `
      import { configure, linear, workers } from './lib/fast/node.ts';
      import { tensor } from './reference/tensor.ts';
      configure({ threads: workers(2) });
      console.log(linear.forward([tensor(Float32Array.of(2), [1, 1]), tensor(Float32Array.of(3), [1, 1])]).data[0]);
    `;
    const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
    const { stdout, stderr, status } = spawnSync(process.execPath, args, {
      encoding: 'utf8',
      timeout: 15000,
    });
    expect({ stdout, stderr, status }).to.deep.equal({ stdout: '6\n', stderr: '', status: 0 });
  });
});

describe('fast twins without SIMD', () => {
  it('are the plain loops, and say so once', () => {
    const script = `
      import { configure, linear, unavailable, workers } from './lib/fast/node.ts';
      import { tensor } from './reference/tensor.ts';
      WebAssembly.validate = () => false; // as an engine without SIMD says
      configure({ threads: workers(2), missing: (reason) => console.log(reason) });
      const [x, w] = [2, 3].map((value) => tensor(Float32Array.of(value), [1, 1]));
      for (let i = 0; i < 3; i++) console.log(linear.forward([x, w]).data[0], unavailable());
    `;
    const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 15000 });
    const reason = 'this JavaScript engine has no WebAssembly SIMD or threads';
    const lines = [reason, ...new Array(3).fill(`6 ${reason}`)];
    expect({ stdout, stderr }).to.deep.equal({ stdout: `${lines.join('\n')}\n`, stderr: '' });
  });
});
