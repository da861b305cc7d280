/** docs/walkthrough.ts runs, is short, and finds what onnxruntime finds. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { predict } from '../../lib/index.ts';
import { LOADER } from '../support/child.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

describe('docs/walkthrough.ts', () => {
  it('has under 150 lines and imports reference/, a JPEG reader and the reading of files', () => {
    const text = readFileSync(`${root}/docs/walkthrough.ts`, 'utf8');
    expect(text.split('\n').length).to.be.below(150);
    const imports = [...text.matchAll(/ from '([^']+)'/g)].map(([, target]) => target);
    expect([...new Set(imports)].sort()).to.deep.equal(['../reference/index.ts', 'jpeg-js', 'node:fs']);
  });

  it("has onnxruntime's top five, lowers the loss by a step, and ends at the oracle's weights", async () => {
    const photo = `${root}/docs/figures/ship.jpg`;
    const words = ['--import', LOADER, 'docs/walkthrough.ts'];
    const { stdout, stderr, status } = spawnSync(process.execPath, words, { cwd: root, encoding: 'utf8' });
    expect(stderr).to.equal('');
    expect(status).to.equal(0);
    const guesses = [...stdout.matchAll(/^(\w+) +(0\.\d{4}|1\.0000)$/gm)].map(([, name, p]) => ({
      name,
      p: Number(p),
    }));
    const { predictions } = await predict(photo, { network: 'cifar-alexnet', device: 'cpu', top: 5 });
    expect(guesses.map(({ name }) => name)).to.deep.equal(predictions[0].guesses?.map(({ name }) => name));
    const [before, after] = [...stdout.matchAll(/: (\d+\.\d{6})$/gm)].map(([, loss]) => Number(loss));
    expect(after).to.be.below(before / 2);
    expect(stdout).to.match(/the same weights, bit for bit\n$/);
  });
});
