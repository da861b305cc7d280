/** Not among the specs that `npm test` runs: spec/bench/mutation-self.spec.ts runs it, right and mutated. */
import { expect } from 'chai';
import { rest, share } from './share.ts';

describe('share', () => {
  it('is a quarter', () => {
    expect(share(8)).to.equal(2);
    expect(rest(0)).to.be.a('number');
  });
});
