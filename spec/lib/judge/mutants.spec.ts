import { expect } from 'chai';
import { type Mutant, mutants } from '../../../lib/judge/mistakes/index.ts';
import { fixtureNames, fixtureOf } from '../../support/cases.ts';
import { disagreement, operations } from '../../support/operations.ts';

const fixtures = new Map(fixtureNames().map((name) => [name, fixtureOf(name)]));

/** The title of the first case that tells the mutant from the right kernel; where it throws it tells nothing. */
function killer({ operation, run }: Mutant): string | undefined {
  return fixtures.get(operation)!.cases.find((test) => {
    try {
      return disagreement(test, run(test), operations[operation].bound) !== null;
    } catch {
      return false;
    }
  })?.title;
}

describe('wrong kernels', () => {
  it('the right kernels pass all cases', () => {
    for (const [name, { cases }] of fixtures) {
      const { run, bound } = operations[name];
      for (const test of cases) expect(disagreement(test, run(test, 'float64'), bound), name).to.equal(null);
    }
  });

  it('there are over 60, at least three for every operation, each with its own name', () => {
    expect(mutants.length).to.be.above(60);
    for (const name of fixtures.keys()) {
      const names = mutants.filter(({ operation }) => operation === name).map((mutant) => mutant.name);
      expect(names.length, name).to.be.above(2);
      expect(new Set(names).size, name).to.equal(names.length);
    }
  });

  for (const operation of fixtures.keys()) {
    describe(operation, () => {
      for (const mutant of mutants.filter((one) => one.operation === operation)) {
        it(`${mutant.name} is caught by a fixture`, () => {
          expect(killer(mutant)).to.be.a('string');
        });
      }
    });
  }
});
