/** When a run validates, and what that means for its best epoch. */
import { join } from 'node:path';
import { expect } from 'chai';
import { train } from '../../../lib/train/index.ts';
import { temporary, tinyCifar } from '../../support/training-data.ts';

describe('validation', function () {
  this.timeout(60_000);
  const folder = temporary();
  const data = tinyCifar(join(folder, 'data'), 8, 4);
  const options = {
    data,
    network: 'cifar-alexnet',
    width: 0.05,
    batch: 4,
    device: 'cpu',
    threads: 1,
  } as const;

  it('goes every so many epochs, and after the last; only those epochs can be the best', async () => {
    const out = join(folder, 'some');
    const { history, best } = await train({ ...options, epochs: 5, validateEvery: 2, out });
    expect(history.map(({ validation }) => validation !== null)).to.deep.equal([
      false,
      true,
      false,
      true,
      true,
    ]);
    expect(best!.epoch).to.be.oneOf([2, 4, 5]);
    expect(best!.error1).to.equal(Math.min(...history.flatMap(({ validation }) => validation?.error1 ?? [])));
  });

  it('does not change what is learned', async () => {
    const [often, once] = await Promise.all(
      [1, 3].map((validateEvery) =>
        train({
          ...options,
          epochs: 3,
          schedule: 'constant',
          validateEvery,
          out: join(folder, `${validateEvery}`),
        }),
      ),
    );
    expect(once.history.map(({ loss }) => loss)).to.deep.equal(often.history.map(({ loss }) => loss));
    expect(once.history[2].validation).to.deep.equal(often.history[2].validation);
  });

  it('a plateau counts validations, not epochs', async () => {
    const plateau = { kind: 'plateau', rate: 1e-9, divisor: 10, patience: 1, drops: 1 } as const;
    const { history } = await train({
      ...options,
      epochs: 9,
      schedule: plateau,
      validateEvery: 3,
      out: join(folder, 'p'),
    });
    // nothing is learned at such a rate: validated after 3 (the best), 6 (stalled: divided), 9
    expect(history.map(({ learningRate }) => learningRate)).to.deep.equal([
      ...Array(6).fill(1e-9),
      ...Array(3).fill(1e-10),
    ]);
  });
});
