/** Each mistake against what NumPy makes of it (fixtures/judge/make.py). */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { mutants } from '../../../lib/judge/mistakes/index.ts';
import { rightResult } from '../../../lib/judge/mistakes/tools.ts';
import { dense, type Tensor, tensor } from '../../../reference/tensor.ts';

interface Stored {
  readonly shape: readonly number[];
  readonly data: string;
}

interface Case {
  readonly operation: string;
  readonly attributes: object;
  readonly inputs: Readonly<Record<string, Stored>>;
  readonly results: Readonly<Record<string, Stored | null>>;
}

const file = new URL('../../../fixtures/judge/mistakes.json', import.meta.url);
const cases: readonly Case[] = JSON.parse(readFileSync(file, 'utf8'));

const read = ({ shape, data }: Stored): Tensor => tensor(Float64Array.from(data.split(' '), Number), shape);

/** Seven digits are written down. */
const DIGITS = 1e-6;

function expectSame(y: Tensor, stored: Stored, title: string): void {
  expect(y.shape, title).to.deep.equal(stored.shape);
  const wanted = read(stored).data;
  for (const [i, v] of dense(y).entries()) {
    const same = Object.is(v, wanted[i]) || Math.abs(v - wanted[i]) <= DIGITS * Math.abs(wanted[i]);
    expect(same, `${title} [${i}]: ${v}, not ${wanted[i]}`).to.equal(true);
  }
}

describe('mistakes are what their names say', () => {
  for (const [at, { operation, attributes, inputs, results }] of cases.entries())
    it(`${operation} ${JSON.stringify(attributes)}`, () => {
      const call = {
        attributes,
        inputs: Object.fromEntries(Object.entries(inputs).map(([name, t]) => [name, read(t)])),
      };
      for (const [name, stored] of Object.entries(results)) {
        const mutant = mutants.find((one) => one.operation === operation && one.name === name);
        const run = () => (name === 'right' ? rightResult(operation, call) : mutant!.run(call));
        if (stored) expectSame(run(), stored, `case ${at}, ${name}`);
        else expect(run, `case ${at}, ${name}`).to.throw();
      }
    });

  it('all of them', () => {
    const known = new Set(
      cases.flatMap(({ operation, results }) => Object.keys(results).map((name) => `${operation}: ${name}`)),
    );
    expect(
      mutants.map(({ operation, name }) => `${operation}: ${name}`).filter((one) => !known.has(one)),
    ).to.deep.equal([]);
  });
});
