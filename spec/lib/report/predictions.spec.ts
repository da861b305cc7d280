/** The page of `predict --html` as a browser shows it, of a picture whose crop is known by hand. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import type { Browser } from 'playwright-core';
import { PNG } from 'pngjs';
import type { Predicted } from '../../../lib/classify/predict.ts';
import { predictionsHtml } from '../../../lib/report/predictions.ts';
import { torchvisionPreprocess } from '../../../reference/input/preprocess.ts';
import { launchChromium } from '../../support/chromium.ts';

/** Red, green from column 112 on, blue from 288 on: the central 224 of 256 are columns 112.5 to 287.5 of 400. */
function stripes(): Buffer {
  const png = new PNG({ width: 400, height: 200 });
  for (let i = 0; i < 400 * 200; i++) {
    const stripe = i % 400 < 112 ? 0 : i % 400 < 288 ? 1 : 2;
    png.data.set([0, 0, 0, 255], 4 * i);
    png.data[4 * i + stripe] = 255;
  }
  return PNG.sync.write(png);
}

describe('the page of predict --html', function () {
  this.timeout(60_000);
  const folder = mkdtempSync(join(tmpdir(), 'alexnet-'));
  let browser: Browser | undefined;
  after(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const photo = join(folder, '<i>&.png');
  const gone = join(folder, 'gone.png');
  const guesses = [
    { class: 3, name: 'a <b>cat</b>', probability: 0.75 },
    { class: 1, name: 'dog', probability: 0.125 },
  ];
  const predicted = (views: 1 | 10): Predicted => ({
    ...{ network: 'torchvision', weights: 'w.npz', device: null, preprocess: torchvisionPreprocess, views },
    predictions: [
      { image: photo, guesses },
      { image: gone, guesses },
      { image: 'bad.png', error: 'bad.png: damaged' },
    ],
  });

  it('shows the photo, the outline of the crop, the crop and the classes; nothing breaks out of its place', async function () {
    browser = await launchChromium(this);
    writeFileSync(photo, stripes());
    const page = await browser.newPage({ viewport: { width: 420, height: 800 } });
    const complaints: string[] = [];
    page.on('console', (message) => complaints.push(message.text()));
    const show = async (views: 1 | 10) => {
      writeFileSync(join(folder, 'p.html'), await predictionsHtml(predicted(views), { threads: 1 }));
      await page.goto(pathToFileURL(join(folder, 'p.html')).href);
    };
    await show(1);
    expect(await page.locator('h2').allTextContents()).to.deep.equal([photo, gone, 'bad.png']);
    expect(await page.locator('section:nth-of-type(1) td.name').allTextContents()).to.deep.equal([
      'a <b>cat</b>',
      'dog',
    ]);
    expect(await page.locator('p.fail').allTextContents()).to.deep.equal([
      `${gone}: no such file`,
      'bad.png: damaged',
    ]);
    const shown = await page.evaluate(`(async () => {
      const pixels = async (image) => {
        const drawn = new Image();
        drawn.src = image.getAttribute('href');
        await drawn.decode();
        const canvas = Object.assign(document.createElement('canvas'), { width: drawn.width, height: drawn.height });
        const context = canvas.getContext('2d', { willReadFrequently: true });
        context.drawImage(drawn, 0, 0);
        const row = [3, drawn.width / 2, drawn.width - 4].map((x) => [...context.getImageData(x, drawn.height / 2, 1, 1).data]);
        return { size: [drawn.width, drawn.height], brightest: row.map((rgba) => 'RGB'[rgba.indexOf(Math.max(...rgba.slice(0, 3)))]).join('') };
      };
      const images = [...document.querySelectorAll('image')];
      const outline = document.querySelector('rect');
      return {
        images: await Promise.all(images.map(pixels)),
        outline: ['x', 'y', 'width', 'height'].map((name) => Number(outline.getAttribute(name))),
        bars: [...document.querySelectorAll('section:nth-of-type(1) .bar')].map((bar) => [bar.firstChild, bar].map((box) => box.getBoundingClientRect().width)),
        wider: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      };
    })()`);
    const { images, outline, bars, wider } = shown as {
      images: object[];
      outline: number[];
      bars: [share: number, whole: number][];
      wider: number;
    };
    expect(images).to.deep.equal([
      { size: [400, 200], brightest: 'RGB' },
      { size: [224, 224], brightest: 'GGG' },
    ]);
    expect(outline).to.deep.equal([112.5, 12.5, 175, 175]);
    // the browser lays out in 64ths of a pixel
    for (const [i, { probability }] of guesses.entries())
      expect(bars[i][0]).to.be.closeTo(probability * bars[i][1], 1 / 64);
    expect([wider, complaints]).to.deep.equal([0, []]);
    await show(10);
    // four corners of the central square, columns 100 to 300, and the centre; each drawn twice
    const corners = await page.locator('rect').evaluateAll((all) => all.map((one) => one.getAttribute('x')));
    expect(corners.filter((_, i) => i % 2 === 0)).to.deep.equal([
      ...['100.00', '125.00', '100.00', '125.00', '112.50'],
    ]);
  });
});
