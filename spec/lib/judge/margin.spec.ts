/** What rounding means for the answer: the first-order standard error of the margin, against a Monte Carlo of it. */
import { expect } from 'chai';
import { type Margin, marginOf, marginText } from '../../../lib/judge/margin.ts';
import { conv, dropout, flatten, linear, relu } from '../../../reference/networks/layers.ts';
import { forward, inputsOf, runLayer } from '../../../reference/oracle.ts';
import { normals } from '../../../reference/random.ts';
import { dense, type Tensor, tensor } from '../../../reference/tensor.ts';
import { t } from '../../support/hand.ts';
import { networkOf, random, randomWeights } from '../../support/models.ts';

const linearOnly = networkOf([2, 1, 1], flatten('flat'), linear('fc', 3));
const weights = new Map([
  ['fc.weight', t([3, 2], 1, 0, 0, 1, 1, 1)],
  ['fc.bias', t([3], 0, 0, 0)],
]);

/** The margin of logits that are given, σ of each of them, and of the values before (2 an image). */
function marginFor(
  logits: readonly number[],
  sigma: readonly number[],
  before?: readonly number[],
): Margin | null {
  const N = logits.length / 3;
  const chain = new Map([
    ['input', t([N, 2, 1, 1], ...new Array(2 * N).fill(1))],
    ['flat', t([N, 2], ...new Array(2 * N).fill(1))],
    ['fc', t([N, 3], ...logits)],
  ]);
  const errors = new Map([['fc', Float64Array.from(sigma)]]);
  if (before) errors.set('flat', Float64Array.from(before));
  return marginOf(linearOnly, weights, chain, errors);
}

describe('the margin', () => {
  it('is that of the two largest logits, its error the root of the squares', () => {
    const found = marginFor([5, 1, 3], [0.3, 9, 0.4])!;
    expect(found).to.deep.include({ image: 0, classes: [0, 2], margin: 2 });
    expect(found.standardError).to.be.closeTo(0.5, 1e-12);
  });

  it('errors of earlier values count by what the margin changes with them', () => {
    // logits 0 and 2 of weights (1, 0) and (1, 1): the margin changes by (0, −1)
    const found = marginFor([5, 1, 3], [0, 0, 0], [9, 0.25])!;
    expect(found.standardError).to.be.closeTo(0.25, 1e-12);
    expect(marginFor([5, 1, 3], [0.3, 0, 0], [9, 0.4])!.standardError).to.be.closeTo(0.5, 1e-6);
  });

  it('is that of the image whose margin is the fewest standard errors', () => {
    // 2/0.5, 1/0.5, 3/3
    const sigma = [0.3, 0, 0.4, 0.3, 0.4, 0, 0, 0, 3];
    expect(marginFor([5, 1, 3, 6, 5, 1, 0, 1, 4], sigma)).to.deep.include({
      image: 2,
      classes: [2, 1],
      margin: 3,
    });
    expect(marginFor([5, 1, 3, 6, 5, 1, 0, 1, 4], [...sigma.slice(0, 8), 0.1])).to.deep.include({
      image: 1,
      classes: [0, 1],
    });
  });

  it('the two largest are found wherever they are', () => {
    const classes = (...z: number[]) => marginFor(z, [1, 1, 1])!.classes;
    expect([
      classes(1, 2, 3),
      classes(3, 2, 1),
      classes(2, 1, 3),
      classes(2, 3, 1),
      classes(3, 1, 2),
    ]).to.deep.equal([
      [2, 1],
      [0, 1],
      [2, 0],
      [1, 0],
      [0, 2],
    ]);
  });

  it('logits that are no numbers have none, nor has a network with one output', () => {
    expect(marginFor([Infinity, 1, 2], [1, 1, 1])).to.equal(null);
    const one = networkOf([2, 1, 1], flatten('flat'), linear('fc', 1));
    const chain = new Map([['fc', t([1, 1], 3)]]);
    expect(marginOf(one, new Map(), chain, new Map())).to.equal(null);
  });

  it('probabilities are the normal distribution’s tail', () => {
    const at = (z: number) => marginFor([z, 0, -9], [1, 0, 0])!.probability;
    // 1 − Φ(z), tables to the digits given
    expect(at(0)).to.equal(0.5);
    expect(at(1)).to.be.closeTo(0.15865525, 1e-7);
    expect(at(2.5)).to.be.closeTo(0.00620967, 1e-7);
    expect(at(4) / 3.1671241833e-5).to.be.closeTo(1, 0.004);
    expect(at(6) / 9.8658764503769e-10).to.be.closeTo(1, 3e-4);
  });

  it('the sentence has the numbers', () => {
    const one = {
      image: 0,
      classes: [7, 12],
      margin: 3.2,
      standardError: 0.0042,
      probability: 2.4e-5,
    } as const;
    expect(marginText(one)).to.equal(
      'the answer: class 7 leads 12 by 3.20, rounding moves that by 4.2e-3 (one standard error): ' +
        'the chance that it changes the class is about 2e-5',
    );
    expect(marginText({ ...one, image: 1 })).to.include('by 3.20 in image 1, ');
    expect(marginText({ ...one, image: 2, probability: 9e-16 })).to.match(
      /by 3\.20 in image 2, .* is below 1e-15$/,
    );
    expect(marginText({ ...one, probability: 1.1e-15 })).to.match(/about 1e-15$/);
  });
});

describe('the margin against a Monte Carlo of rounding errors', () => {
  const network = networkOf(
    [2, 6, 6],
    conv('conv', 4, 3),
    relu('relu'),
    flatten('flat'),
    dropout('drop', 'paper'),
    linear('fc', 5),
  );
  const own = randomWeights(network, 3);
  const input = random([2, 2, 6, 6], 5);
  // the earlier the larger: what comes before the dropout layer counts most
  const sigmaOf = (size: number, at: number) => new Float64Array(size).fill(1e-5 * (5 - at));

  /** The oracle's chain with independent normal errors of deviation σ on every value. */
  function disturbed(draw: number): Tensor {
    const values = new Map([['input', input]]);
    for (const [at, layer] of network.layers.entries()) {
      const y = runLayer(
        layer,
        inputsOf(network, at).map((name) => values.get(name)!),
        own,
        'float64',
      );
      const sigma = sigmaOf(y.size, at);
      const errors = normals(draw, at, y.size);
      values.set(
        layer.name,
        tensor(
          new Float64Array(dense(y)).map((v, i) => v + sigma[i] * errors[i]),
          y.shape,
        ),
      );
    }
    return values.get('fc')!;
  }

  it('the deviation of the drawn margins is the standard error within what 400 draws allow', () => {
    const chain = new Map([['input', input]]);
    forward(network, own, input, { precision: 'float64', trace: ({ name }, y) => void chain.set(name, y) });
    const sigma = new Map(network.layers.map(({ name }, at) => [name, sigmaOf(chain.get(name)!.size, at)]));
    const { image, classes, margin, standardError } = marginOf(network, own, chain, sigma)!;
    const DRAWS = 400;
    const drawn = Array.from({ length: DRAWS }, (_, draw) => {
      const z = disturbed(draw);
      return z.get(image, classes[0]) - z.get(image, classes[1]) - margin;
    });
    const deviation = Math.sqrt(drawn.reduce((sum, d) => sum + d * d, 0) / DRAWS);
    // a deviation from n draws is itself off by 1/√(2n) = 3.5 %, so four of those
    expect(deviation / standardError).to.be.within(1 - 4 * 0.0354, 1 + 4 * 0.0354);
  });
});
