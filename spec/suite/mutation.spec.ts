import { expect } from 'chai';
import { mutants } from '../../lib/judge/mistakes/index.ts';
import { falseAlarms, killer, onnxProbes, ownProbes, score } from '../support/mutation.ts';
import {
  gradientFalseAlarms,
  gradientMistakes,
  gradientProbes,
  gradientScore,
} from '../support/mutation-gradients.ts';
import { shared } from '../support/shared.ts';

describe('mutation score of test vectors', function () {
  this.timeout(120_000);
  const own = ownProbes();

  it('ours kill every wrong kernel with derived bounds, and all but one with the tolerance of 1e-3', () => {
    const survivors = (by: 'tolerance' | 'bound') => mutants.filter((mutant) => !killer(mutant, own, by));
    expect(survivors('bound')).to.deep.equal([]);
    expect(survivors('tolerance').map(({ operation, name }) => `${operation}: ${name}`)).to.deep.equal([
      'tanh: in float16',
    ]);
  });

  it('ours let every right kernel pass', () => {
    expect(falseAlarms(own, 'bound')).to.deep.equal([]);
  });

  it('ours kill every wrong gradient, and let every right one pass', () => {
    const probes = gradientProbes();
    expect(gradientFalseAlarms(probes)).to.deep.equal([]);
    const operations = new Set(gradientMistakes.map(({ operation }) => operation));
    expect(operations).to.include.members([
      'conv2d',
      'linear',
      'lrn',
      'maxpool',
      'avgpool',
      'softmax',
      'dropout',
    ]);
    for (const operation of operations) {
      expect(gradientScore(operation, probes).survivors, operation).to.deep.equal([]);
    }
  });

  it('a set of vectors without asymmetry scores less: the measure can see it', () => {
    const plain = own.filter(({ operation, name }) => operation === 'conv2d' && name.includes('plain'));
    expect(plain).to.have.length(2);
    expect(score('conv2d', plain, 'bound').killed).to.be.below(score('conv2d', own, 'bound').killed - 10);
  });

  it("ONNX's node tests kill about half, under a third of the wrong convolutions", async function () {
    const onnx = await onnxProbes([shared(this, 'onnx-backend-tests/node')]);
    expect(falseAlarms(onnx, 'tolerance')).to.deep.equal([]);
    const rate = (operation: string): number => {
      const { killed, survivors } = score(operation, onnx, 'tolerance');
      return killed / (killed + survivors.length);
    };
    expect(rate('conv2d')).to.be.within(0.1, 0.33);
    expect(rate('lrn')).to.be.within(0.1, 0.5);
    expect(score('lrn', onnx, 'tolerance').survivors).to.include('no normalisation: alpha = 0');
    expect(score('conv2d', onnx, 'tolerance').survivors).to.include('bias dropped');
    const killed = mutants.filter((mutant) => killer(mutant, onnx, 'tolerance')).length;
    expect(killed / mutants.length).to.be.within(0.4, 0.6);
  });
});
