/** The companion in Chromium, from a file and without a network: each value with the bits that it has in Node. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { madePhoto } from '../../companion/engine/photo.ts';
import { decodeImageSync } from '../../lib/image/decode.ts';
import { loadWeights } from '../../lib/weights/load.ts';
import { boxedWeights } from '../../lib/weights/shipped.ts';
import { preprocess } from '../../reference/input/preprocess.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { forward, shapes } from '../../reference/oracle.ts';
import { words } from '../../reference/random.ts';
import { dense, type Tensor } from '../../reference/tensor.ts';
import { backward } from '../../reference/training/gradient.ts';
import { type Companion, openCompanion } from '../support/companion.ts';
import { root } from '../support/source.ts';

/** A ship, which the net in the box takes for one. */
const SHIP = 8;

/** Values and gradients by the plain loops, with none of the page's own code. */
async function oracle() {
  const { network, weights } = await loadWeights(boxedWeights('cifar-alexnet')!);
  const input = preprocess(madePhoto(), network.preprocess);
  const values = new Map<string, Tensor>([['input', input]]);
  forward(network, weights, input, { trace: ({ name }, y) => void values.set(name, y) });
  const gradients = new Map<string, Tensor>();
  const found = backward(
    network,
    weights,
    { input, labels: [SHIP], dropout: 'none' },
    { trace: ({ name }, _, dy) => void gradients.set(name, dy) },
  );
  gradients.set('input', found.dinput!);
  return { network, values, gradients };
}

/** `count` places in a layer's output, drawn: the index, and the link that leads there. */
function places(network: Network, layer: string, count: number): { index: number; query: string }[] {
  const [, ...shape] = shapes(network).get(layer)!;
  const size = shape.reduce((product, extent) => product * extent, 1);
  return [...words(3, layer.length, count)].map((word) => {
    const index = word % size;
    if (shape.length === 1) {
      const columns = Math.min(size, Math.max(10, Math.ceil(Math.sqrt(2 * size))));
      return { index, query: `row=${Math.floor(index / columns)}&column=${index % columns}` };
    }
    const [, H, W] = shape;
    const map = Math.floor(index / (H * W));
    return { index, query: `map=${map}&row=${Math.floor(index / W) % H}&column=${index % W}` };
  });
}

describe('the companion', function () {
  this.timeout(120_000);
  let page: Companion;
  let known: Awaited<ReturnType<typeof oracle>>;
  before(async function () {
    [page, known] = await Promise.all([openCompanion(this as never), oracle()]);
    await page.tab.waitForSelector('#stored');
  });
  after(() => page?.close());
  afterEach(() => expect(page.complaints).to.deep.equal([]));

  const link = (layer: string, query: string, side = 'value') =>
    page.show(`#/walk?layer=${layer}&${query}&side=${side}&k=${SHIP}`, `.story[data-of="${layer} ${side}"]`);

  it('values of every layer, as they are stored', async () => {
    for (const [layer, y] of known.values) {
      for (const { index, query } of places(known.network, layer, 3)) {
        await link(layer, query);
        await page.tab.waitForSelector(`.story[data-index="${index}"]`);
        expect(await page.number('#stored'), `${layer} ${index}`).to.equal(dense(y)[index]);
        expect(Math.fround(await page.number('#exact')), `${layer} ${index}`).to.equal(dense(y)[index]);
      }
    }
  });

  it('gradients of every layer', async () => {
    for (const [layer, dy] of known.gradients) {
      for (const { index, query } of places(known.network, layer, 2)) {
        await link(layer, query, 'gradient');
        await page.tab.waitForSelector(`.story[data-index="${index}"]`);
        expect(await page.number('#stored'), `${layer} ${index}`).to.equal(dense(dy)[index]);
      }
    }
  });

  it('photos, decoded to the same pixels: PNG, interlaced PNG, JPEG', async function () {
    for (const name of ['rgba8.png', 'rgb16-interlaced.png', 'rgb-letters.jpg']) {
      const photo = `${root}/fixtures/image/${name}`;
      const other = await openCompanion(this, {}, photo);
      try {
        await other.tab.waitForSelector('#stored');
        const input = preprocess(decodeImageSync(readFileSync(photo), name), known.network.preprocess);
        for (const { index, query } of places(known.network, 'input', 4)) {
          await other.show(
            `#/walk?layer=input&${query}`,
            `.story[data-of="input value"][data-index="${index}"]`,
          );
          expect(await other.number('#stored'), `${name} ${index}`).to.equal(dense(input)[index]);
        }
        expect(other.complaints).to.deep.equal([]);
      } finally {
        await other.close();
      }
    }
  });

  it('is small without its weights', () => expect(page.weight).to.be.below(1e6));
});
