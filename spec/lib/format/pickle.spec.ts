import { expect } from 'chai';
import { unpickle } from '../../../lib/format/pickle.ts';
import { plainGlobals, torchGlobals } from '../../../lib/format/pickle-globals.ts';
import type { PickleValue } from '../../../lib/format/pickle-value.ts';
import { fromBytes } from '../../../lib/format/source.ts';
import { stateDict } from '../../../lib/format/statedict.ts';

const bytes = (text: string) => Buffer.from(text, 'latin1');
const load = (text: string, globals = plainGlobals) =>
  unpickle(fromBytes(bytes(text), 'p.pkl'), globals).value;
const refuse = (text: string, reason: RegExp, globals = plainGlobals) =>
  expect(() => load(text, globals))
    .to.throw(reason)
    .and.match(/^InputError: p.pkl: [^\n]+$/);

describe('unpickle', () => {
  // each written by hand from the descriptions in CPython's pickletools
  const values: [string, string, PickleValue][] = [
    ['None', 'N.', null],
    ['booleans of protocols 0 and 2', '(I00\nI01\n\x88\x89t.', [false, true, true, false]],
    [
      'integers',
      '(I-5\nL12345678901234567890L\nK\x07M\x00\x01J\xff\xff\xff\xff\x8a\x02\xff\x7ft.',
      [-5, 12345678901234567890n, 7, 256, -1, 32767],
    ],
    ['LONG1 without bytes is 0', '\x8a\x00.', 0],
    ['floats', '(F1.5\nG\x3f\xf8\x00\x00\x00\x00\x00\x00F-inf\nt.', [1.5, 1.5, -Infinity]],
    [
      'strings',
      "(S'a\\x41\\n\\''\nU\x02\xe9bT\x01\x00\x00\x00cX\x02\x00\x00\x00\xc3\xa9\x8c\x01dV\\u0041\nt.",
      ["aA\n'", '\xe9b', 'c', 'é', 'd', 'A'],
    ],
    ['lists', '(lp0\nI1\naI2\na.', [1, 2]],
    ['tuples', '(K\x01\x85K\x01K\x02\x86K\x01K\x02K\x03\x87)t.', [[1], [1, 2], [1, 2, 3], []]],
    [
      'dictionaries',
      '}(K\x01K\x02K\x03K\x04u.',
      new Map([
        [1, 2],
        [3, 4],
      ]),
    ],
    ['dictionaries of protocol 0', '(dK\x01K\x02s.', new Map([[1, 2]])],
    ['sets', '\x8f(K\x01K\x02\x90.', [1, 2]],
    ['protocol 4 frames and memo', '\x80\x04\x95\x02\x00\x00\x00\x00\x00\x00\x00]\x94.', []],
  ];
  for (const [what, text, wanted] of values) {
    it(`reads ${what}`, () => expect(load(text)).to.deep.equal(wanted));
  }

  it('gives the same object for what was remembered', () => {
    const [a, b] = load('(]q\x00h\x00t.') as PickleValue[];
    expect(a).to.equal(b);
  });

  it('builds an OrderedDict and an old-style instance without running anything', () => {
    expect(
      load(
        'ccollections\nOrderedDict\n(](]K\x01aK\x02aetR.'.replace(
          '(](]K\x01aK\x02aet',
          '](]K\x01aK\x02ae\x85',
        ),
      ),
    ).to.deep.equal(new Map([[1, 2]]));
    const instance = load('(coptions\nOptionsParser\no}b.');
    expect(instance).to.deep.include({ kind: 'instance', type: 'options.OptionsParser' });
  });

  const names = [
    'os\nsystem',
    'posix\nsystem',
    'builtins\neval',
    '__builtin__\nexec',
    'subprocess\nPopen',
    'builtins\ngetattr',
    'torch\nload',
    'torch.hub\nload',
    'numpy\nload',
    'numpy.core.multiarray\n_reconstruct.__globals__',
    'collections\nOrderedDict.__init__',
    'constructor\nconstructor',
    '__proto__\ntoString',
    'options\n__class__.__bases__',
    'runpy\nrun_path',
    'webbrowser\nopen',
  ];
  for (const name of names) {
    const label = name.replace('\n', '.');
    it(`keeps ${label} as data, calls nothing and tells its name, however it is named`, () => {
      const [module, attribute] = name.split('\n');
      const text = (t: string) => `\x8c${String.fromCharCode(t.length)}${t}`;
      const called = { kind: 'instance', type: label, args: ['echo'], state: null };
      const written: [string, object][] = [
        [`c${name}\n(S'echo'\ntR.`, called],
        [`(S'echo'\ni${name}\n.`, called],
        [`\x80\x04${text(module)}${text(attribute)}\x93.`, { kind: 'global', name: label, unknown: true }],
      ];
      for (const globals of [plainGlobals, torchGlobals()]) {
        for (const [pickle, value] of written) {
          const found = unpickle(fromBytes(bytes(pickle), 'p.pkl'), globals);
          expect(found.value).to.deep.equal(value);
          expect(found.unknown).to.deep.equal([label]);
        }
      }
    });
  }

  const bombs: [string, string, RegExp][] = [
    ['an unknown instruction', '\xff', /not a known instruction/],
    ['an extension code', '\x82\x01.', /not a known instruction/],
    ['a future protocol', '\x80\x06N.', /protocol 6/],
    ['an empty stack', '.', /stack is empty/],
    ['a missing mark', 't.', /no mark/],
    ['a memo that was never set', 'h\x00.', /remembered/],
    ['an end without STOP', ']', /truncated/],
    ['a string of 2⁶³ bytes', '\x8d\x00\x00\x00\x00\x00\x00\x00\x80abc', /truncated/],
    ['an integer of 2³¹ bytes', '\x8b\xff\xff\xff\x7f', /integer of/],
    ['an integer of a million digits', `L${'9'.repeat(1_000_000)}L\n.`, /not a number/],
    ['a call to what is not a function', 'K\x01)R.', /not a known function/],
    ['a call to a type', 'ctorch\nFloatStorage\n)R.', /names 'torch.FloatStorage'|cannot be made/],
    ['a persistent id', 'K\x01Q.', /persistent/],
    [
      'a tensor without a storage',
      'ctorch._utils\n_rebuild_tensor_v2\n(K\x01K\x00))tR.',
      /expected a storage/,
    ],
    [
      'an array of 2⁶² bytes',
      'cnumpy.core.multiarray\n_reconstruct\n)R(K\x01\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x40\x85cnumpy\ndtype\nU\x02f4\x85R\x89U\x00tb.',
      /shape|needs/,
    ],
  ];
  for (const [what, text, reason] of bombs) {
    it(`refuses ${what} in one line`, () => refuse(text, reason));
  }

  it('refuses to build far more than the file holds', () => {
    refuse(`(${'}'.repeat(1_000_000)}t.`, /far more than the file holds/);
    // a list of a thousand, put into a dictionary a million times over
    const pairs = `](${']K\x01aK\x02a'.repeat(1000)}eq\x00`;
    refuse(
      `${pairs}0(${'ccollections\nOrderedDict\nh\x00\x85R'.repeat(20_000)}t.`,
      /far more than the file holds/,
    );
  });

  it('walks ten thousand nested lists and one that holds itself', () => {
    const nested = load(`${']'.repeat(10_000)}${'a'.repeat(9_999)}.`);
    expect(stateDict(nested, () => undefined)).to.equal(null);
    const circle = load(']q\x00h\x00a.') as PickleValue[];
    expect(circle[0]).to.equal(circle);
    expect(stateDict(circle, () => undefined)).to.equal(null);
  });
});
