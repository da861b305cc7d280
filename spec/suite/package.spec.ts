/**
 * The package as others get it: what README shows compiles against its types and runs, with nothing else
 * installed.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { built } from '../support/child.ts';
import { shared } from '../support/shared.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const tsc = join(root, 'node_modules/typescript/bin/tsc');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const example = /```js\n(import [\s\S]*?)```/.exec(readme)?.[1] ?? '';
const doors = ['', '/reference', '/fast', '/export', '/agree', '/chai'];

describe('the package', function () {
  this.timeout(180_000);
  let app: string;
  const node = (...args: string[]) => spawnSync(process.execPath, args, { cwd: app, encoding: 'utf8' });
  const write = (name: string, text: string) => writeFileSync(join(app, name), text);

  before(() => {
    app = mkdtempSync(join(tmpdir(), 'alexnet-'));
    const installed = join(app, 'node_modules/alexnet-oracle');
    mkdirSync(installed, { recursive: true });
    cpSync(join(root, 'package.json'), join(installed, 'package.json'));
    built();
    cpSync(join(root, 'dist'), join(installed, 'dist'), { recursive: true });
    const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    for (const name of [...Object.keys(dependencies), '@types/node']) {
      mkdirSync(dirname(join(app, 'node_modules', name)), { recursive: true });
      symlinkSync(join(root, 'node_modules', name), join(app, 'node_modules', name));
    }
    write('package.json', '{"type":"module"}');
  });
  after(() => rmSync(app, { recursive: true, force: true }));

  const compilers: readonly (readonly [string, readonly string[]])[] = [
    ['for a bundler', ['--module', 'preserve', '--target', 'esnext', '--types', 'node']],
    ['without @types/node', ['--module', 'nodenext', '--target', 'es2022', '--types', '', '--skipLibCheck']],
  ];
  for (const [name, options] of compilers) {
    it(`README's example and every door compile ${name}, and no type is unresolved`, () => {
      const imports = doors.map((door, i) => `export * as door${i} from 'alexnet-oracle${door}';`);
      const console = 'declare const console: { log(...words: unknown[]): void };';
      write('example.ts', [options.includes('node') ? '' : console, example, ...imports].join('\n'));
      const run = node(tsc, '--noEmit', '--strict', ...options, 'example.ts');
      expect(run.stdout).to.equal('');
      expect(run.status).to.equal(0);
    });
  }

  it("README's example runs", function () {
    cpSync(shared(this, 'weights/torchvision-narrow.safetensors'), join(app, 'alexnet.safetensors'));
    cpSync(shared(this, 'images/caffe_cat.jpg'), join(app, 'cat.jpg'));
    write(
      'example.mjs',
      `${example}\nconsole.log(verdict, first, guesses.length, y.shape, values.get('fc8').shape, predictions[0].guesses.length);\n`,
    );
    const { stdout, stderr, status } = node('example.mjs');
    expect(stderr).to.equal('');
    expect(stdout.split('\n').slice(-3)).to.deep.equal([
      'prob [ 1, 1000 ]',
      'pass null 5 [ 1, 1000 ] [ 1, 10 ] 3',
      '',
    ]);
    expect(status).to.equal(0);
  });

  it('all doors but the first open without onnxruntime-node, pictures and the command line', () => {
    const folder = join(app, 'node_modules');
    for (const name of ['onnxruntime-node', 'jpeg-js', 'pngjs', 'commander']) rmSync(join(folder, name));
    const opened = doors.slice(1).map((door) => `await import('alexnet-oracle${door}');`);
    write('doors.mjs', opened.join('\n'));
    expect(node('doors.mjs').stderr).to.equal('');
  });
});
