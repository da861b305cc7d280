/** The part file of a download: two at once, a kill in the middle, a folder that takes nothing. */

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http, { type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { EnvironmentError } from '../../../lib/errors.ts';
import { type GetWeightsOptions, getWeights } from '../../../lib/weights/get.ts';
import { type PublicSource, publicSources } from '../../../lib/weights/published.ts';
import { type Behaviour, content, serve, serveAll, sha256 } from '../../support/serve.ts';

describe('the part file of a download', () => {
  let folder = '';
  let server: Server;
  let behave: Behaviour = serveAll;
  let ranges: (string | undefined)[] = [];
  before((done) => {
    server = http.createServer((asked, answer) => {
      ranges.push(asked.headers.range);
      behave(asked, answer, ranges.length);
    });
    server.listen(0, '127.0.0.1', done);
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'part-'));
    ranges = [];
    behave = serveAll;
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const source = (): PublicSource => ({
    ...publicSources[0],
    name: 'here',
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/files/weights.bin`,
    bytes: content.length,
    hashes: [{ algorithm: 'sha256', digits: sha256, by: 'this spec' }],
  });
  const fetch = (options: GetWeightsOptions = {}) =>
    getWeights('here', { sources: [source()], folder, pause: 1, env: {}, ...options });

  it('lets two fetch the same weights at once, neither spoiling the other', async () => {
    behave = (asked, answer, count) => serve(asked, answer, count === 1 ? { cut: 250_000 } : {});
    let second: ReturnType<typeof fetch> | undefined;
    // the other one starts while the first has a part on disk, and ends before it
    const progress = (done: number) => {
      if (done > 0) second ??= fetch();
    };
    const first = await fetch({ progress, pause: 300 });
    const both = [first, await second!];
    for (const { path } of both) expect(readFileSync(path).equals(content)).to.equal(true);
    expect(readdirSync(folder)).to.deep.equal(['weights.bin']);
  });

  it('killed in the middle, leaves nothing under the name; the next run takes up what came', async function () {
    this.timeout(180_000);
    const stalled = new Promise<void>((resolve) => {
      behave = (asked, answer) => {
        const { length } = content;
        answer.writeHead(200, { 'content-length': length, etag: '"v1"' });
        answer.write(content.subarray(0, 600_000), () => setTimeout(resolve, 200));
        asked.on('close', () => answer.destroy());
      };
    });
    const script = `const { getWeights } = await import(process.argv[1]);
      const { source, folder } = JSON.parse(process.argv[2]);
      await getWeights('here', { sources: [source], folder, env: {} });`;
    const module = new URL('../../../lib/weights/get.ts', import.meta.url).href;
    const child = spawn(
      process.execPath,
      [
        '--import=tsx',
        '--input-type=module',
        '-e',
        script,
        module,
        JSON.stringify({ source: source(), folder }),
      ],
      { stdio: 'inherit' },
    );
    const ended = new Promise((resolve) => child.on('exit', (_, signal) => resolve(signal)));
    await stalled;
    child.kill('SIGKILL');
    expect(await ended).to.equal('SIGKILL');
    expect(existsSync(join(folder, 'weights.bin'))).to.equal(false);
    expect(readdirSync(folder).filter((name) => name.endsWith('.part')).length).to.equal(1);
    behave = serveAll;
    await fetch();
    expect(Number(/\d+/.exec(ranges.at(-1) ?? '0'))).to.be.within(1, 600_000);
    expect(readFileSync(join(folder, 'weights.bin')).equals(content)).to.equal(true);
    expect(readdirSync(folder)).to.deep.equal(['weights.bin']);
  });

  it('says so where the cache cannot be written', async () => {
    writeFileSync(join(folder, 'file'), '');
    const error = await fetch({ folder: join(folder, 'file', 'below') }).catch((e: Error) => e);
    expect(error).to.be.instanceOf(EnvironmentError);
    expect((error as Error).message).to.match(/below: cannot be written: [^\n]+$/);
  });
});
