/** alexnet explain: the companion, a page in which the network can be seen, touched and doubted. */
import { spawn } from 'node:child_process';
import type { Command } from 'commander';
import type { ExplainOptions } from '../../explain/gather.ts';
import { explain, writePage } from '../../explain/index.ts';
import { megabytes } from '../../report/table.ts';
import { forceOption, jsonOption, weightOptions } from '../options.ts';
import { print, progressBar, tell } from '../output.ts';

interface Options extends ExplainOptions {
  readonly out?: string;
  readonly force?: boolean;
  readonly open: boolean;
  readonly json?: boolean;
}

export function register(program: Command): void {
  const command = program
    .command('explain')
    .description('a page in the browser that shows every value of the network, and where it comes from')
    .argument('[image]', 'a JPEG or PNG file (default: a photo made by the program)');
  weightOptions(command)
    .option('--out <page.html>', 'write one file that needs no server and no network')
    .option('--neighbours <dir>', 'of these pictures the nearest to the photo are shown, as in figure 4')
    .option('--no-open', 'print the address only, do not open the browser')
    .addOption(forceOption())
    .addOption(jsonOption())
    .action(run);
}

async function run(image: string | undefined, { json, out, force, open, ...choice }: Options): Promise<void> {
  const bar = await progressBar('{bar} {value} of {total}, {eta_formatted} left');
  if (out !== undefined) {
    const { notes, ...made } = await writePage(out, {
      image,
      force,
      progress: bar.update,
      ...choice,
    }).finally(bar.stop);
    notes.forEach(tell);
    const what = `${made.network}, weights: ${made.weights}`;
    return print(json, { ...made, url: null }, () => `${out}: ${what}, ${megabytes(made.bytes)}\n`, out);
  }
  const { notes, close, url, ...shown } = await explain({ image, progress: bar.update, ...choice }).finally(
    bar.stop,
  );
  notes.forEach(tell);
  await print(json, { ...shown, file: null, bytes: null, url }, () => `${url}\n`);
  if (!json) tell('open this address in a browser on this machine; Ctrl-C ends');
  if (open) openBrowser(url);
  await interrupted();
  await close();
}

/** By the system's own way; where there is none the address is all. */
function openBrowser(url: string): void {
  const [command, ...args] =
    process.platform === 'win32'
      ? ['cmd', '/c', 'start', '', url]
      : [process.platform === 'darwin' ? 'open' : 'xdg-open', url];
  const child = spawn(command, args, { stdio: 'ignore', detached: true });
  child.on('error', () => {});
  child.unref();
}

const interrupted = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
