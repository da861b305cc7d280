/** The companion in Chromium: its page as a file, opened without any network, and what is on it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Context } from 'mocha';
import type { Browser, Page } from 'playwright-core';
import { gather } from '../../lib/explain/gather.ts';
import { pageOf } from '../../lib/explain/page.ts';
import type { Choice } from '../../lib/networks/resolve.ts';
import { companionPage } from '../../scripts/companion.ts';
import { launchChromium } from './chromium.ts';

export interface Companion {
  readonly tab: Page;
  /** What the console and the network said: nothing, where all is well. */
  readonly complaints: string[];
  /** Bytes of the page without its data. */
  readonly weight: number;
  /** Shows what a link shows, and waits until it is there. */
  show(hash: string, selector: string): Promise<void>;
  /** Drops a file on the page. */
  drop(name: string, bytes: Buffer): Promise<void>;
  /** The number in an element: the text that a reader sees. */
  number(selector: string): Promise<number>;
  close(): Promise<void>;
}

export async function openCompanion(test: Context, choice: Choice = {}): Promise<Companion> {
  const template = await companionPage();
  const html = pageOf(await gather(undefined, choice, 'embedded'), 'embedded', template);
  const folder = mkdtempSync(join(tmpdir(), 'companion-'));
  const file = join(folder, 'page.html');
  writeFileSync(file, html);
  const browser: Browser = await launchChromium(test);
  const context = await browser.newContext({ offline: true, viewport: { width: 1280, height: 900 } });
  const tab = await context.newPage();
  tab.setDefaultTimeout(100_000); // where the machine has other work too
  const complaints: string[] = [];
  tab.on('console', (message) => complaints.push(message.text()));
  tab.on('pageerror', ({ message }) => complaints.push(message));
  tab.on('request', (request) => {
    if (!/^(?:file|blob|data):/.test(request.url())) complaints.push(request.url());
  });
  const url = pathToFileURL(file).href;
  await tab.goto(url);
  return {
    tab,
    complaints,
    weight: Buffer.byteLength(template),
    async show(hash, selector) {
      await tab.evaluate((next) => {
        (globalThis as unknown as { location: { hash: string } }).location.hash = next;
      }, hash);
      await tab.waitForSelector(selector);
    },
    async drop(name, bytes) {
      const given = { name, base64: bytes.toString('base64') };
      const dataTransfer = await tab.evaluateHandle(transferOf, given);
      await tab.dispatchEvent('body', 'drop', { dataTransfer });
    },
    number: async (selector) => Number(await tab.textContent(selector)),
    async close() {
      await browser.close();
      rmSync(folder, { recursive: true });
    },
  };
}

/** What a browser hands over when a file is dropped; runs in the page. */
function transferOf({ name, base64 }: { readonly name: string; readonly base64: string }) {
  const { DataTransfer } = globalThis as unknown as {
    DataTransfer: new () => { readonly items: { add(file: File): void } };
  };
  const transfer = new DataTransfer();
  transfer.items.add(new File([Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))], name));
  return transfer;
}
