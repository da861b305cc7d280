import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { InputError } from '../../lib/errors.ts';
import { append, checkTargets, writeWhole } from '../../lib/files.ts';

describe('report files', () => {
  let folder: string;
  const path = (name: string): string => join(folder, name);
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-'));
    writeFileSync(path('model.onnx'), '\x08\x08\x12');
    writeFileSync(path('old.json'), '{"version":1}');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  async function refused(targets: Record<string, string>, inputs: string[], message: RegExp): Promise<void> {
    const error = await checkTargets(new Map(Object.entries(targets)), inputs).then(
      () => undefined,
      (e: Error) => e,
    );
    expect(error).to.be.instanceOf(InputError);
    expect(error!.message).to.match(message).and.not.to.include('\n');
  }

  it('are never an input, under whatever name or link', async () => {
    const input = path('old.json');
    symlinkSync(input, path('symbolic'));
    linkSync(input, path('hard'));
    for (const name of ['old.json', './old.json', 'symbolic', 'hard'])
      await refused({ '--junit': `${folder}/${name}` }, [input], /--junit would overwrite an input/);
  });

  it('do not replace what is no report', async () => {
    await refused({ '--junit': path('model.onnx') }, [], /exists and is no report/);
  });

  it('are no folder, in no missing folder, and not two in one file', async () => {
    mkdirSync(path('folder'));
    await refused({ '--sarif': path('folder') }, [], /is a folder/);
    await refused({ '--sarif': path('missing/x') }, [], /its folder does not exist/);
    await refused({ '--sarif': path('x'), '--junit': `${folder}/./x` }, [], /cannot share a file/);
  });

  it('replace an older report, and leave nothing else behind', async () => {
    await checkTargets(new Map([['--report-json', path('old.json')]]), [path('model.onnx')]);
    await writeWhole(path('old.json'), '{"new":1}');
    expect(readFileSync(path('old.json'), 'utf8')).to.equal('{"new":1}');
    expect(readdirSync(folder).sort()).to.deep.equal(['model.onnx', 'old.json']);
  });

  it('a folder that has taken the place meanwhile is one line, and nothing is left', async () => {
    mkdirSync(path('x'));
    const error = await writeWhole(path('x'), 'text').catch((e: Error) => e);
    expect(error).to.be.instanceOf(InputError);
    expect(readdirSync(folder).sort()).to.deep.equal(['model.onnx', 'old.json', 'x']);
  });

  it('the summary is added to; where that fails, the answer says why', async () => {
    expect(await append(path('summary'), 'a')).to.equal(undefined);
    expect(await append(path('summary'), 'b')).to.equal(undefined);
    expect(readFileSync(path('summary'), 'utf8')).to.equal('ab');
    expect(await append(folder, 'a')).to.match(/cannot be written: it is a folder/);
  });
});
