import { expect } from 'chai';
import { type FileResult, table, withSection } from '../../bench/self/document.ts';
import { mutantsOf, nameOf } from '../../bench/self/mutants.ts';
import { reachOf } from '../../bench/self/specs.ts';
import { survivorsOf } from '../../bench/self/survivors.ts';

const TINY = 'spec/support/tiny';
const FILE = `${TINY}/share.ts`;

describe("the program's own mutants", () => {
  const mutants = mutantsOf([FILE], 100);

  it('every operator, constant and result of a file is one, and the same ones are drawn each time', () => {
    const changes = mutants.map(({ line, was, becomes }) => `${line}: ${was} → ${becomes}`);
    expect(changes).to.include.members([
      '2: / → *',
      '2: x / 4 → 2 * (x / 4)',
      '4: - → +',
      '4: 3 - x → 2 * (3 - x)',
    ]);
    expect(changes.join()).to.match(/2: 4 → (8|5|\(-4\)).*4: 3 → (6|4|\(-3\))/);
    const twice = mutantsOf([FILE, FILE], 2);
    expect(twice).to.have.length(4);
    expect(twice.slice(0, 2)).to.deep.equal(twice.slice(2));
  });

  it('the specs that reach a file are found through what loads it', () => {
    const reach = reachOf([TINY, 'spec/lib']);
    const { own, others, through } = reach(FILE);
    expect([own, others]).to.deep.equal([[], [`${TINY}/share.spec.ts`]]);
    expect(through).to.have.members([FILE, ...others]);
    const bounds = reach('lib/bounds/carried.ts');
    expect(bounds.own).to.include('spec/lib/bounds/carried.spec.ts');
    expect(bounds.own.every((path) => path.startsWith('spec/lib/bounds/'))).to.equal(true);
    expect(bounds.others).to.include('spec/lib/verify/walk.spec.ts');
  });

  it('what a spec looks at is noticed, what it does not is not', async () => {
    const found: Record<string, FileResult> = {};
    for await (const [file, result] of survivorsOf(mutants, [TINY], 20)) found[file] = result;
    const unnoticed = mutants.filter(({ line }) => line === 4);
    expect(found[FILE].mutants).to.equal(mutants.length);
    expect(found[FILE].survivors.map(({ name }) => name)).to.deep.equal(unnoticed.map(nameOf));
  });

  it('the table tells those with a reason from others, and takes the place of the old one', () => {
    const survivors = ['a', 'b'].map((name) => ({ line: 1, name }));
    const text = table({ 'lib/x/y.ts': { mutants: 10, survivors } }, { a: 'equivalent' });
    expect(text).to.include('| lib/x | 10 | 8 (80 %) | 1 | 1 |');
    const once = withSection('# Conformance\n', "## Mutation score of the program's own code\n");
    expect(withSection(once, "## Mutation score of the program's own code\n\nnew\n")).to.equal(
      `${once}\nnew\n`,
    );
  });
});
