import { expect } from 'chai';
import { adviceFor, adviceForArchive } from '../../../lib/format/strangers.ts';

describe('lib/format/strangers', () => {
  it('known by their first bytes, a tar by its 257th', () => {
    const files: [string, RegExp][] = [
      [`${'x'.repeat(257)}ustar\0`, /^a tar archive/],
      ['\x1f\x8b\x08', /^compressed by gzip/],
      ['\xff\xd8\xff\xe0', /^a picture/],
      ['\x89PNG\r\n', /^a picture/],
      ['version https://git-lfs.github.com/spec/v1\n', /^a Git LFS pointer/],
      ['MATLAB 5.0 MAT-file', /^a MATLAB file/],
      ['\x12\x01\0\0\0\0\0\0\x01', /^MXNet's \.params/],
    ];
    for (const [start, advice] of files) expect(adviceFor(start)).to.match(advice);
    for (const start of ['', 'ustar', `${'x'.repeat(256)}ustar`, ' \x1f\x8b', 'PK\x03\x04'])
      expect(adviceFor(start), start.slice(0, 8)).to.equal(undefined);
  });

  it('archives by a member that only they have', () => {
    expect(adviceForArchive(['config.json', 'model.weights.h5'])).to.match(/^a \.keras archive/);
    for (const name of ['m/archive_format', 'serialized_exported_program.json'])
      expect(adviceForArchive(['m/data', name])).to.match(/^a \.pt2 of torch\.export/);
    expect(adviceForArchive(['m/data.pkl', 'my_archive_format', 'a/model.weights.h5'])).to.equal(undefined);
  });
});
