/** Debian's headless Chromium, for specs that look at pages. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Context } from 'mocha';
import { type Browser, chromium } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

function executable(): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin'];
  return folders
    .flatMap((folder) => NAMES.map((name) => join(folder, name)))
    .find((file) => existsSync(file));
}

/** A browser that does nothing on its own; the test that asks is skipped, saying so, where there is none. */
export async function launchChromium(test: Context): Promise<Browser> {
  const executablePath = executable();
  if (!executablePath) {
    console.log('      skipped: there is no chromium (Debian: apt-get install chromium)');
    test.skip();
  }
  return chromium.launch({
    executablePath,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
