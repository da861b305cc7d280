/** Nothing that a name in a file holds steers a terminal or a CI system, whichever command prints it. */

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { fromTensor, type NumericValue } from '../../lib/array/value.ts';
import { writeNpy } from '../../lib/format/npy.ts';
import { harmless } from '../../lib/report/escape.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import { initialise } from '../../reference/training/init.ts';
import { runHere } from '../support/child.ts';
import { narrow } from '../support/models.ts';
import { f32, graph, info, modelBytes } from '../support/onnx.ts';
import { writeNpz, writeSafetensors } from '../support/tensor-bytes.ts';
import { HOSTILE_NAMES } from '../support/verification.ts';

/** What a terminal obeys, and what GitHub's runner does: it trims a line before it looks for `::`. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const OBEYED = /[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]|^\s*::|##\w*\[/m;

describe('what is printed', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-'));
    // a chain whose every value has a hostile name
    const names = ['x', ...HOSTILE_NAMES];
    const nodes = HOSTILE_NAMES.map((name, i) => ({
      op: i % 2 === 0 ? 'Sigmoid' : 'Relu',
      inputs: [names[i]],
      outputs: [name],
    }));
    const outputs = HOSTILE_NAMES.map((name) => info(name, 'float32', [1, 4]));
    const chain = { ...graph(nodes, [info('x', 'float32', [1, 4])], outputs), name: HOSTILE_NAMES[0] };
    writeFileSync(join(folder, 'chain.onnx'), modelBytes(chain));
    const badOp = graph([{ op: HOSTILE_NAMES[0] }], [info('x', 'float32', [1, 4])], [info('y')]);
    writeFileSync(join(folder, 'op.onnx'), modelBytes(badOp));
    writeFileSync(join(folder, 'x.npy'), writeNpy(f32([1, -2, 3, 4], [1, 4]) as NumericValue));
    const values = HOSTILE_NAMES.map((name) => [name, f32([1, 2]) as NumericValue] as const);
    writeFileSync(join(folder, 'w.npz'), writeNpz(values));
    const metadata = new Map(HOSTILE_NAMES.map((name) => [name, name]));
    writeFileSync(join(folder, 'w.safetensors'), writeSafetensors(new Map(values), metadata));
    const network = narrow(networkNamed('cifar10-full'));
    const weights = [...initialise(network, 1, 'kaiming')].map(([n, t]) => [n, fromTensor(t)] as const);
    const classes = new Map([['classes', JSON.stringify(HOSTILE_NAMES.slice(0, 12))]]);
    writeFileSync(join(folder, 'classes.safetensors'), writeSafetensors(new Map(weights), classes));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('is the same text, with what is obeyed made visible', () => {
    expect(harmless('a\tb\n: c :: d # e')).to.equal('a\tb\n: c :: d # e');
    expect(harmless('::error::x\n  ::warning::y')).to.equal('\\u003a:error::x\n  \\u003a:warning::y');
    expect(harmless('x ##[error]y ##vso[task]')).to.equal('x \\u0023#[error]y \\u0023#vso[task]');
    expect(harmless('\x1b[2J\r\x9b\x7f\u202eabc\u2069')).to.equal(
      '\\u001b[2J\\u000d\\u009b\\u007f\\u202eabc\\u2069',
    );
  });

  it('JSON stays the same JSON', () => {
    const value = { names: HOSTILE_NAMES, [HOSTILE_NAMES[0]]: 1 };
    const text = harmless(JSON.stringify(value));
    expect(text).not.to.match(OBEYED);
    expect(JSON.parse(text)).to.deep.equal(JSON.parse(JSON.stringify(value)));
  });

  const evil = HOSTILE_NAMES[0];
  const lines: readonly (readonly string[])[] = [
    ['run', 'chain.onnx', '--input', 'x=x.npy', '--all', '--out', 'all.npz'],
    ['run', 'chain.onnx', '--input', 'x=x.npy', '--out', 'out.npz', '--json'],
    ['run', 'chain.onnx', '--out', 'none.npz'],
    ['run', 'chain.onnx', '--input', `${evil}=x.npy`, '--out', 'none.npz'],
    ['run', 'op.onnx', '--input', 'x=x.npy', '--out', 'none.npz'],
    ['verify', 'chain.onnx', '--device', 'cpu', '--input', 'x.npy'],
    ['verify', 'chain.onnx', '--device', 'cpu', '--junit', 'r.xml', '--sarif', 'r.sarif', '--html', 'r.html'],
    ['verify', 'chain.onnx', '--device', 'cpu', '--json', '--report-json', 'r.json'],
    ['verify', 'op.onnx', '--device', 'cpu'],
    ['verify', `${evil}.onnx`],
    ['weights', 'inspect', 'w.npz'],
    ['weights', 'inspect', 'w.safetensors'],
    ['weights', 'inspect', 'w.safetensors', '--json'],
    ['weights', 'diff', 'w.npz', 'classes.safetensors'],
    ['weights', 'diff', 'w.npz', 'w.safetensors'],
    ['conform', evil],
    ['summary', '--network', evil],
    ['predict', evil, '--weights', 'classes.safetensors', '--network', 'cifar10-full', '--engine', 'oracle'],
    [evil],
    ['verify', `--${evil}`],
    ['--help'],
    [],
    ['train', evil],
    ['evaluate', evil, '--seed', '0'],
    ['export', join(evil, 'a.onnx')],
  ];
  for (const words of lines) {
    it(`alexnet ${JSON.stringify(words.join(' ')).slice(0, 70)}`, async () => {
      const { out, err } = await runHere(words, folder);
      expect(out + err).not.to.equal('');
      expect(out).not.to.match(OBEYED);
      expect(err).not.to.match(OBEYED);
    });
  }

  it('help on a narrow terminal: no word is cut, and no line is longer', async () => {
    const { columns } = process.stdout;
    const commands = [
      '',
      'summary',
      'export',
      'verify',
      'predict',
      'evaluate',
      'conform',
      'run',
      'train',
      'weights convert',
    ];
    const words = (text: string) => text.split(/\s+/).join(' ');
    try {
      for (const command of commands) {
        const ask = async (width: number) => {
          process.stdout.columns = width;
          return (await runHere([...command.split(' '), '--help'].filter(Boolean), folder)).out;
        };
        const wide = await ask(120);
        for (const width of [40, 20]) {
          const text = await ask(width);
          expect(words(text)).to.equal(words(wide));
          const long = text.split('\n').filter((line) => line.length > width && /\S\s+\S/.test(line));
          expect(long, `${command} at ${width}`).to.deep.equal([]);
        }
      }
    } finally {
      process.stdout.columns = columns;
    }
  });

  it('nor do reports hold what an editor or a browser obeys', () => {
    const reports = readdirSync(folder).filter((name) => name.startsWith('r.'));
    expect(reports).to.have.members(['r.xml', 'r.sarif', 'r.html', 'r.json']);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    const controls = /[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/;
    for (const name of reports) expect(readFileSync(join(folder, name), 'utf8'), name).not.to.match(controls);
  });
});
