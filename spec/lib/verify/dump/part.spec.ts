/** A dump that lacks values: what is there is judged from what it reads, or held against the oracle's own. */
import { expect } from 'chai';
import type { Value } from '../../../../lib/array/value.ts';
import { classes } from '../../../../lib/bounds/arithmetic.ts';
import type { Bounds, Judged, Told } from '../../../../lib/bounds/bounds.ts';
import { examineDump } from '../../../../lib/verify/dump/part.ts';
import type { Computation, Subject } from '../../../../lib/verify/subject.ts';
import { t } from '../../../support/hand.ts';
import { f32, refusal } from '../../../support/onnx.ts';

const bound = Float64Array.of(0.5, 0.5);
const expectation = Float64Array.of(0.25, 0.25);
const noise = Float64Array.of(0.125, 0.125);
const squares = { noise, total: noise, products: noise };

/** a = (1, 2) of what is fed, b = (3, 4) of a, c = (5, 6) of b. */
function subject(bounds: Partial<Bounds> = {}, told?: Told, half = false) {
  const chain = new Map([
    ['x', t([2], 0, 0)],
    ['a', t([2], 1, 2)],
    ['b', t([2], 3, 4)],
    ['c', t([2], 5, 6)],
  ]);
  const errors: ReadonlyMap<string, Float64Array>[] = [];
  const judged = (name: string): Judged => ({ exact: chain.get(name)!, bounds: { bound, ...bounds } });
  const computation = (name: string, from: string): Computation => ({
    ...{ reads: [from], makes: [{ name, kind: 'tanh' }], half },
    judge: () => [name === 'a' && told ? told : judged(name)],
  });
  const of: Subject = {
    ...{ name: 'test', operands: classes.float32, feeds: new Map(), placed: { by: 'elsewhere' } },
    computations: () => [computation('a', 'x'), computation('b', 'a'), computation('c', 'b')],
    given: (name) => (name === 'x' ? f32([0, 0]) : undefined),
    chain: (name) => (name === 'x' ? undefined : chain.get(name)),
    disturbed(_, expected) {
      errors.push(expected);
      return (name) => chain.get(name);
    },
    file: { model: () => ({}) as ReturnType<Subject['file']['model']>, called: (name) => name },
  };
  return { of, errors };
}
const examined = async (of: Subject, values: Readonly<Record<string, Value>>) =>
  examineDump(of, { values: new Map(Object.entries(values)), device: 'cpu' }, (name) => name === 'x');

describe('a part of a graph’s values', () => {
  it('what is read is there: its bounds; else the chain, as far off as disturbed chains are', async () => {
    const { rows } = await examined(subject().of, { a: f32([1.4, 2]), b: f32([3, 4.6]) });
    expect(rows.map(({ layer, verdict }) => [layer, verdict])).to.deep.equal([
      ['a', 'pass'],
      ['b', 'fail'],
    ]);
    const without = await examined(subject().of, { a: f32([1, 2]), c: f32([5, 6]) });
    expect(without.rows.map(({ layer, verdict, reason }) => [layer, verdict, reason])).to.deep.equal([
      ['a', 'pass', ''],
      ['c', 'pass', ''],
    ]);
    const [, c] = (await examined(subject().of, { a: f32([1, 2]), c: f32([5, 6.1]) })).rows;
    expect([c.verdict, c.reason]).to.deep.equal([
      'fail',
      // 0.1/√61, and twice u
      'off by 1.3e-2 of the output, right rounding carries at most 1.2e-7',
    ]);
  });

  it('errors that are expected: of products three of one accumulator’s, else what is likely, else the bound', async () => {
    const expected = async (...about: Parameters<typeof subject>) => {
      const { of, errors } = subject(...about);
      await examined(of, { c: f32([5, 6]) });
      return Object.fromEntries([...errors[0]].map(([name, each]) => [name, [...each]]));
    };
    const all = (value: number) => Object.fromEntries('abc'.split('').map((name) => [name, [value, value]]));
    expect(await expected()).to.deep.equal(all(0.5));
    expect(await expected({ expectation })).to.deep.equal(all(0.25));
    expect(await expected({ expectation, squares })).to.deep.equal(all(0.375));
    const { a: _, ...rest } = all(0.5);
    expect(await expected({}, { verdict: 'untested', reason: 'drawn' })).to.deep.equal(rest);
  });

  it('halves of a graph that has none are refused; extents of 1 do not matter', async () => {
    const half = { ...f32([1, 2]), dtype: 'float16' } as const;
    expect(await refusal(() => examined(subject().of, { a: half }))).to.equal(
      "'a' is float16, the graph's is not: judge what was computed in float32",
    );
    expect((await examined(subject({}, undefined, true).of, { a: half })).rows[0].verdict).to.equal('pass');
    expect((await examined(subject().of, { x: half, a: f32([1, 2], [1, 2, 1]) })).rows[0].verdict).to.equal(
      'pass',
    );
  });
});
