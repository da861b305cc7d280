import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { makeFolder, writeAtomically } from '../../../lib/train/atomic.ts';
import { skipBecause } from '../../support/skip.ts';
import { temporary } from '../../support/training-data.ts';
import { refusal } from '../data/fixtures.ts';

describe('files written at once', () => {
  const folder = temporary();
  const path = join(folder, 'file');
  const text = (value: string) => [Buffer.from(value)];

  it('replace the file before, and nothing else is left', async () => {
    await writeAtomically(path, [...text('one '), ...text('two')]);
    expect(readFileSync(path, 'utf8')).to.equal('one two');
    writeFileSync(`${path}.tmp`, 'half of a file that a killed process left behind');
    await writeAtomically(path, text('3'));
    expect(readFileSync(path, 'utf8')).to.equal('3');
    expect(existsSync(`${path}.tmp`)).to.equal(false);
  });

  it('a full disk is one line, and the file before is still there', async function () {
    if (!existsSync('/dev/full')) skipBecause(this, 'there is no /dev/full');
    await writeAtomically(path, text('good'));
    symlinkSync('/dev/full', `${path}.tmp`);
    expect(await refusal(() => writeAtomically(path, text('new')))).to.equal(
      `${path}: cannot be written: the disk is full`,
    );
    expect(readFileSync(path, 'utf8')).to.equal('good');
    expect(existsSync(`${path}.tmp`)).to.equal(false);
  });

  it('a disk that fills up in the middle of a file does no harm', async () => {
    let pieces = 0;
    const failing = () => {
      if (++pieces < 3) return Promise.resolve();
      return Promise.reject(Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' }));
    };
    await writeAtomically(path, text('good'));
    const many = Array.from({ length: 5 }, () => Buffer.from('x'));
    expect(await refusal(() => writeAtomically(path, many, failing))).to.match(/the disk is full$/);
    expect([pieces, readFileSync(path, 'utf8')]).to.deep.equal([3, 'good']);
  });

  it('a folder that cannot be made is named', async () => {
    expect(await refusal(() => makeFolder(join(path, 'inside')))).to.match(
      /file.inside: cannot be written: a part of its path is a file/,
    );
    expect(await refusal(() => writeAtomically(join(folder, 'none', 'x'), text('')))).to.match(/none.x/);
  });
});
