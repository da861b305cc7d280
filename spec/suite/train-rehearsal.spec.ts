/** `train --dry-run`: what is said before a run, of which nothing is left behind. */
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { lockFolder } from '../../lib/disk/lock.ts';
import { commandLines } from '../support/command-lines.ts';
import { fixture } from '../support/data-fixtures.ts';

const letters = fileURLToPath(new URL('../../fixtures/image/rgb-letters.jpg', import.meta.url));

describe('train --dry-run', function () {
  this.timeout(120_000);
  const { path, json, run, refused } = commandLines();
  const how = '--network cifar-alexnet --width 0.05 --augment none --no-scale --device cpu --threads 1';

  it('looks at every picture, counts classes and steps, says what memory a step takes, and writes nothing', async () => {
    for (const [name, count] of [
      ['ape', 5],
      ['bee', 3],
    ] as const) {
      mkdirSync(path(`pictures/${name}`), { recursive: true });
      for (let i = 0; i < count; i++) copyFileSync(letters, path(`pictures/${name}/${i}.jpg`));
    }
    writeFileSync(path('pictures/ape/1.jpg'), 'no picture');
    copyFileSync(fixture('folders/train/cross/0.png'), path('pictures/bee/2.jpg'));
    const before = readdirSync(path('.'), { recursive: true });
    const line = `train pictures ${how} --batch 3 --epochs 7 --out new/out --dry-run`;
    const found = await json(line);
    expect(found).to.deep.include({
      ...{ version: 1, network: 'cifar-alexnet', device: 'cpu', weights: null, done: 0, out: 'new/out' },
      ...{ images: 8, validation: 0, batch: 3, stepsPerEpoch: 2, epochs: 7 },
      classes: [
        { name: 'ape', training: 5, validation: 0 },
        { name: 'bee', training: 3, validation: 0 },
      ],
      unread: [{ part: 'training', index: 1, error: found.unread[0].error }],
    });
    expect(found.unread[0].error).to.match(/^pictures.ape.1\.jpg: /);
    // Node and onnxruntime take more than 100 MB, and this network next to nothing
    expect(found.memory.needed).to.be.within(1e8, 1e9);
    const { status, out, err } = await run(line);
    expect(status).to.equal(0);
    expect(out).to.match(/^training {4}8 images of 2 classes, 3 to 5 each\nvalidation {2}none$/m);
    expect(out).to.match(/^skipped {5}1 picture that cannot be read: 1 to train, 0 to validate$/m);
    expect(err).to.match(/^skipped: pictures.ape.1\.jpg: /m);
    expect(readdirSync(path('.'), { recursive: true })).to.deep.equal(before);
    expect(await refused(`${line} --strict`)).to.match(/ape.1\.jpg: /);
  });

  it('a folder in use, files of others, data and weights that are none, too little memory: one line, exit 2 or 3', async () => {
    const line = `train ${fixture('cifar')} ${how} --dry-run`;
    mkdirSync(path('busy'));
    const lock = lockFolder(path('busy'));
    expect(await refused(`${line} --out busy`)).to.match(/busy: this process \(\d+\) writes there since/);
    lock.release();
    mkdirSync(path('mine'));
    writeFileSync(path('mine/log.csv'), 'my own');
    expect(await refused(`${line} --out mine`)).to.match(/log\.csv: exists, and nothing in it shows/);
    expect(await refused(`${line} --out mine/log.csv/x`)).to.match(/log\.csv.x: cannot be written/);
    expect(await refused(`${line} --weights none.npz`)).to.match(/none\.npz: no such file/);
    expect(await refused(`train nowhere ${how} --dry-run`)).to.match(/nowhere: no such file/);
    const { availableMemory } = process;
    process.availableMemory = () => 1e7;
    try {
      const { status, err } = await run(`${line} --out free`);
      expect([status, err.trim().split('\n').at(-1)]).to.deep.equal([
        ...[
          3,
          'alexnet: a step takes 0.4 GB of memory, but 0.0 GB are free: try a smaller --batch or --width',
        ],
      ]);
    } finally {
      process.availableMemory = availableMemory;
    }
  });
});
