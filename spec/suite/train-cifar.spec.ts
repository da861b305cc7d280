import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { train } from '../../lib/train/index.ts';
import { shared } from '../support/shared.ts';
import { temporary } from '../support/training-data.ts';

describe('training on CIFAR-10', function () {
  this.timeout(300_000);
  const folder = temporary();

  it('two epochs of 2,000 images bring the loss down and the error clearly below chance', async function () {
    const out = join(folder, 'cifar');
    const result = await train({
      data: shared(this, 'cifar10'),
      network: 'cifar-alexnet',
      width: 0.25,
      images: 2000,
      validationImages: 1000,
      epochs: 2,
      batch: 25,
      learningRate: 0.01,
      schedule: 'cosine',
      augment: 'cifar',
      lastDeviation: 0.02,
      dropout: false,
      seed: 1,
      device: 'cpu',
      out,
    });
    const [first, second] = result.history;
    expect(second.loss).to.be.below(first.loss - 0.1);
    // chance is 0.9; of 1,000 images its error has a deviation of 0.0095
    expect(second.validation!.error1).to.be.below(0.9 - 10 * 0.0095);
    expect(second.validation!.error5).to.be.below(0.5 - 10 * 0.0158);
    expect(result.waited).to.be.within(0, 1);
    const rows = readFileSync(join(out, 'log.csv'), 'utf8').trim().split('\n');
    expect(rows).to.have.length(3);
    expect(rows[0].split(',')).to.have.length(rows[2].split(',').length);
    expect(readFileSync(join(out, 'curve.svg'), 'utf8')).to.match(
      /^<svg [^>]*><!-- alexnet-oracle --><style>/,
    );
    expect(readFileSync(join(out, 'curve.html'), 'utf8')).not.to.include('http-equiv="refresh"');
    console.log(
      `      ${result.imagesPerSecond.toFixed(0)} images/s, the device waited ${(100 * result.waited).toFixed(1)} % of the time; ` +
        `validation error ${second.validation!.error1}`,
    );
  });
});
