/** The companion in Chromium: its page as a file, opened without any network, and what is on it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import axe from 'axe-core';
import type { Context } from 'mocha';
import type { Browser, ElementHandle, Page } from 'playwright-core';
import { type ExplainOptions, gather } from '../../lib/explain/gather.ts';
import { pageOf } from '../../lib/explain/page.ts';
import { serve } from '../../lib/explain/serve.ts';
import { companionPage } from '../../scripts/companion.ts';
import { launchChromium } from './chromium.ts';

/** A tab with the page in it. */
export interface Companion {
  readonly tab: Page;
  /** What the console and the network said: nothing, where all is well. */
  readonly complaints: string[];
  /** Shows what a link shows, and waits until it is there. */
  show(hash: string, selector: string): Promise<void>;
  /** Drops the file of that path on the page. */
  drop(file: string): Promise<void>;
  /** What axe finds by these rules (none given: by all), and whether anything is wider than the window. */
  faults(rules: readonly string[]): Promise<string[]>;
  /** How much has jumped since the page was loaded: Chromium's cumulative layout shift. */
  shifted(): Promise<number>;
}

export interface Opened extends Companion {
  /** Bytes of the page without its data. */
  readonly weight: number;
  /** The page as the server has it, in a tab of its own. */
  beside(): Promise<Companion>;
  close(): Promise<void>;
}

export async function openCompanion(test: Context, asked: ExplainOptions = {}): Promise<Opened> {
  const template = await companionPage();
  const folder = mkdtempSync(join(tmpdir(), 'companion-'));
  const file = join(folder, 'page.html');
  writeFileSync(file, pageOf(await gather(asked, 'embedded'), 'embedded', template));
  const browser: Browser = await launchChromium(test);
  const closing: (() => Promise<void>)[] = [];
  return {
    ...(await openTab(browser, pathToFileURL(file).href)),
    weight: Buffer.byteLength(template),
    async beside() {
      const gathered = await gather(asked, 'served');
      const { url, close } = await serve(pageOf(gathered, 'served', template), gathered.files);
      closing.push(close);
      return openTab(browser, url);
    },
    async close() {
      await browser.close();
      for (const close of closing) await close();
      rmSync(folder, { recursive: true });
    },
  };
}

async function openTab(browser: Browser, url: string): Promise<Companion> {
  const offline = url.startsWith('file:');
  const context = await browser.newContext({ offline, viewport: { width: 1280, height: 900 } });
  const tab = await context.newPage();
  tab.setDefaultTimeout(100_000); // where the machine has other work too
  const complaints: string[] = [];
  tab.on('console', (message) => complaints.push(message.text()));
  tab.on('pageerror', ({ message }) => complaints.push(message));
  const own = offline ? 'file:' : url;
  context.on('request', (request) => {
    if (!/^(?:blob|data):/.test(request.url()) && !request.url().startsWith(own))
      complaints.push(request.url());
  });
  await tab.addInitScript(SHIFTS);
  await tab.goto(url);
  return {
    tab,
    complaints,
    async show(hash, selector) {
      await tab.evaluate((next) => {
        (globalThis as unknown as { location: { hash: string } }).location.hash = next;
      }, hash);
      await tab.waitForSelector(selector);
    },
    async drop(file) {
      const input = (await tab.evaluateHandle(inputOfFile)) as unknown as ElementHandle;
      await input.setInputFiles(file);
      const dataTransfer = await tab.evaluateHandle(transferOf, input as object);
      await tab.dispatchEvent('body', 'drop', { dataTransfer });
    },
    async faults(rules) {
      if (!(await tab.evaluate("'axe' in globalThis"))) await tab.evaluate(axe.source);
      const options = rules.length === 0 ? {} : { runOnly: rules };
      return tab.evaluate(`axe.run(${JSON.stringify(options)}).then(${told})`);
    },
    shifted: () => tab.evaluate('shifted'),
  };
}

// these run in the page

const SHIFTS = `shifted = 0;
new PerformanceObserver((list) => {
  for (const { value } of list.getEntries()) shifted += value;
}).observe({ type: 'layout-shift', buffered: true });`;

const told = `({ violations }) => [
  ...violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ target }) => target)),
  ...(document.documentElement.scrollWidth > innerWidth ? ['wider than the window'] : []),
]`;

function inputOfFile(): object {
  const { document } = globalThis as unknown as { document: { createElement(name: string): object } };
  return Object.assign(document.createElement('input'), { type: 'file' });
}

/** What a browser hands over when the file of an input is dropped. */
function transferOf(input: object): object {
  const { DataTransfer } = globalThis as unknown as {
    DataTransfer: new () => { readonly items: { add(file: File): void } };
  };
  const transfer = new DataTransfer();
  transfer.items.add((input as { readonly files: readonly File[] }).files[0]);
  return transfer;
}
