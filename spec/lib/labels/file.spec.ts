import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { InputError } from '../../../lib/errors.ts';
import { readClassNames } from '../../../lib/labels/file.ts';

describe('lib/labels/file', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-labels-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  const read = (text: string, classes: number) => {
    const path = join(folder, 'names.txt');
    writeFileSync(path, text);
    return readClassNames(path, classes);
  };

  it('reads a name a line, with or without a byte order mark, and lines that end as Windows ends them', async () => {
    expect(await read('cat\ndog\n', 2)).to.deep.equal(['cat', 'dog']);
    expect(await read('\uFEFFcat\r\ndog\r\n', 2)).to.deep.equal(['cat', 'dog']);
    expect(await read('\uFEFFcat\n\uFEFFdog', 2)).to.deep.equal(['cat', '\uFEFFdog']);
  });

  it('refuses an empty file, one of a mark alone, and another number of names', async () => {
    for (const [text, says] of [
      ['', 'the file is empty'],
      ['\uFEFF\n', 'the file is empty'],
      ['cat\n', '1 names for 2 classes'],
    ]) {
      const error = await read(text, 2).catch((e) => e);
      expect(error).to.be.instanceOf(InputError);
      expect(error.message).to.include(says);
    }
  });
});
