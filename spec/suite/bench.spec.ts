/** The contest itself, on a network that is loaded in a moment. */
import { expect } from 'chai';
import { contest, type Entrant } from '../../bench/contest.ts';
import { prepare } from '../../bench/subject.ts';
import { networkNamed } from '../../reference/networks/index.ts';

const entrants: readonly Entrant[] = [
  { name: 'onnxruntime-node', engine: 'onnxruntime-node', threads: 1 },
  { name: 'oracle', engine: 'oracle', threads: 1 },
  { name: 'oracle float32', engine: 'oracle', threads: 2, accumulate: 'float32' },
];

describe('bench', function () {
  this.timeout(180_000);

  it('times every engine after its outputs agree, as ratios to onnxruntime-node', async () => {
    await prepare(networkNamed('cifar10-full'));
    const said: string[] = [];
    const plan = { network: 'cifar10-full', batches: [1, 4], rounds: 2 };
    const rows = await contest(plan, entrants, (line) => said.push(line));
    expect(rows.map(({ engine, batch }) => `${engine} ${batch}`)).to.deep.equal(
      [1, 4].flatMap((batch) => entrants.map(({ name }) => `${name} ${batch}`)),
    );
    for (const row of rows) expect(row.cpuMs, row.engine).to.be.above(0);
    expect(rows[0].ratio).to.equal(1);
    expect(rows[2].difference).to.be.above(0);
    expect(said).to.have.length(4);
  });
});
