/** The reference needs no Node: it loads with every builtin refused, and a browser gets the same bits from it. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { build } from 'esbuild';
import { launchChromium } from '../support/chromium.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** A loader for `node --import`: whatever asks for a module of Node's own is refused. */
const refusing = `import { register } from 'node:module';
register('data:text/javascript,' + encodeURIComponent(\`
  import { isBuiltin } from 'node:module';
  export async function resolve(specifier, context, next) {
    if (isBuiltin(specifier)) throw new Error('refused: ' + specifier);
    return next(specifier, context);
  }\`));`;

/** A program as one ES module. CommonJS packages (ndarray) are in it, or keep their require. */
async function bundled(source: string, external: string[] = []): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: root, loader: 'ts' },
    bundle: true,
    format: 'esm',
    write: false,
    external,
    logLevel: 'silent',
  });
  return outputFiles[0].text;
}

/** One step of training and a forward pass of a small net: every float64 bit of it, as one string. */
const program = `
  import * as reference from './reference/index.ts';
  const { conv, relu, lrn, maxpool, flatten, linear, dropout, softmax } = reference;
  const network = {
    name: 'small',
    title: 'a small net',
    input: [3, 9, 9],
    preprocess: reference.networkNamed('cifar10-full').preprocess,
    layers: [
      conv('conv1', 6, 3, { pad: 1 }), relu('relu1'), lrn('norm1'), maxpool('pool1'), conv('conv2', 4, 3, { groups: 2 }),
      flatten('flatten'), dropout('drop', 'inverted'), linear('fc', 5), softmax('prob'),
    ],
  };
  const weights = reference.initialise(network, 7, 'kaiming');
  const input = reference.zeros([2, 3, 9, 9]);
  reference.random.fillNormals(input.data, 7, reference.random.streamOf('input'), 1);
  const batch = { input, labels: [1, 4], dropout: 'none' };
  const stepped = reference.step(network, weights, reference.optimiser.zeroMomenta(weights), batch, {
    rule: 'paper', learningRate: 0.01,
  });
  const y = reference.forward(network, stepped.weights, input, { precision: 'float64' });
  globalThis.bits = [...new BigUint64Array(Float64Array.of(stepped.loss, ...y.data).buffer)].join(' ');
`;

/** What a program leaves in globalThis.bits under Node, with every builtin refused. */
function inNode(code: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'pure-'));
  try {
    writeFileSync(join(folder, 'refusing.mjs'), refusing);
    writeFileSync(join(folder, 'program.mjs'), `${code}\nconsole.log(globalThis.bits);`);
    const args = [`--import=${join(folder, 'refusing.mjs')}`, join(folder, 'program.mjs')];
    return execFileSync(process.execPath, args, { encoding: 'utf8', stdio: 'pipe' }).trim();
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('the reference outside Node', () => {
  it('loads and trains with every module of Node refused', async () => {
    expect(inNode(await bundled(program))).to.match(/^\d+( \d+){10}$/);
  });

  it('and a program that asks for one is caught', async () => {
    const asking = await bundled(`import { readFileSync } from 'node:fs'; readFileSync;`, ['node:*']);
    expect(() => inNode(asking)).to.throw('refused: node:fs');
    const bare = await bundled(`import os from 'os'; globalThis.bits = os.EOL;`, ['os']);
    expect(() => inNode(bare)).to.throw('refused: os');
  });

  it('has the same bits in Chromium', async function () {
    const browser = await launchChromium(this);
    try {
      const page = await browser.newPage();
      const code = await bundled(program);
      await page.addScriptTag({ content: code, type: 'module' });
      const bits = await page.waitForFunction(() => (globalThis as { bits?: string }).bits);
      expect(await bits.jsonValue()).to.equal(inNode(code));
    } finally {
      await browser.close();
    }
  });
});
