/** What `predict` shows while it works, and what it leaves when it is interrupted. */
import { readdirSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { runHere } from '../../support/child.ts';
import { fixture } from '../../support/data-fixtures.ts';

const folder = `${fixture('folders')}/val`;
const count = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
  /\./.test(name),
).length;
const predict = (...args: string[]) =>
  runHere(
    ['predict', ...'--network cifar-alexnet --device cpu --batch 1 --threads 1'.split(' '), ...args, folder],
    '.',
  );

describe('alexnet predict', function () {
  this.timeout(20_000);

  it('Ctrl-C prints what is finished, and exits with 130', async () => {
    const { postMessage } = Worker.prototype;
    const before = process.rawListeners('SIGINT');
    let runs = 0;
    Worker.prototype.postMessage = function (call, ...more) {
      if (call.what === 'run' && ++runs === 4)
        // mocha listens too
        for (const listener of process.rawListeners('SIGINT')) if (!before.includes(listener)) listener();
      postMessage.call(this, call, ...more);
    };
    try {
      const { status, out, err } = await predict('--json');
      const { predictions } = JSON.parse(out);
      expect(predictions.length).to.be.within(1, 4);
      expect(count).to.be.above(4);
      expect(err).to.include('alexnet: interrupted: what is finished follows\n');
      expect(status).to.equal(130);
    } finally {
      Worker.prototype.postMessage = postMessage;
    }
    // one of before may have gone with what an earlier spec left to be closed
    expect(process.rawListeners('SIGINT').filter((one) => !before.includes(one))).to.deep.equal([]);
  });

  it('on a terminal a bar tells how many are done, how fast it goes, and how long it will take', async () => {
    const { isTTY } = process.stderr;
    process.stderr.isTTY = true;
    try {
      const { err, out } = await predict();
      expect(err).to.match(new RegExp(`=.*1 of ${count} pictures, [\\d.?]+/s, \\S+ left`));
      expect(out.match(/^ .* %/gm)).to.have.length(5 * count);
    } finally {
      process.stderr.isTTY = isTTY;
    }
    expect((await predict()).err).not.to.include('/s');
  });
});
