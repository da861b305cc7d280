/** The table of bench/defaults.ts, of records made up here. */
import { expect } from 'chai';
import { defaultsText } from '../../bench/defaultsdocument.ts';

describe('the table of short runs', () => {
  const run = (seed: number, validations: (number | null)[], ended?: 'diverged') => ({
    ...{ key: `defaults-a-${seed}`, seed, device: 'cpu', made: '', ...(ended ? { ended } : {}) },
    epochs: validations.map((validation) => ({ loss: 1, error: 0.5, validation })),
  });

  it('has the best validation error of each run, their median and range, and who diverged', () => {
    const records = [run(0, [null, 0.5, 0.25]), run(1, [0.75]), run(2, [0.4, 0.45]), run(3, [], 'diverged')];
    const rows = defaultsText([
      { title: 'a', classes: 4, epochs: 3, images: 1000, records },
      { title: 'b', classes: 10, epochs: 1, images: null, records: [run(0, [], 'diverged')] },
    ]).split('\n');
    expect(rows[2]).to.equal('| a | 1,000 | 3 | 4 | 1 | 40.0 | 25.0, 75.0 | 75.0 |');
    expect(rows[3]).to.equal('| b | all | 1 | 1 | 1 | – | – | 90.0 |');
  });
});
