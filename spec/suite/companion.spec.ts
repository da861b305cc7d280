/** The companion in Chromium, from a file and without a network: each value with the bits that it has in Node. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect } from 'chai';
import { operations } from '../../lib/fast/index.ts';
import { decodeImageSync } from '../../lib/image/decode.ts';
import { picture } from '../../lib/picture/index.ts';
import { madePhoto } from '../../lib/picture/photo.ts';
import { loadWeights } from '../../lib/weights/load.ts';
import { preprocess } from '../../reference/input/preprocess.ts';
import { caffenet } from '../../reference/networks/caffenet.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { forward } from '../../reference/oracle.ts';
import { dense, tensor } from '../../reference/tensor.ts';
import { type Opened, openCompanion } from '../support/companion.ts';
import { altered, oracle, places, SHIP } from '../support/companion-oracle.ts';
import { root } from '../support/source.ts';
import { needShared, sharedPath } from '../support/weight-files.ts';

/** What of a page is used in it. */
interface Window {
  readonly document: { querySelector(selector: string): { readonly textContent: string } | null };
  readonly location: { hash: string };
}

const PICTURES = ['rgb8.png', 'rgba8.png', 'rgb16-interlaced.png', 'rgb-letters.jpg'];

interface Canvas {
  getContext(kind: '2d'): {
    getImageData(...box: readonly number[]): { readonly data: Uint8ClampedArray };
  };
}

describe('the companion', function () {
  this.timeout(300_000); // where the machine has other work too
  let page: Opened;
  let known: Awaited<ReturnType<typeof oracle>>;
  const folder = mkdtempSync(join(tmpdir(), 'companion-weights-'));
  before(async function () {
    for (const name of PICTURES) copyFileSync(`${root}/fixtures/image/${name}`, join(folder, name));
    const cache = process.env.XDG_CACHE_HOME;
    process.env.XDG_CACHE_HOME = folder;
    const opened = openCompanion(this as never, { neighbours: folder });
    [page, known] = await Promise.all([opened, oracle()]);
    if (cache === undefined) delete process.env.XDG_CACHE_HOME;
    else process.env.XDG_CACHE_HOME = cache;
    await page.tab.waitForSelector('#stored');
  });
  after(async () => {
    rmSync(folder, { recursive: true });
    await page?.close();
  });
  afterEach(() => expect(page.complaints).to.deep.equal([]));

  const link = (layer: string, query: string, side = 'value') =>
    page.show(`#/walk?layer=${layer}&${query}&side=${side}&k=${SHIP}`, `.story[data-of="${layer} ${side}"]`);

  /** What the page shows of each place, one after another: stored, exact and bound, the text that a reader sees. */
  const shown = (hashes: readonly string[]) =>
    page.tab.evaluate(async (all) => {
      const { document, location } = globalThis as unknown as Window;
      const told: string[][] = [];
      for (const [hash, of, index] of all.map((one) => one.split(' | '))) {
        location.hash = hash;
        const card = `.story[data-of="${of}"][data-index="${index}"]`;
        while (!document.querySelector(card)) await new Promise((resolve) => setTimeout(resolve));
        told.push(
          ['#stored', '#exact', '#bound'].map((id) => document.querySelector(`${card} ${id}`)!.textContent),
        );
      }
      return told;
    }, hashes);

  it('values of every layer, and their gradients: 200 that are drawn', async () => {
    const asked = (['value', 'gradient'] as const).flatMap((side) =>
      [...(side === 'value' ? known.values : known.gradients)].flatMap(([layer, t]) =>
        places(known.network, layer, 5).map(({ index, query }) => ({
          hash: `#/walk?layer=${layer}&${query}&side=${side}&k=${SHIP} | ${layer} ${side} | ${index}`,
          due: dense(t)[index],
        })),
      ),
    );
    expect(asked.length).to.be.at.least(200);
    const told = await shown(asked.map(({ hash }) => hash));
    for (const [i, { hash, due }] of asked.entries()) {
      const [stored, exact, bound] = told[i];
      expect(stored, hash).to.equal(String(due));
      expect(Math.fround(Number(exact)), hash).to.equal(due);
      expect(Math.abs(Number(exact) - due), hash).to.be.at.most(Number(bound));
    }
  });

  it('kernels of conv1 in the colours of their weights; one that is chosen is the map that is looked at', async () => {
    await page.show('#/walk?layer=conv1', '[aria-label="kernel 5"]');
    const pixels = await page.tab.$eval('[aria-label="kernel 5"] canvas', (canvas) => {
      const drawn = (canvas as unknown as Canvas).getContext('2d').getImageData(0, 0, 3, 3).data;
      return [...drawn].filter((_, i) => i % 4 < 3);
    });
    const w = dense(known.weights.get('conv1.weight')!).subarray(5 * 27, 6 * 27);
    const most = Math.max(...w.map(Math.abs));
    // red, green and blue beside one another; ±1 in a weight's own scale are 0 and 255
    const due = Array.from(
      { length: 27 },
      (_, i) => ((w[(i % 3) * 9 + Math.floor(i / 3)] / most + 1) * 255) / 2,
    );
    expect(pixels).to.deep.equal(due.map(Math.round));
    await page.tab.click('[aria-label="kernel 5"]');
    await page.tab.waitForSelector('[aria-label="map 5"][aria-checked=true]');
  });

  it('the answer: its likeliest classes, and what each kernel of conv1 does for it', async () => {
    await page.show('#/answer', '.most a');
    const { network, weights, values } = known;
    const top = await page.tab.$$eval('.likeliest data', (all) =>
      all.map((one) => Number(one.getAttribute('value'))),
    );
    const prob = [...dense(values.get('prob')!)].sort((a, b) => b - a);
    expect(top.map(Math.fround)).to.deep.equal(prob.slice(0, 5));
    await page.tab.waitForSelector('[aria-label="Without a kernel"]:not(:has(progress))');
    const [first] = await page.tab.$$eval('.most li', (all) =>
      all.map((one) => ({ link: one.textContent ?? '', loss: Number(one.querySelector('data')?.value) })),
    );
    const silenced = new Map([...weights].map(([name, t]) => [name, tensor(dense(t).slice(), t.shape)]));
    const kernel = Number(/kernel (\d+)/.exec(first.link)![1]);
    dense(silenced.get('conv1.weight')!).fill(0, kernel * 27, (kernel + 1) * 27);
    dense(silenced.get('conv1.bias')!)[kernel] = 0;
    const p = dense(forward(network, silenced, values.get('input')!, { operations }))[SHIP];
    // the page's loss is of float64 probabilities, the net's are float32
    expect(Math.exp(-first.loss)).to.be.closeTo(p, 2 ** -23);
  });

  it('figure 4: the pictures that `picture neighbours` finds, at its distances', async () => {
    await page.show('#/answer', '.nearest data');
    const shown = await page.tab.$$eval('.nearest li', (all) =>
      all.map((one) => [
        one.querySelector('canvas')?.getAttribute('aria-label'),
        one.querySelector('data')?.value,
      ]),
    );
    const { facts } = await picture('neighbours', { folder });
    const { neighbours } = facts as { neighbours: { image: string; distance: number }[] };
    const due = neighbours.map(({ image, distance }) => [basename(image), String(distance)]);
    expect(shown).to.deep.equal(due).and.have.length(PICTURES.length);
  });

  it('photos that are chosen, PNG and JPEG, decoded to the same pixels; what is none is said to be that', async () => {
    const choose = (name: string) => page.tab.setInputFiles('input[type=file]', `${root}/${name}`);
    await page.show('#/answer', '.likeliest');
    for (const name of ['rgba8.png', 'rgb16-interlaced.png', 'rgb-letters.jpg']) {
      const photo = decodeImageSync(readFileSync(`${root}/fixtures/image/${name}`), name);
      const { network, weights } = known;
      const prob = dense(forward(network, weights, preprocess(photo, network.preprocess), { operations }));
      await choose(`fixtures/image/${name}`);
      const best = String(Math.max(...prob));
      await page.tab.waitForFunction(
        // in the page
        ([value]) => {
          const { document } = globalThis as unknown as {
            document: { querySelector(s: string): { value: string } | null };
          };
          const shown = document.querySelector('.likeliest data')?.value;
          return Math.fround(Number(shown)) === Number(value);
        },
        [best],
      );
    }
    await choose('package.json');
    await page.tab.waitForSelector('.error');
    expect(await page.tab.textContent('.error')).to.match(
      /^package\.json: no known format of arrays or weights/,
    );
  });

  it('weights that are dropped or chosen: the answer that Node has with them', async () => {
    await page.tab.reload();
    await link('prob', `row=0&column=${SHIP}`);
    for (const [name, factor] of [
      ['a.safetensors', 0.5],
      ['b.npz', 0.75],
      ['c.onnx', 0.625],
    ] as const) {
      const file = join(folder, name);
      const ship = await altered(known, file, factor);
      if (name === 'b.npz') await page.tab.setInputFiles('input[type=file]', file);
      else await page.drop(file);
      await page.tab.waitForSelector(`#stored:text-is("${ship}")`);
      expect(await page.tab.textContent('.about')).to.include(`Weights: ${name} (`);
    }
    await page.tab.waitForSelector('[aria-label="reading the file"]', { state: 'detached' });
  });

  it('the page of the server: the same answer; HDF5, whose library it alone fetches', async () => {
    const served = await page.beside();
    const hash = `#/walk?layer=prob&row=0&column=${SHIP}`;
    await served.show(hash, `#stored:text-is("${dense(known.values.get('prob')!)[SHIP]}")`);
    const file = join(folder, 'd.h5');
    const ship = await altered(known, file, 0.5625);
    await served.tab.selectOption('.drop select', 'cifar-alexnet');
    await served.drop(file);
    await served.tab.waitForSelector(`#stored:text-is("${ship}")`);
    expect(served.complaints).to.deep.equal([]);
    await served.tab.close();
  });

  it('weights that fit several networks: taken once one is chosen', async function () {
    needShared(this);
    const file = sharedPath('weights/bvlc-narrow.npz');
    await page.tab.setInputFiles('input[type=file]', file);
    await page.tab.waitForSelector('.error:has-text("choose which, beside the file")');
    await page.tab.selectOption('.drop select', 'caffenet');
    await page.tab.waitForSelector('.about:has-text("caffenet:")');
    const { network, weights } = await loadWeights(file, caffenet);
    const input = preprocess(madePhoto(), network.preprocess);
    const prob = dense(forward(network, weights, input, { operations }));
    await page.tab.waitForSelector(`#stored:text-is("${prob[SHIP]}")`);
    await page.tab.selectOption('.drop select', '');
  });

  it('weights that are damaged: the line that Node says; a name is text, whatever it is', async () => {
    const put = (name: string, bytes: Uint8Array): string => {
      writeFileSync(join(folder, name), bytes);
      return join(folder, name);
    };
    const whole = readFileSync(join(folder, 'b.npz'));
    const hostile = '<img src=x onerror=alert(1)>\u202e.npz';
    for (const [name, bytes] of [
      ['short.safetensors', readFileSync(join(folder, 'a.safetensors')).subarray(0, 70_000)],
      ['short.npz', whole.subarray(0, 70_000)],
      [hostile, Buffer.from('nothing')],
    ] as const) {
      const reason = await loadWeights(put(name, bytes)).catch((error) => error.message);
      await page.drop(join(folder, name));
      const shown = name.replace('\u202e', '\\u202e');
      await page.tab.waitForSelector(`.error:has-text(${JSON.stringify(shown)})`);
      expect(await page.tab.textContent('.error')).to.equal(reason.replace(join(folder, name), shown));
    }
    await page.drop(put(hostile, whole));
    await page.tab.waitForSelector('.about:has-text("onerror")');
    expect(await page.tab.$('.error, img')).to.equal(null);
    await page.drop(put('w.h5', Buffer.from('\x89HDF\r\n\x1a\n', 'latin1')));
    await page.tab.waitForSelector('.error');
    expect(await page.tab.textContent('.error')).to.match(
      /^w\.h5: HDF5 is read where the page has its server/,
    );
  });

  it('doubts: the answer of the network that each makes; one that no longer fits says so', async () => {
    await page.tab.reload();
    const { network, weights, values } = known;
    const turned = async (ways: string) => {
      await page.show(`#/doubt?doubt=${ways}`, `.effect[data-of="${ways}"]`);
      const cells = await page.tab.$$eval('.effect data', (all) =>
        all.map((one) => Number(one.getAttribute('value'))),
      );
      return cells.map(Math.fround).sort((a, b) => b - a);
    };
    const best = (layers: Network['layers'], input = values.get('input')!, count = 5) =>
      [...dense(forward({ ...network, layers }, weights, input, { operations }))]
        .sort((a, b) => b - a)
        .slice(0, count);
    const k2 = network.layers.map((layer) =>
      layer.kind === 'lrn' ? { ...layer, attributes: { ...layer.attributes, k: 2 } } : layer,
    );
    expect((await turned('k.2')).slice(0, 5)).to.deep.equal(best(k2));
    const [conv1, relu1, pool1, norm1, ...rest] = network.layers;
    expect((await turned('order.ran'))[0]).not.to.equal(best([conv1, relu1, pool1, norm1, ...rest])[0]);
    const photo = madePhoto();
    const swapped = {
      ...network.preprocess,
      channels: 'BGR',
      mean: [113.9, 123, 125.3],
      deviation: [66.7, 62.1, 63],
    };
    const bgr = preprocess(photo, swapped as Network['preprocess']);
    expect((await turned('channels.other'))[0]).to.equal(best(network.layers, bgr)[0]);
    await turned('rounding.floor');
    expect(await page.tab.textContent('.effect .error')).to.match(/no longer fits.*fc7/);
  });

  it('the tour: twelve steps, each with our real lines, a question, and one choice that is right', async () => {
    for (let step = 0; step < 12; step++) {
      await page.show(`#/tour?step=${step}`, `article[aria-label="Step ${step + 1} of 12"]`);
      const file = /^(\S+), line (\d+)$/.exec((await page.tab.textContent('.source figcaption')) ?? '')!;
      const shown = ((await page.tab.textContent('.source code')) ?? '').split('\n');
      const real = readFileSync(`${root}/${file[1]}`, 'utf8')
        .split('\n')
        .slice(Number(file[2]) - 1);
      for (const [i, line] of shown.entries())
        expect(line.trim(), file[0]).to.equal(real[i].trim()).and.not.equal('');
      const verdicts: boolean[] = [];
      for (const choice of await page.tab.$$('.question input')) {
        await choice.check();
        verdicts.push(((await page.tab.textContent('.question [role=status]')) ?? '').startsWith('Right.'));
      }
      expect(verdicts.filter(Boolean), `step ${step + 1}`).to.have.length(1);
    }
  });

  it('the tour tells the paper from the network on the page; who goes on by keyboard reads on', async () => {
    await page.show('#/tour?step=6', 'article[aria-label="Step 7 of 12"]');
    // (3·9 + 1)·32 + (32·9 + 1)·96 + (48·9 + 1)·96 + 2·(96·9 + 1)·192 + (96·9 + 1)·160; 1441·192 + 193·10
    expect(await page.tab.textContent('.tour .here')).to.match(/ 540,768 par.* 278,602 in .* 278,400\. Its /);
    await page.tab.focus('.turns a:last-child');
    await page.tab.keyboard.press('Enter');
    await page.tab.waitForSelector('article[aria-label="Step 8 of 12"]');
    expect(await page.tab.evaluate('document.activeElement.textContent')).to.match(/^The answer is/);
  });

  it('doubts show our real lines, and which way the network goes', async () => {
    await page.show('#/doubt', '.doubt');
    const texts = (of: string) => page.tab.$$eval(of, (all) => all.map((one) => one.textContent ?? ''));
    expect((await texts('.ways label:first-child')).slice(0, 2).join()).to.match(/has it: α\/n,.*has it: 1$/);
    expect((await texts('.effect'))[0]).to.contain('Nothing is switched.');
    const all = await texts('.source');
    expect(all).to.have.length(9);
    for (const text of all) {
      const [, path, line, first] = /^(\S+), line (\d+)(.*)/.exec(text)!;
      expect(readFileSync(`${root}/${path}`, 'utf8').split('\n')[Number(line) - 1].trim()).to.equal(
        first.trim(),
      );
    }
  });

  for (const [colorScheme, width, parts, rules] of [
    ['light', 360, 6, []],
    ['dark', 2560, 4, ['color-contrast']],
  ] as const) {
    it(`${colorScheme}, ${width} wide: nothing that axe finds, nothing wider than the window, nothing jumps`, async () => {
      await page.tab.emulateMedia({ colorScheme });
      await page.tab.setViewportSize({ width, height: 900 });
      await page.tab.reload();
      for (const [hash, there] of [
        ['#/walk?layer=conv2', '.slices canvas'],
        ['#/answer', '.nearest data'],
        ['#/doubt?doubt=k.2', '.effect td'],
        ['#/tour?step=4', '.tour .map'],
        ['#/walk?layer=norm1&side=gradient', '.story[data-of="norm1 gradient"]'],
        ['#/input', '.way canvas'],
      ].slice(0, parts)) {
        await page.show(hash, there);
        expect(await page.faults(rules), hash).to.deep.equal([]);
      }
      // what good pages have (web.dev/articles/cls)
      expect(await page.shifted()).to.be.below(0.1);
    });
  }

  it('is small without its weights', () => expect(page.weight).to.be.below(1e6));
});
