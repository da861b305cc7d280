import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import type { Browser, Page } from 'playwright-core';
import { joined } from '../../export/index.ts';
import { decodeModel, encodeModel } from '../../export/proto.ts';
import { modelOf } from '../../lib/networks/modelfile.ts';
import { type Difference, readBaseline, sinceBaseline } from '../../lib/report/baseline.ts';
import { visible } from '../../lib/report/escape.ts';
import { htmlReport } from '../../lib/report/html.ts';
import { junitXml } from '../../lib/report/junit.ts';
import { verificationJson } from '../../lib/report/reports.ts';
import { type VerifyResult, verify } from '../../lib/verify/index.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import { dense } from '../../reference/tensor.ts';
import { initialise } from '../../reference/training/init.ts';
import { launchChromium } from '../support/chromium.ts';
import { faults } from '../support/faults.ts';
import { narrow } from '../support/models.ts';
import { failed, HOSTILE, row, verification } from '../support/verification.ts';

const source = readFileSync(new URL('../support/inspect.js', import.meta.url), 'utf8');

describe('the HTML report in a browser', () => {
  const network = narrow(networkNamed('bvlc-alexnet'));
  let folder: string;
  let browser: Browser;
  let right: VerifyResult;
  let wrong: VerifyResult;
  let changed: Difference;
  const path = (name: string): string => join(folder, name);

  before(async function () {
    browser = await launchChromium(this);
    folder = mkdtempSync(join(tmpdir(), 'alexnet-'));
    const bytes = joined(
      modelOf(network, initialise(network, 4, 'caffe'), { source: 'seed 4, caffe' }).chunks(),
    );
    writeFileSync(path('right.onnx'), bytes);
    const model = decodeModel(bytes);
    faults.find(({ name }) => name === 'padding on the wrong side')!.plant(model);
    writeFileSync(path('wrong.onnx'), encodeModel(model));
    const options = { network: 'bvlc-alexnet', device: 'cpu' } as const;
    right = await verify({ ...options, model: path('right.onnx') });
    wrong = await verify({ ...options, model: path('wrong.onnx') });
    writeFileSync(path('right.json'), JSON.stringify(verificationJson(right)));
    changed = sinceBaseline(await readBaseline(path('right.json')), wrong);
    writeFileSync(path('right.html'), await htmlReport(right));
    writeFileSync(path('wrong.html'), await htmlReport(wrong, changed));
  });
  after(async () => {
    await browser?.close();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  /** Opens a file and answers what went wrong with it: console messages, errors, requests beyond the file itself. */
  async function open(name: string, width: number, colorScheme: 'light' | 'dark') {
    const page = await browser.newPage({ colorScheme, viewport: { width, height: 800 } });
    const complaints: string[] = [];
    const url = pathToFileURL(path(name)).href;
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => {
      if (request.url() !== url) complaints.push(`request of ${request.url()}`);
    });
    await page.goto(url);
    await ask(page, 'unfold()');
    return { page, complaints };
  }

  /** The answer of one of the functions in spec/support/inspect.js. */
  const ask = <T>(page: Page, call: string): Promise<T> => page.evaluate<T>(`${source}; inspect.${call}`);

  for (const scheme of ['light', 'dark'] as const) {
    for (const width of [400, 1200]) {
      it(`${scheme}, ${width} px: no complaint, no horizontal scrolling, every text can be read`, async () => {
        for (const name of ['right.html', 'wrong.html']) {
          const { page, complaints } = await open(name, width, scheme);
          expect(complaints).to.deep.equal([]);
          expect(await ask(page, 'overflow()')).to.equal(0);
          const { ratio, text } = await ask<{ ratio: number; text: string }>(page, 'contrast()');
          expect(ratio, `contrast of '${text}'`).to.be.at.least(4.5);
          // letters of 11 px in a plot stay above 9 px
          expect(await ask(page, 'scale()')).to.be.at.least(9 / 11);
          await page.close();
        }
      });
    }
  }

  it('shows the verdict, every layer, its plots and its worst elements', async () => {
    const { page } = await open('wrong.html', 1200, 'light');
    expect(await page.locator('.verdict strong').textContent()).to.equal('FAIL');
    // image by image from the logits: the two largest, and how far they are apart
    const logits = wrong.values.oracle.get('fc8')!;
    const [N, K] = logits.shape;
    const leads = Array.from({ length: N }, (_, n) => {
      const z = [...dense(logits).subarray(n * K, (n + 1) * K)];
      const [a, b] = z.map((_, k) => k).sort((j, k) => z[k] - z[j]);
      const where = n > 0 ? ` in image ${n}` : '';
      return `The answer: class ${a} leads ${b} by ${(z[a] - z[b]).toPrecision(3)}${where}, rounding moves that by `;
    });
    const answer = (await page.locator('.verdict p').nth(1).textContent()) ?? '';
    expect(leads).to.include(answer.slice(0, answer.indexOf('rounding moves that by ') + 23));
    expect(answer).to.match(
      /by \d\.\de[-+]\d+ \(one standard error\): the chance that it changes the class is [^ ]+ ?[^ ]+$/,
    );
    expect(await page.title()).to.equal('FAIL: bvlc-alexnet on CPU');
    const names = network.layers.map(({ name }) => name);
    expect(await page.locator('#layers tbody b').allTextContents()).to.deep.equal(names);
    const strip = page.locator('#overview .wide svg');
    for (const name of names) expect(await strip.locator(`text:text-is("${name}")`).count()).to.equal(1);
    const conv2 = page.locator('details[data-layer="conv2"]');
    expect(await conv2.locator('figure svg').count()).to.equal(3);
    expect(await conv2.locator('tbody tr').count()).to.equal(10);
    expect(await page.locator('#runs tbody tr').count()).to.equal(3);
    expect(await page.locator('#why h2').textContent()).to.equal('Why conv2');
    expect(await page.locator('#why li').count()).to.be.at.least(1);
    expect(await page.locator('#devices dt').allTextContents()).to.deep.equal(['CPU']);
    expect(await page.locator('#baseline .fail').first().textContent()).to.match(/layers are less accurate/);
    await page.close();
  });

  it('a heat map of the plane has a cell for each block, in the colour of its error', async () => {
    const { page } = await open('wrong.html', 1200, 'light');
    const paths = page.locator('details[data-layer="conv2"] figure:nth-of-type(3) svg .mark-path path');
    const cells = await paths.evaluateAll((all) =>
      all.map((item) => [item.getAttribute('fill'), (item.getAttribute('d') ?? '').split('M').length - 1]),
    );
    const { overBound } = wrong.layers.find(({ layer }) => layer === 'conv2')!.details!.positions!;
    const beyond = overBound.filter((value) => value > 1).length;
    expect(beyond).to.be.above(0);
    expect(new Map(cells as [string, number][]).get('var(--bad)')).to.equal(beyond);
    await page.close();
  });

  it('hostile names break out of nothing: no script runs, nothing is asked for, XML stays well-formed', async () => {
    const { details } = right.layers[0];
    const { why } = wrong;
    const hostile = verification([{ ...failed(HOSTILE, HOSTILE), details }, row('prob', { details })], {
      network: HOSTILE,
      model: HOSTILE,
      inputSource: '<img src=x onerror=alert(1)>',
      placement: HOSTILE,
      why: why && { ...why, layer: HOSTILE, explanation: { matches: [HOSTILE], tried: 1, known: 1 } },
    });
    const before = { verdict: 'pass', bits: 20, overBound: 0.1 } as const;
    const change = { layer: HOSTILE, before, now: { ...before, bits: 10 }, lost: HOSTILE };
    const difference = { ...changed, file: HOSTILE, layers: [...changed.layers, change] };
    writeFileSync(path('hostile.html'), await htmlReport(hostile, difference));
    const { page, complaints } = await open('hostile.html', 400, 'light');
    expect(complaints).to.deep.equal([]);
    expect(await page.locator('script, img').count()).to.equal(0);
    expect(await ask(page, 'overflow()')).to.equal(0);
    for (const result of [right, wrong, hostile]) {
      const xml = junitXml(result, changed);
      const found = await ask<{ error: string; cases: number; first: string }>(
        page,
        `xml(${JSON.stringify(xml)})`,
      );
      expect(found.error).to.equal('');
      expect(found.cases).to.be.at.least(result.layers.length);
      expect(found.first).to.equal(visible(result.layers[0].layer).replace('\ud800', '\ufffd'));
    }
    await page.close();
  });
});
