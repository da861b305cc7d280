/**
 * The rules of docs/architecture.md: who may import whom, what reference/ may use, no import cycles, one name in
 * every room, fixtures that cannot hide a swapped axis.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { type Case, fixtureNames, fixtureOf } from './support/cases.ts';
import { filesBelow, importsOf, root, type Source, sourceOf, sourcesBelow } from './support/source.ts';

/** Which of the repository's folders and which packages the files of a folder may import; the longest match counts. */
const table: Record<string, { folders: string[]; packages: string[] }> = {
  reference: { folders: ['reference'], packages: ['ndarray'] },
  export: { folders: ['reference', 'export'], packages: ['ndarray'] },
  'export/proto.ts': { folders: ['export'], packages: ['onnx-proto'] },
  lib: { folders: ['reference', 'export', 'lib'], packages: ['ndarray', 'node:*'] },
  'lib/cli': {
    folders: ['reference', 'export', 'lib'],
    packages: ['commander', 'cli-progress', 'ndarray', 'node:*'],
  },
  'lib/fast': { folders: ['reference', 'lib/fast'], packages: ['ndarray'] },
  'lib/fast/node.ts': { folders: ['lib/fast'], packages: ['node:worker_threads'] },
  'lib/fast/wide.ts': { folders: ['reference', 'lib/fast'], packages: ['node:v8'] },
  // a page in a browser reads dropped files with these two
  'lib/array': { folders: ['reference', 'export', 'lib'], packages: [] },
  'lib/format': {
    folders: ['reference', 'export', 'lib'],
    packages: ['fflate', 'h5wasm'],
  },
  // bytes to pixels: a browser can load it; files are opened in two places
  'lib/image': { folders: ['reference', 'export', 'lib'], packages: ['jpeg-js', 'pngjs', 'fflate'] },
  'lib/image/load.ts': { folders: ['reference', 'export', 'lib'], packages: ['node:*'] },
  'lib/image/mean.ts': { folders: ['reference', 'export', 'lib'], packages: ['node:*'] },
  'lib/report': { folders: ['reference', 'export', 'lib'], packages: ['vega', 'ndarray', 'node:*'] },
  // the page: what it computes with loads in a worker, what it shows needs the document
  'companion/engine': {
    folders: ['reference', 'lib', 'companion/engine'],
    packages: [],
  },
  'companion/ui': {
    folders: ['reference', 'lib/explain', 'lib/picture', 'companion'],
    packages: ['preact', 'preact/hooks'],
  },
  'companion/shims': { folders: ['companion/shims'], packages: ['fflate', 'pngjs/lib/parser-sync.js'] },
  'lib/runtime': {
    folders: ['reference', 'export', 'lib'],
    packages: ['onnxruntime-node', 'ndarray', 'node:*'],
  },
};

/** The rule for a file: the longest entry of the table that is the file or a folder around it. */
function ruleFor(path: string) {
  const entries = Object.keys(table).filter((entry) => path === entry || path.startsWith(`${entry}/`));
  return table[entries.sort((a, b) => b.length - a.length)[0]];
}

/** Each import that the table does not allow, in words. */
function forbiddenImports(source: Source): string[] {
  const { folders, packages } = ruleFor(source.path);
  return importsOf(source)
    .filter(({ target, kind }) => {
      if (target === 'onnxruntime-node' && kind === 'static') return true;
      if (/\.tsx?(?:\?\w+)?$/.test(target)) return !folders.some((folder) => target.startsWith(`${folder}/`));
      return !packages.includes(target) && !(target.startsWith('node:') && packages.includes('node:*'));
    })
    .map(({ target, kind }) => `${source.path} imports ${target} (${kind})`);
}

/** What of Math is defined to the last bit by ECMAScript. */
const exactMath = 'sqrt fround abs min max floor ceil trunc sign imul clz32'.split(' ');
const forbiddenWords =
  'Date performance process async await setTimeout setInterval setImmediate queueMicrotask Promise console fetch ' +
  'crypto require eval Function Intl import.meta WebAssembly SharedArrayBuffer Atomics globalThis Worker';

/** Each use of what makes a result depend on the engine, the machine or the moment, in words. */
function forbiddenUses({ path, code }: Source): string[] {
  const found = forbiddenWords
    .split(' ')
    .filter((word) => new RegExp(`(?<![\\w$.'])${word.replace('.', '\\.')}(?![\\w$:'])`).test(code));
  for (const [, name] of code.matchAll(/\bMath\b\s*(?:\.\s*(\w+))?/g)) {
    if (name !== undefined && !exactMath.includes(name)) found.push(`Math.${name}`);
  }
  const values = code.match(/\bMath\b(?!\s*\.)/g)?.length ?? 0;
  const taken = [...code.matchAll(/\{([\w\s,]*)\} = Math;/g)];
  if (values > taken.length) found.push('Math as a value');
  for (const name of taken.flatMap(([, names]) => names.split(',').map((one) => one.trim()))) {
    if (!exactMath.includes(name)) found.push(`Math.${name}`);
  }
  if (code.includes('**')) found.push('**');
  if (/\.to(Locale|Fixed|Precision|Exponential)/.test(code)) found.push('number formatting');
  return found.map((word) => `${path} uses ${word}`);
}

/**
 * The files of each import cycle, as the path around it: 'a.ts → b.ts → a.ts'. Types count: who reads one of the
 * files has to read them all. One path for each group of files that reach each other.
 */
function cyclesOf(imports: ReadonlyMap<string, readonly string[]>): string[] {
  const reachable = (from: string): ReadonlySet<string> => {
    const seen = new Set<string>();
    const open = [...(imports.get(from) ?? [])];
    for (let file = open.pop(); file !== undefined; file = open.pop()) {
      if (!seen.has(file)) open.push(...(imports.get(file) ?? []));
      seen.add(file);
    }
    return seen;
  };
  const reach = new Map([...imports.keys()].map((file) => [file, reachable(file)]));
  const told = new Set<string>();
  return [...imports.keys()].sort().flatMap((start) => {
    if (told.has(start) || !reach.get(start)?.has(start)) return [];
    const path = [start];
    // from each file to one that leads back, until the path bites its tail
    for (let at = start; ; ) {
      at = imports.get(at)!.find((next) => next === start || reach.get(next)?.has(start))!;
      const before = path.indexOf(at);
      path.push(at);
      told.add(at);
      if (before >= 0) return [path.slice(before).join(' → ')];
    }
  });
}

const importsBetween = (sources: readonly Source[]): ReadonlyMap<string, readonly string[]> =>
  new Map(sources.map((source) => [source.path, importsOf(source).map(({ target }) => target)]));

/** The rooms of lib/, lowest first: a file imports from its own room and from those before it. */
const rooms = (
  'errors checks version array format disk web fast runtime onnx bounds judge agree image labels weights networks ' +
  'conform data classify evaluate verify report train picture explain cli index'
).split(' ');

/** The room of a file of lib/, by the name of its folder, or of the file where it stands in lib/ itself. */
const roomOf = (path: string): string => path.split('/')[1].replace(/\.ts$/, '');

/** Each import from a room above, in words. */
function upwards(source: Source): string[] {
  const level = rooms.indexOf(roomOf(source.path));
  if (level < 0) return [`${source.path}: lib/ has no room '${roomOf(source.path)}' (rooms in this spec)`];
  return importsOf(source)
    .filter(({ target }) => target.startsWith('lib/') && rooms.indexOf(roomOf(target)) > level)
    .map(({ target, kind }) => `${source.path} imports ${target} (${kind}), which stands above it`);
}

const distinct = (values: readonly number[]): boolean => new Set(values).size === values.length;

/** What of a case would let a swapped axis pass, in words. */
function symmetries(operation: string, { title, inputs, attributes }: Case): string[] {
  const found: string[] = [];
  const need = (what: string, values: readonly number[]) => {
    if (!distinct(values)) found.push(`${operation}: ${title}: ${what} [${values}]`);
  };
  for (const [name, t] of Object.entries(inputs)) if (name.startsWith('x')) need(`shape of ${name}`, t.shape);
  const { x, w } = inputs;
  if (w) need('batch, inputs and outputs', [...x.shape, w.shape[0]]);
  if (w?.dimension === 4) need('kernel', w.shape.slice(2));
  for (const key of ['kernel', 'size']) {
    const pair = attributes[key];
    if (Array.isArray(pair) && pair.join() !== '1,1') need(key, pair);
  }
  return found;
}

describe('the structure of the repository', () => {
  const sources = ['reference', 'export', 'lib', 'companion'].flatMap(sourcesBelow);

  it('reference imports itself and ndarray, export reference, lib both; packages only where the table says', () => {
    expect(sources.length).to.be.above(60);
    expect(sources.flatMap(forbiddenImports)).to.deep.equal([]);
  });

  it('specs of reference/ import nothing of lib/, and helpers of specs live in spec/support', () => {
    const specs = sourcesBelow('spec');
    const ofLib = specs
      .filter(({ path }) => path.startsWith('spec/reference/'))
      .filter((source) => importsOf(source).some(({ target }) => target.startsWith('lib/')));
    const astray = specs.filter(({ path }) => !/\.spec\.ts$|^spec\/(support|fuzz)\//.test(path));
    expect([...ofLib, ...astray].map(({ path }) => path)).to.deep.equal([]);
  });

  it('in lib/ no arrow goes up', () => {
    expect(sources.filter(({ path }) => path.startsWith('lib/')).flatMap(upwards)).to.deep.equal([]);
    const imports = (path: string, text: string) => upwards(sourceOf(path, text)).length;
    expect(imports('lib/verify/a.ts', "import type { x } from '../report/b.ts';")).to.equal(1);
    expect(imports('lib/report/a.ts', "import { x } from '../verify/b.ts';")).to.equal(0);
    expect(imports('lib/new/a.ts', '')).to.equal(1);
  });

  it('no file imports itself by way of others', () => {
    const found = cyclesOf(importsBetween(sources));
    expect(found, found.join('\n')).to.deep.equal([]);
  });

  it('that rule finds a cycle of any length, of types too, and tells it from a tree', () => {
    const cycles = (files: Record<string, string>) =>
      cyclesOf(importsBetween(Object.entries(files).map(([path, text]) => sourceOf(path, text))));
    const [a, b, c] = ['a', 'b', 'c'].map((name) => `import type { x } from './${name}.ts';`);
    expect(cycles({ 'lib/a.ts': `${b}\n${c}`, 'lib/b.ts': c, 'lib/c.ts': '' })).to.deep.equal([]);
    expect(cycles({ 'lib/a.ts': b, 'lib/b.ts': c, 'lib/c.ts': a })).to.deep.equal([
      'lib/a.ts → lib/b.ts → lib/c.ts → lib/a.ts',
    ]);
    expect(cycles({ 'lib/a.ts': b, 'lib/b.ts': c, 'lib/c.ts': b })).to.deep.equal([
      'lib/b.ts → lib/c.ts → lib/b.ts',
    ]);
    expect(cycles({ 'lib/a.ts': a })).to.deep.equal(['lib/a.ts → lib/a.ts']);
  });

  it('reference uses nothing whose result the engine, the machine or the moment decides', () => {
    expect(sources.filter(({ path }) => path.startsWith('reference/')).flatMap(forbiddenUses)).to.deep.equal(
      [],
    );
  });

  it('those two rules catch what they are for', () => {
    const imports = (path: string, text: string) => forbiddenImports(sourceOf(path, text)).length;
    expect(imports('reference/a.ts', "import { x } from '../export/b.ts';")).to.equal(1);
    expect(imports('reference/a.ts', "import {\n  x,\n} from 'node:fs';")).to.equal(1);
    expect(imports('lib/fast/node.ts', "import { Worker } from 'node:worker_threads';")).to.equal(0);
    expect(imports('lib/fast/a.ts', "import { Worker } from 'node:worker_threads';")).to.equal(1);
    expect(imports('lib/fast/a.ts', "import x from '../model.ts';")).to.equal(1);
    expect(imports('reference/a.ts', "import { Worker } from 'node:worker_threads';")).to.equal(1);
    expect(imports('export/a.ts', "export * from '../lib/a.ts';")).to.equal(1);
    expect(imports('export/a.ts', "import 'onnx-proto';")).to.equal(1);
    expect(imports('export/proto.ts', "import onnx from 'onnx-proto';")).to.equal(0);
    expect(imports('lib/runtime/a.ts', "import ort from 'onnxruntime-node';")).to.equal(1);
    expect(imports('lib/runtime/a.ts', "const ort = await import('onnxruntime-node');")).to.equal(0);
    expect(imports('lib/verify/a.ts', "const ort = await import('onnxruntime-node');")).to.equal(1);
    expect(imports('lib/a.ts', "// import x from '../spec/a.ts';\nimport y from '../spec/a.ts';")).to.equal(
      1,
    );

    const uses = (text: string, path = 'reference/a.ts') => forbiddenUses(sourceOf(path, text)).length;
    for (const bad of [
      'Math.exp(x)',
      'Math["exp"](x)',
      'const { exp } = Math;',
      'x ** 2',
      'Date.now()',
      'new Date()',
    ]) {
      expect(uses(bad), bad).to.equal(1);
    }
    for (const bad of [
      'async () => 1',
      'process.env',
      'x.toFixed(2)',
      'x = `$' + '{performance.now()}`',
      'WebAssembly.x',
      'new Worker(x)',
    ]) {
      expect(uses(bad), bad).to.equal(1);
    }
    for (const good of [
      'Math.sqrt(x)',
      "'Math.exp'",
      '// x ** 2',
      '/* Date */',
      '`async`',
      'a.process',
      "x = /Date'/;",
      'const { fround, abs } = Math;',
    ]) {
      expect(uses(good), good).to.equal(0);
    }
  });

  it('nobody prints past the filter of lib/cli/output.ts', () => {
    // the way to it, what a child tells its parent, and files that are /dev/stdout
    const may = ['lib/cli/output.ts', 'lib/cli/main.ts', 'lib/runtime/probe-child.ts', 'lib/disk/write.ts'];
    const prints = ({ path, code }: Source) =>
      !may.includes(path) && /\bconsole\.|process\.std(out|err)(\.write|\b(?!\.isTTY))/.test(code);
    expect(sources.filter(prints).map(({ path }) => path)).to.deep.equal([]);
    expect(prints(sourceOf('lib/a.ts', 'process.stderr.write(x);'))).to.equal(true);
  });

  it('no line of TypeScript reaches 120 columns (strings aside), no file than 350 lines', () => {
    const all = [...sources, ...['spec', 'bench', 'fixtures'].flatMap(sourcesBelow)];
    const long = all.flatMap(({ path, lines }) => [
      ...lines.flatMap((line, i) => ([...line].length > 119 ? [`${path}:${i + 1}`] : [])),
      ...(lines.length > 351 ? [`${path} has ${lines.length - 1} lines`] : []),
    ]);
    expect(long).to.deep.equal([]);
  });

  it('every operation has its emitter, its fixture and its spec, of the same name', () => {
    const names = (folder: string, ending: string) =>
      filesBelow(folder, ending).map((path) => path.slice(folder.length + 1, -ending.length));
    const index = readFileSync(join(root, 'reference/ops/index.ts'), 'utf8');
    const operations = [...index.matchAll(/^export \* as (\w+) from '\.\/(\w+)\.ts';$/gm)].map(
      ([, name, file]) => {
        expect(name).to.equal(file);
        return name;
      },
    );
    expect(operations.length).to.be.at.least(15);
    expect(fixtureNames()).to.deep.equal([...operations].sort());
    expect(names('reference/ops', '.ts')).to.include.members(operations);
    expect(names('export/emit', '.ts')).to.include.members(operations);
    expect(names('spec/reference/ops', '.spec.ts')).to.include.members(operations);
  });

  it('no dimension of a fixture equals another, and every value says where it comes from', () => {
    for (const name of fixtureNames()) {
      const { operation, provenance, cases } = fixtureOf(name);
      expect(operation).to.equal(name);
      expect(provenance).to.match(new RegExp(`^fixtures/ops/${name}/make\\.py with PyTorch [\\d.]+`));
      expect(filesBelow(`fixtures/ops/${name}`, 'make.py')).to.have.length(1);
      for (const { by } of cases) expect(by).to.be.a('string').and.not.equal('');
      expect(cases.flatMap((test) => symmetries(name, test))).to.deep.equal([]);
    }
  });

  it('a swapped axis, side or stride cannot hide from the fixtures of windows', () => {
    for (const name of ['conv2d', 'maxpool', 'avgpool']) {
      const { cases } = fixtureOf(name);
      const some = (what: string, test: (attributes: Case['attributes']) => boolean) =>
        expect(
          cases.some(({ attributes }) => test(attributes)),
          `${name}: ${what}`,
        ).to.equal(true);
      some('strides differ', ({ stride }) => distinct(stride));
      some('four different pads', ({ pad }) => distinct(pad));
      if (name === 'conv2d') {
        some('dilations differ', ({ dilation }) => distinct(dilation));
        some('groups', ({ groups }) => groups > 1);
      }
    }
  });
});
