/** docs/cifar.md, its drawings and what they rest on: bench/figure1.json and bench/ablations.json. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { type Ablations, ablationsText } from '../../bench/ablationsdocument.ts';
import { withBlocks } from '../../bench/document.ts';
import { crossingOf, factorOf, figureOf, type Results, textOf } from '../../bench/figure1document.ts';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

describe('figure 1', () => {
  const all: Results[] = JSON.parse(read('bench/figure1.json'));
  const text = read('docs/cifar.md');

  it('the crossing of 25 % is on the straight line between the epochs’ middles', () => {
    expect(crossingOf([0.5, 0.3, 0.2])).to.be.closeTo(2, 1e-12);
    expect(crossingOf([0.5, 0.3, 0.25, 0.1])).to.equal(2.5);
    expect(crossingOf([0.2])).to.equal(0.5);
    expect(crossingOf([0.9, 0.26])).to.equal(null);
  });

  it('the factor is that of the means, its range that of the seeds', () => {
    const run = (neuron: string, seed: number, errors: number[]) => ({
      key: `figure1-caffe-${neuron}-1-${seed}`,
      seed,
      device: 'cpu',
      made: '',
      epochs: errors.map((error) => ({ loss: 0, error, validation: null })),
    });
    // crossings 1 and 2 epochs for ReLU, 4 and 6 for tanh
    const records = [
      run('relu', 0, [0.3, 0.2]),
      run('relu', 1, [0.4, 0.3, 0.2]),
      run('tanh', 0, [0.9, 0.8, 0.5, 0.3, 0.2]),
      run('tanh', 1, [0.9, 0.9, 0.9, 0.8, 0.5, 0.3, 0.2]),
    ];
    const { factor, least, most } = factorOf({ start: 'caffe', best: { relu: 1, tanh: 1 }, records });
    expect(factor).to.be.closeTo(10 / 3, 1e-12);
    expect(least).to.be.closeTo(3, 1e-12);
    expect(most).to.be.closeTo(4, 1e-12);
  });

  for (const results of all) {
    it(`${results.start}: document and drawing say what the records hold`, async () => {
      const name = `figure1 ${results.start}`;
      expect(text).to.include(`<!-- ${name} -->`);
      expect(withBlocks(text, { [name]: textOf(results) })).to.equal(text);
      expect(read(`docs/figure1-${results.start}.svg`)).to.equal(await figureOf(results));
    });
  }

  it('every neuron has several seeds at its best rate, each down to 25 %', () => {
    expect(all.map(({ start }) => start)).to.include('kaiming');
    for (const { start, best, records } of all) {
      for (const neuron of ['relu', 'tanh'] as const) {
        const own = records.filter(({ key }) =>
          key.startsWith(`figure1-${start}-${neuron}-${best[neuron]}-`),
        );
        expect(own.length, `${start} ${neuron}`).to.be.at.least(3);
        for (const { epochs } of own) expect(crossingOf(epochs.map(({ error }) => error))).not.to.equal(null);
      }
    }
  });
});

describe('ablations', () => {
  let results: Ablations;
  before(() => {
    results = JSON.parse(read('bench/ablations.json'));
  });

  it('the document says what the records hold, and would not pass with another figure', () => {
    const text = read('docs/cifar.md');
    expect(withBlocks(text, { ablations: ablationsText(results) })).to.equal(text);
    expect(() => withBlocks(text, { nothing: '' })).to.throw('no block <!-- nothing -->');
    const [first, ...others] = results.records;
    const last = first.epochs.at(-1)!;
    const changed = { ...first, epochs: [{ ...last, validation: last.validation! + 0.05 }] };
    expect(ablationsText({ ...results, records: [changed, ...others] })).not.to.equal(ablationsText(results));
  });

  it('six variants, three seeds each', () => {
    expect(results.records).to.have.length(18);
    for (const { epochs, key } of results.records) expect(epochs, key).to.have.length(results.epochs);
  });
});
