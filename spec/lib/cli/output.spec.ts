import { expect } from 'chai';
import { print, progressBar, takeAll, tellError, tellUnread } from '../../../lib/cli/output.ts';
import { EnvironmentError, InputError } from '../../../lib/errors.ts';
import { heard } from '../../support/child.ts';

describe('what an error becomes', () => {
  const errno = (code: string) => Object.assign(new Error(`${code}: no luck`), { code });

  it('2 for what was given, 3 for what is around, and a fault of the program is called so', async () => {
    const of = (error: Error) => heard(() => tellError(error));
    expect(await of(new InputError('a.npy: torn'))).to.include({
      result: 2,
      err: 'alexnet: a.npy: torn\n',
      out: '',
    });
    expect((await of(new EnvironmentError('no GPU'))).result).to.equal(3);
    for (const code of ['ENOSPC', 'EMFILE']) expect((await of(errno(code))).result, code).to.equal(3);
    expect((await of(errno('ENOSPC'))).err).to.match(/^alexnet: ENOSPC: no luck \(.+\)\n$/);
    expect((await of(new InputError('two\n   lines'))).err).to.equal('alexnet: two lines\n');
    const fault = await of(new TypeError('x is undefined'));
    expect(fault.err).to.match(/^alexnet: x is undefined: a fault of this program: please report it/);
    expect(fault.result).to.equal(2);
    expect((await of(new RangeError('fast: threads'))).err).not.to.match(/fault/);
  });

  it('every step is taken though one fails; the exit code tells it, or a disagreement first', async () => {
    const taken: string[] = [];
    const steps = [
      async () => taken.push('a'),
      async () => {
        throw errno('ENOSPC');
      },
      async () => taken.push('c'),
    ];
    const first = await heard(() => takeAll(steps));
    expect(taken).to.deep.equal(['a', 'c']);
    expect(first.exitCode).to.equal(3);
    const after = await heard(async () => {
      process.exitCode = 1;
      await takeAll(steps);
    });
    expect(after.exitCode).to.equal(1);
  });

  it('pictures that could not be read: a line each, none where JSON tells them, exit 2', async () => {
    const pictures = [{}, { error: 'b.jpg: torn' }];
    expect(await heard(() => tellUnread(pictures, false))).to.include({
      ...{ err: 'alexnet: b.jpg: torn\n', exitCode: 2 },
    });
    expect(await heard(() => tellUnread(pictures, true))).to.include({ err: '', exitCode: 2 });
    expect(await heard(() => tellUnread([{}], false))).to.include({ err: '', exitCode: undefined });
  });

  it('JSON: one line, infinities and NaN as texts', async () => {
    const value = { a: Number.POSITIVE_INFINITY, b: [Number.NaN, 1.5] };
    const { out } = await heard(() => print(true, value, () => 'words\n'));
    expect(out).to.equal('{"version":1,"a":"Infinity","b":["NaN",1.5]}\n');
    expect((await heard(() => print(false, value, () => 'words\n'))).out).to.equal('words\n');
    expect((await heard(() => print(undefined, value, () => 'words\n', 'a.npz'))).out).to.equal('words\n');
  });

  it('a bar on a terminal, which shows what it is told; lines stay above it', async () => {
    const { isTTY } = process.stderr;
    process.stderr.isTTY = true;
    try {
      const { err } = await heard(async () => {
        const bar = await progressBar('{value} of {total}: {name}');
        bar.update(1, 4, { name: 'first' });
        bar.update(3, 4, { name: 'third' });
        // it is drawn ten times a second
        await new Promise((done) => setTimeout(done, 250));
        bar.above('a line');
        bar.stop();
      });
      expect(err).to.match(/1 of 4: first[\s\S]*3 of 4: third[\s\S]*a line\n/);
    } finally {
      process.stderr.isTTY = isTTY;
    }
  });

  it('no bar where stderr is no terminal: its lines alone', async () => {
    const { isTTY } = process.stderr;
    process.stderr.isTTY = false;
    try {
      const { err } = await heard(async () => {
        const bar = await progressBar('{value} of {total}');
        bar.update(1, 2);
        bar.above('a line');
        bar.stop();
      });
      expect(err).to.equal('a line\n');
    } finally {
      process.stderr.isTTY = isTTY;
    }
  });
});
