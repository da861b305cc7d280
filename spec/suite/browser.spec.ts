/** lib/fast without node.ts loads in a browser, and computes there with the bits of the plain loops here. */
import { expect } from 'chai';
import { build } from 'esbuild';
import { networkNamed } from '../../reference/networks/index.ts';
import { forward } from '../../reference/oracle.ts';
import { dense, tensor } from '../../reference/tensor.ts';
import { initialise } from '../../reference/training/init.ts';
import { launchChromium } from '../support/chromium.ts';

/** Runs in the page: the logits of an image, and why the kernels did not compute ('' where they did). */
const page = `
import { operations, unavailable } from './lib/fast/index.ts';
import { networkNamed } from './reference/networks/index.ts';
import { forward } from './reference/oracle.ts';
import { dense, tensor } from './reference/tensor.ts';
import { initialise } from './reference/training/init.ts';

export function run(values) {
  const network = networkNamed('cifar10-full');
  const input = tensor(Float32Array.from(values), [1, ...network.input]);
  const y = forward(network, initialise(network, 0, 'kaiming'), input, { operations });
  return { y: [...dense(y)], unavailable: unavailable() };
}
`;

describe('the fast twins in a browser', function () {
  this.timeout(180_000);

  const bundle = async (contents: string): Promise<string> => {
    const stdin = { contents, resolveDir: process.cwd(), loader: 'ts' } as const;
    const options = { bundle: true, write: false, platform: 'browser', format: 'iife' } as const;
    const { outputFiles } = await build({ ...options, stdin, globalName: 'fast', logLevel: 'silent' });
    return outputFiles[0].text;
  };

  it('load and give the bits of the plain loops', async function () {
    const script = await bundle(page);
    const network = networkNamed('cifar10-full');
    const values = Array.from({ length: 3 * 32 * 32 }, (_, i) => ((i * 7919) % 256) / 128 - 1);
    const x = tensor(Float32Array.from(values), [1, ...network.input]);
    const browser = await launchChromium(this);
    try {
      const tab = await browser.newPage();
      await tab.addScriptTag({ content: script });
      const found = await tab.evaluate((image) => {
        const { fast } = globalThis as unknown as {
          fast: { run(values: number[]): { y: number[]; unavailable: string } };
        };
        return fast.run(image);
      }, values);
      const expected = [...dense(forward(network, initialise(network, 0, 'kaiming'), x))];
      expect(found).to.deep.equal({ y: expected, unavailable: '' });
    } finally {
      await browser.close();
    }
  });

  it('would not with node.ts, which needs threads of Node', async () => {
    const error = await bundle("import './lib/fast/node.ts';").catch((reason: Error) => reason);
    expect(String(error)).to.include('Could not resolve "node:worker_threads"');
  });
});
