/** What the companion tells of a value adds up to it, forward and backward, in layers of every kind. */
import { expect } from 'chai';
import { allGradients, gradientStory } from '../../companion/engine/backstory.ts';
import { storyOf } from '../../companion/engine/story.ts';
import { run } from '../../lib/picture/running.ts';
import { cifar10Full, cifarAlexnet, cifarTanh } from '../../reference/networks/cifar.ts';
import {
  adaptiveavgpool,
  conv,
  flatten,
  linear,
  lrn,
  maxpool,
  type Network,
  relu,
  softmax,
} from '../../reference/networks/layers.ts';
import { normals, words } from '../../reference/random.ts';
import { dense, sizeOf, type Tensor, tensor } from '../../reference/tensor.ts';
import { backward, trunk } from '../../reference/training/gradient.ts';
import { initialise } from '../../reference/training/init.ts';

/** What the others lack: towers, windows that are even, bins that overlap, a stride that leaves pixels out. */
const odd: Network = {
  ...cifarAlexnet,
  name: 'odd',
  layers: [
    conv('conv1', 8, 3, { stride: 4, pad: 1, groups: 1 }), // 8×8×8
    lrn('norm1', { size: 4, alpha: 0.5, k: 2, even: 'below', groups: 2, divide: false }),
    { name: 'sig1', kind: 'sigmoid' },
    conv('conv2', 6, 3, { groups: 2 }), // 6×6×6
    lrn('norm2', { size: 4, alpha: 0.5 }),
    maxpool('pool2', { kernel: [2, 2], stride: [1, 1] }), // 6×5×5
    adaptiveavgpool('pool3', 3), // 6×3×3
    { name: 'mapnorm3', kind: 'mapnorm', attributes: { size: 2, alpha: 2, beta: 0.5, k: 1, divide: true } },
    relu('relu3'),
    flatten('flatten'),
    linear('fc', 5),
    softmax('prob'),
  ],
};

/** A class that is not the likeliest. */
const K = 3;

const draw = (layer: string, size: number): number[] =>
  [...words(5, layer.length, 8)].map((word) => word % size);

describe('stories of values', () => {
  for (const network of [cifar10Full, cifarTanh, cifarAlexnet, odd]) {
    describe(network.name, () => {
      const weights = initialise(network, 1, 'kaiming');
      const input = tensor(Float32Array.from(normals(7, 0, sizeOf(network.input))), [1, ...network.input]);
      const running = run(network, weights, input);
      const found = allGradients(running, K);
      const due = new Map<string, Tensor>();
      const trace = ({ name }: { readonly name: string }, _: Tensor, dy: Tensor) => void due.set(name, dy);
      due.set(
        'input',
        backward(network, weights, { input, labels: [K], dropout: 'none' }, { trace }).dinput!,
      );

      it('forward: the steps end at the value', () => {
        for (const { name } of network.layers) {
          for (const index of draw(name, running.values.get(name)!.size)) {
            const { stored, exact, bound, steps, x, at } = storyOf(running, name, index);
            const place = `${name} ${index}`;
            expect(stored, place).to.equal(dense(running.values.get(name)!)[index]);
            expect(Math.fround(exact), place).to.equal(stored);
            expect(Math.abs(stored - exact), place).to.be.at.most(bound);
            if (steps.length > 0) expect(steps.at(-1)!.value, place).to.equal(exact);
            else expect(x!.length, place).to.equal(at!.length).and.equal(1);
          }
        }
      });

      it('backward: the steps end at the gradient, and what the readers give adds up to it', () => {
        for (const [name, dx] of due) {
          for (const index of draw(name, dx.size)) {
            const { stored, exact, bound, steps, readers, by } = gradientStory(
              running,
              found,
              name,
              index,
              K,
            );
            const place = `${name} ${index}`;
            expect(stored, place).to.equal(dense(dx)[index]);
            expect(Math.fround(exact), place).to.equal(stored);
            expect(Math.abs(stored - exact), place).to.be.at.most(bound);
            expect(steps.at(-1)!.value, place).to.equal(exact);
            for (const reader of readers) {
              const dy = found.get(by!)!;
              expect(reader.dy, place).to.equal(dense(dy)[reader.index]);
              // three roundings at most, in another order
              const off = Math.abs(reader.dy * reader.factor - reader.product);
              expect(off, place).to.be.at.most(4 * 2 ** -53 * Math.abs(reader.product));
            }
            const sum = readers.reduce((total, { product }) => total + product, 0);
            const sizes = readers.reduce((total, { product }) => total + Math.abs(product), 0);
            // through softmax p is float32, and so is 1/p: half an ulp of each; else float64: a factor's seven
            // roundings, a product, a sum. A normaliser's factor is a difference: its parts are at most 1 and 2β ≤ 1.5
            // times the share through the value's own numerator, the first step
            const last = name === trunk(network).layers.at(-1)!.name;
            const slack = last ? 2.5 * 2 ** -24 : (readers.length + 9) * 2 ** -53;
            const cancelled = steps.length > 1 && !last ? 2.5 * Math.abs(steps[0].value) : 0;
            expect(Math.abs(sum - exact), place).to.be.at.most((sizes + cancelled) * slack);
          }
        }
      });
    });
  }
});
