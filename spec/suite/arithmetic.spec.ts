/** The arithmetic of each convolution and fully connected layer is told from its values alone. */
import { expect } from 'chai';
import { classes, type Requirement } from '../../lib/bounds/arithmetic.ts';
import { forward, inputsOf, runLayer, type Weights } from '../../lib/fast/oracle.ts';
import type { Comparison } from '../../lib/judge/judge.ts';
import { networks } from '../../reference/networks/index.ts';
import type { Layer } from '../../reference/networks/layers.ts';
import { dense, type Tensor, tensor } from '../../reference/tensor.ts';
import { initialise } from '../../reference/training/init.ts';
import { roundTo, tensorCoreDot } from '../support/float32.ts';
import { judgeLayer } from '../support/judge-layer.ts';

import { narrow, onSmallPictures, random } from '../support/models.ts';

const through = (t: Tensor, f: (v: number) => number): Tensor =>
  tensor(Float32Array.from(dense(t), f), t.shape);

/** Towards zero to 11 bits: TF32 as hardware that truncates makes it. */
function truncate(v: number): number {
  const bits = new Uint32Array(Float32Array.of(v).buffer);
  bits[0] &= ~((1 << 13) - 1);
  return new Float32Array(bits.buffer)[0];
}

const float32 = (v: number): number => v;
const operands = {
  float32: { round: float32, says: 'float32', requires: 'float32' },
  'TF32 or float16': { round: roundTo(11), says: 'tf32-or-float16', requires: 'float16' },
  'truncated TF32': { round: truncate, says: 'tf32-or-float16', requires: 'tf32' },
  bfloat16: { round: roundTo(8), says: 'bfloat16', requires: 'bfloat16' },
} as const;

/** What is said of a layer whose operands were rounded; its sums are right float32. */
function judged(
  layer: Layer,
  x: Tensor,
  weights: Weights,
  round: (v: number) => number,
  required: Requirement,
): Comparison {
  const key = `${layer.name}.weight`;
  const rounded = new Map([...weights, [key, through(weights.get(key)!, round)]]);
  const y = runLayer(layer, [through(x, round)], rounded, 'float32');
  const about = { device: 'cpu', half: false, runningSum: false } as const;
  return judgeLayer(layer, [x], y, weights, { ...about, operands: classes[required] });
}

describe('float32, TF32 or float16, and bfloat16 are told apart in every layer of products', () => {
  for (const [at, whole] of networks.entries()) {
    it(`${whole.name}: each class by its bits, and only float32 passes where float32 is required`, () => {
      const network = onSmallPictures(narrow(whole));
      const weights = initialise(network, at, 'kaiming');
      const x = random([1, ...network.input], at + 1, 100);
      const chain = new Map<string, Tensor>([['input', x]]);
      forward(network, weights, x, { precision: 'float32', trace: ({ name }, y) => void chain.set(name, y) });
      for (const [index, layer] of network.layers.entries()) {
        if (layer.kind !== 'conv2d' && layer.kind !== 'linear') continue;
        const input = chain.get(inputsOf(network, index)[0])!;
        for (const [name, { round, says, requires }] of Object.entries(operands)) {
          const strict = judged(layer, input, weights, round, 'float32');
          expect(strict.arithmetic, `${layer.name} in ${name}`).to.equal(says);
          expect(strict.verdict, `${layer.name} in ${name}`).to.equal(says === 'float32' ? 'pass' : 'fail');
          const own = judged(layer, input, weights, round, requires);
          expect(own.verdict, `${layer.name} in ${name}, which is allowed: ${own.reason}`).to.equal('pass');
        }
      }
    }).timeout(60_000);
  }
});

describe('sums of tensor cores, which are cut off towards zero', () => {
  const M = 9216;
  const K = 12;
  const layer = { name: 'fc6', kind: 'linear', channels: K } as unknown as Layer;
  const signs = { 'of one sign': Math.abs, 'of both signs': float32 };
  for (const [sign, f] of Object.entries(signs))
    for (const [name, block, required] of [
      ['TF32 or float16', 4, 'float16'],
      ['TF32 or float16', 16, 'float16'],
      ['truncated TF32', 4, 'tf32'],
      ['bfloat16', 8, 'bfloat16'],
    ] as const)
      it(`${M} products ${sign}, operands ${name}, ${block} at a time: pass where that is allowed`, () => {
        const { round } = operands[name];
        const x = through(random([1, M], 5), Math.abs);
        const w = through(random([K, M], 6), f);
        const rounded = dense(through(w, round));
        const X = dense(through(x, round));
        const y = new Float32Array(K).map((_, k) =>
          tensorCoreDot(rounded.subarray(k * M, (k + 1) * M), X, block),
        );
        const judgedAs = (as: Requirement) => {
          const about = { device: 'cuda', half: false, runningSum: false } as const;
          const weights = new Map([['fc6.weight', w]]);
          return judgeLayer(layer, [x], tensor(y, [1, K]), weights, { ...about, operands: classes[as] });
        };
        const { verdict, reason } = judgedAs(required);
        expect(verdict, reason).to.equal('pass');
        // one float32 accumulator could do as badly where all terms have one sign
        const noticed = sign === 'of one sign' ? ['fail', 'suspicious'] : ['fail'];
        expect(judgedAs('float32').verdict).to.be.oneOf(noticed);
      });

  it('as they are on a V100: 4 products, no guard bit', () => {
    // 1 + 2⁻²⁴ four times: each is cut off beside 1, and 4·2⁻²⁴ alone would have stayed
    const ones = [1, 1, 1, 1];
    const tiny = ones.map(() => 2 ** -24);
    expect(tensorCoreDot([1, 0, 0, 0, ...tiny], [1, 1, 1, 1, ...ones], 4)).to.equal(1);
    expect(tensorCoreDot([...tiny, 1, 0, 0, 0], [...ones, 1, 1, 1, 1], 4)).to.equal(1 + 2 ** -22);
    expect(tensorCoreDot([-1.5, 0, 0, 2 ** -23 * 1.5], [1, 1, 1, 1], 4)).to.equal(-1.5 + 2 ** -23);
  });
});
