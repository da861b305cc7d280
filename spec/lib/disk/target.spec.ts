import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { checkTargets, type Guard, placeOf, type Target } from '../../../lib/disk/target.ts';
import { append } from '../../../lib/disk/write.ts';
import { InputError } from '../../../lib/errors.ts';
import { skipBecause } from '../../support/skip.ts';

describe('lib/disk/target: what may be written where', () => {
  let folder: string;
  const path = (name: string): string => join(folder, name);
  const report = '{"version":1,"versions":{"alexnet-oracle":"0.1.0"}}';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-'));
    writeFileSync(path('model.onnx'), '\x08\x08\x12');
    writeFileSync(path('old.json'), report);
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const json = (name: string, option = '--report-json'): Target => ({ path: name, mark: 'json', option });

  async function refused(targets: readonly Target[], guard: Guard, message: RegExp): Promise<void> {
    const error = await checkTargets(targets, guard).then(
      () => undefined,
      (e: Error) => e,
    );
    expect(error).to.be.instanceOf(InputError);
    expect(error!.message).to.match(message).and.not.to.include('\n');
  }

  it('an input is kept under whatever name and link, forced or not', async () => {
    const input = path('old.json');
    symlinkSync(input, path('symbolic'));
    linkSync(input, path('hard'));
    for (const name of ['old.json', './old.json', 'symbolic', 'hard'])
      for (const force of [false, true])
        await refused(
          [json(`${folder}/${name}`)],
          { inputs: [input], force },
          /--report-json would overwrite an input: name another file/,
        );
    await refused([json(input)], { inputs: async () => [path('hard')] }, /would overwrite an input/);
  });

  it('what this program did not write is kept unless forced, whatever it begins with', async () => {
    writeFileSync(path('package.json'), '{"name":"x","dependencies":{"alexnet-oracle":"1"}}');
    writeFileSync(path('page.html'), '<!doctype html>\n<html></html>');
    for (const name of ['package.json', 'page.html', 'model.onnx']) {
      await refused([json(path(name))], {}, /exists, and nothing in it shows .* overwrite it with --force/);
      await checkTargets([json(path(name))], { force: true });
    }
  });

  it('an earlier report is overwritten by one of its kind alone, an empty file by all', async () => {
    await checkTargets([json(path('old.json'))]);
    await refused([{ path: path('old.json'), mark: 'junit', option: '--junit' }], {}, /wrote it as --junit/);
    writeFileSync(path('empty'), '');
    await checkTargets([{ path: path('empty'), mark: null }]);
  });

  it('a format without a mark is kept', async () => {
    await refused([{ path: path('old.json'), mark: null }], {}, /overwrite it with --force/);
    await checkTargets([{ path: path('old.json'), mark: null, own: true }]);
  });

  it('one file for two targets is noticed under two names, before and after it is there', async () => {
    const two = (a: string, b: string): Target[] => [json(a, '--sarif'), json(b, '--junit')];
    symlinkSync(folder, path('here'));
    symlinkSync(path('not-yet'), path('dangling'));
    linkSync(path('old.json'), path('hard'));
    const shared = /--sarif and --junit cannot share a file/;
    await refused(two(path('x'), `${folder}/./x`), {}, shared);
    await refused(two(path('x'), path('here/x')), {}, shared);
    await refused(two(path('not-yet'), path('dangling')), {}, shared);
    await refused(two(path('old.json'), path('hard')), {}, shared);
    await checkTargets(two('/dev/null', '/dev/null'));
  });

  it('a folder, a missing one, a file for one and a circle of links are one line each', async () => {
    mkdirSync(path('folder'));
    symlinkSync('b', path('a'));
    symlinkSync('a', path('b'));
    await refused([json(path('folder'))], {}, /folder: is a folder; give the name of a file$/);
    await refused([json(path('missing/x'))], {}, /its folder does not exist$/);
    await refused([json(path('old.json/x'))], {}, /its folder is a file$/);
    await refused([json(path('a'))], {}, /symbolic links lead in a circle$/);
    await refused([json(path('x'.repeat(300)))], {}, /the name is too long$/);
  });

  it('links lead to what they name, pipes and descriptors are what they are', async () => {
    symlinkSync('old.json', path('link'));
    symlinkSync('new', path('dangling'));
    execFileSync('mkfifo', [path('pipe')]);
    const kinds = async (name: string) => {
      const place = await placeOf(name);
      return 'path' in place ? [place.kind, place.path] : [place.kind, place.fd];
    };
    expect(await kinds(path('link'))).to.deep.equal(['file', path('old.json')]);
    expect(await kinds(path('dangling'))).to.deep.equal(['new', path('new')]);
    expect(await kinds(path('pipe'))).to.deep.equal(['stream', path('pipe')]);
    expect(await kinds('/dev/null')).to.deep.equal(['stream', '/dev/null']);
    expect(await kinds('/dev/stdout')).to.deep.equal(['descriptor', 1]);
    expect(await kinds('/dev/fd/2')).to.deep.equal(['descriptor', 2]);
  });

  it('a file that may not be written is kept, though its folder may', async function () {
    if (process.getuid?.() === 0) skipBecause(this, 'root may write everywhere');
    writeFileSync(path('locked'), '', { mode: 0o444 });
    await refused([json(path('locked'))], { force: true }, /no permission to write there/);
  });

  it('a summary is added to; where that fails, the reason is returned', async () => {
    expect(await append(path('summary'), 'a')).to.equal(undefined);
    expect(await append(path('summary'), 'b')).to.equal(undefined);
    expect(readFileSync(path('summary'), 'utf8')).to.equal('ab');
    expect(await append(folder, 'a')).to.match(/cannot be written: it is a folder/);
  });
});
