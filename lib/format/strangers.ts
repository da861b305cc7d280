/** Files that are given for weights or models and are none, told by how they start, and what to do with them. */

const PICTURE = 'a picture, not weights: `alexnet predict` takes it';
export const LFS_POINTER = 'version https://git-lfs.github.com/spec/';

/** What marks them, the advice, and where the mark is (default: at the start). */
const strangers: readonly (readonly [mark: string, advice: string, at?: number])[] = [
  ['ustar', 'a tar archive: unpack it, and give the file inside', 257],
  ['\x1f\x8b', 'compressed by gzip: unpack it first'],
  ['\xff\xd8\xff', PICTURE],
  ['\x89PNG', PICTURE],
  [LFS_POINTER, 'a Git LFS pointer, not the file itself: `git lfs pull` fetches that'],
  ['MATLAB ', 'a MATLAB file: load it with scipy.io.loadmat, and save its arrays with numpy.savez'],
  [
    '\x12\x01\0\0\0\0\0\0',
    "MXNet's .params: load it with mxnet.nd.load, and save its arrays with numpy.savez",
  ],
];

/** The advice for a file that starts so (as latin-1, 512 bytes suffice), if it is a stranger. */
export const adviceFor = (start: string): string | undefined =>
  strangers.find(([mark, , at = 0]) => start.startsWith(mark, at))?.[1];

/** The same for archives, told by a member's name. */
const archives: readonly (readonly [member: RegExp, advice: string])[] = [
  [/^model\.weights\.h5$/, 'a .keras archive: unpack it, and give the model.weights.h5 inside'],
  [
    /(?:^|\/)(?:serialized_exported_program\.json|archive_format)$/,
    'a .pt2 of torch.export: save its weights, torch.save(torch.export.load(FILE).state_dict, OUT)',
  ],
];

export const adviceForArchive = (members: readonly string[]): string | undefined =>
  archives.find(([pattern]) => members.some((name) => pattern.test(name)))?.[1];
