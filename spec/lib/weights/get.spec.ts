/** Downloads from a server on 127.0.0.1 that behaves badly. */

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http, { type Server } from 'node:http';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { expect } from 'chai';
import { EnvironmentError, InputError } from '../../../lib/errors.ts';
import { type GetWeightsOptions, getWeights } from '../../../lib/weights/get.ts';
import { type PublicSource, publicSources } from '../../../lib/weights/published.ts';
import { type Behaviour, content, serve, serveAll, sha256 } from '../../support/serve.ts';

describe('weights get', () => {
  let folder = '';
  let server: Server;
  let origin = '';
  let behave: Behaviour = serveAll;
  let log: { url: string; range?: string }[] = [];
  before((done) => {
    server = http.createServer((asked, answer) => {
      log.push({ url: asked.url ?? '', ...(asked.headers.range ? { range: asked.headers.range } : {}) });
      behave(asked, answer, log.length);
    });
    server.listen(0, '127.0.0.1', () => {
      origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      done();
    });
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'get-'));
    log = [];
    behave = serveAll;
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const source = (changes: Partial<PublicSource> = {}): PublicSource => ({
    ...publicSources[0],
    name: 'here',
    url: `${origin}/files/weights.bin`,
    mirrors: [],
    bytes: content.length,
    hashes: [{ algorithm: 'sha256', digits: sha256, by: 'this spec' }],
    ...changes,
  });
  const fetch = (changes: Partial<PublicSource> = {}, options: GetWeightsOptions = {}) =>
    getWeights('here', { sources: [source(changes)], folder, pause: 1, env: {}, ...options });
  const fails = async (
    reason: RegExp,
    changes: Partial<PublicSource> = {},
    options: GetWeightsOptions = {},
  ) => {
    const error = (await fetch(changes, options).catch((e: Error) => e)) as Error;
    expect(error).to.be.instanceOf(EnvironmentError);
    expect(error.message)
      .to.match(reason)
      .and.match(/^[^\n]+$/);
    expect(existsSync(join(folder, 'weights.bin'))).to.equal(false);
  };

  it('downloads once, with progress, and then takes what is in the cache', async () => {
    const seen: [number, number | null][] = [];
    const { path, downloaded } = await fetch({}, { progress: (done, total) => seen.push([done, total]) });
    expect(downloaded).to.equal(true);
    expect(readFileSync(path).equals(content)).to.equal(true);
    expect(seen[0]).to.deep.equal([0, content.length]);
    expect(seen.at(-1)).to.deep.equal([content.length, content.length]);
    expect(readdirSync(folder)).to.deep.equal(['weights.bin']);
    expect((await fetch()).downloaded).to.equal(false);
    expect(log.length).to.equal(1);
  });

  it('takes up a connection that is cut again and again where it was cut', async () => {
    behave = (asked, answer, count) => serve(asked, answer, count <= 3 ? { cut: 250_000 } : {});
    await fetch();
    const starts = log.map(({ range }) => Number(/\d+/.exec(range ?? '0')));
    expect(starts.length).to.equal(4);
    for (const [i, start] of starts.entries()) {
      expect(start).to.be.within(i === 0 ? 0 : starts[i - 1] + 1, 250_000 * i);
    }
    expect(readFileSync(join(folder, 'weights.bin')).equals(content)).to.equal(true);
  });

  it('takes up in a later run what an earlier one left, and starts afresh if the file has changed since', async () => {
    behave = (asked, answer) => serve(asked, answer, { cut: 300_000 });
    await fails(/download failed/, {}, { retries: 0 });
    behave = serveAll;
    await fetch();
    expect(Number(/\d+/.exec(log.at(-1)?.range ?? '0'))).to.be.within(1, 300_000);
    rmSync(join(folder, 'weights.bin'));
    const old = Buffer.alloc(content.length, 7);
    behave = (asked, answer) => serve(asked, answer, { cut: 300_000, etag: '"old"', file: old });
    await fails(/download failed/, {}, { retries: 0 });
    behave = serveAll; // If-Range "old" fails: 200 from the start
    await fetch();
    expect(readFileSync(join(folder, 'weights.bin')).equals(content)).to.equal(true);
  });

  it('starts afresh where the server knows no ranges', async () => {
    behave = (asked, answer, count) =>
      serve(asked, answer, { ranges: false, ...(count === 1 ? { cut: 400_000 } : {}) });
    await fetch();
    expect(readFileSync(join(folder, 'weights.bin')).equals(content)).to.equal(true);
  });

  it('gives up after the retries, keeping what came under another name', async () => {
    behave = (asked, answer) => serve(asked, answer, { cut: 1000 });
    await fails(/weights.bin: download failed/, {}, { retries: 2 });
    expect(log.length).to.equal(3);
    for (const name of readdirSync(folder)) expect(name).to.match(/^weights\.bin\.\d+-\d+\.part(\.etag)?$/);
    expect(readdirSync(folder).length).to.equal(2);
  });

  it('refuses wrong bytes of the right length, and keeps nothing of them', async () => {
    behave = (_, answer) => {
      const wrong = Buffer.from(content);
      wrong[500_000] ^= 1;
      answer.writeHead(200, { 'content-length': wrong.length, etag: '"x"' }).end(wrong);
    };
    await fails(/what came is not the file: 1000000 bytes, sha256 [0-9a-f]{64}, published [0-9a-f]{64}/);
    expect(readdirSync(folder)).to.deep.equal([]);
  });

  it('takes every published checksum to hold', async () => {
    const sha1 = createHash('sha1').update(content).digest('hex');
    const right = { algorithm: 'sha256', digits: sha256, by: '' } as const;
    await fails(/sha1 [0-9a-f]{40}, published 00/, {
      hashes: [right, { algorithm: 'sha1', digits: '0'.repeat(40), by: '' }],
    });
    await fetch({ hashes: [right, { algorithm: 'sha1', digits: sha1, by: '' }] });
  });

  it('checks a published prefix', async () => {
    await fetch({ hashes: [{ algorithm: 'sha256', digits: sha256.slice(0, 8), by: '' }] });
    rmSync(join(folder, 'weights.bin'));
    await fails(/published 00000000/, { hashes: [{ algorithm: 'sha256', digits: '00000000', by: '' }] });
  });

  it('refuses another length than the published, an endless body, and an error page', async () => {
    await fails(/the server has 1000000 bytes, 999 are published/, { bytes: 999 });
    behave = (_, answer) => {
      answer.writeHead(200);
      const more = () => answer.write(content, () => !answer.destroyed && setImmediate(more));
      more();
    };
    await fails(/sends more than the file has/);
    behave = (_, answer) => answer.writeHead(404).end('no');
    await fails(/the server answers 404/);
    expect(log.filter(({ url }) => url.endsWith('.bin')).length).to.equal(3); // no retry mends these
  });

  it('asks the mirrors in their order where the first address fails or has another file, and names all in the end', async () => {
    const mirrors = [`${origin}/second.bin`, `${origin}/third.bin`, `${origin}/fourth.bin`];
    behave = (asked, answer) => {
      if (asked.url === '/files/weights.bin') answer.writeHead(404).end();
      else if (asked.url === '/second.bin') serve(asked, answer, { file: Buffer.alloc(content.length, 7) });
      else serve(asked, answer);
    };
    const { path } = await fetch({ mirrors });
    expect(log.map(({ url }) => url)).to.deep.equal(['/files/weights.bin', '/second.bin', '/third.bin']);
    expect(readFileSync(path).equals(content)).to.equal(true);
    expect(readdirSync(folder)).to.deep.equal(['weights.bin']);
    rmSync(path);
    behave = (_, answer) => answer.writeHead(410).end();
    await fails(
      /weights\.bin: download failed: .*; .*second.bin: .*; .*third.bin: .*; .*fourth.bin: .* 410$/,
      {
        mirrors,
      },
    );
  });

  it('takes up at a mirror what the first address sent only if it is the same file by its ETag', async () => {
    const mirrors = [`${origin}/mirror.bin`];
    const first = '/files/weights.bin';
    const cut = { cut: 300_000, etag: '"first"', file: Buffer.alloc(content.length, 7) };
    behave = (asked, answer) => serve(asked, answer, asked.url === first ? cut : {});
    const { path } = await fetch({ mirrors }, { retries: 0 });
    expect(readFileSync(path).equals(content)).to.equal(true);
    expect(log.map(({ url }) => url)).to.deep.equal([first, '/mirror.bin']);
  });

  it('tries again after a 503, and where the server closes before it answers', async () => {
    behave = (asked, answer, count) => {
      if (count === 1) answer.writeHead(503).end();
      else if (count === 2) asked.socket.destroy();
      else serve(asked, answer);
    };
    await fetch();
    expect(log.length).to.equal(3);
  });

  it('gives up a connection on which nothing arrives', async () => {
    behave = (_, answer) => void answer.writeHead(200, { 'content-length': 1e6 }).write('x');
    await fails(/nothing arrived for 0.05 s/, {}, { idle: 50, retries: 0 });
    behave = () => {};
    await fails(/no answer for 0.05 s/, {}, { idle: 50, retries: 0 });
  });

  it('gives up a server that sends a byte now and then, in its answer or before it', async () => {
    const drip = (to: Writable, text: string) => {
      const timer = setInterval(() => to.write(text), 10);
      to.on('error', () => {}).on('close', () => clearInterval(timer));
    };
    behave = (_, answer) => drip(answer.writeHead(200, { 'content-length': 1e6 }), 'x');
    await fails(/\d+ bytes in 0.1 s are too few/, {}, { idle: 100, retries: 0 });
    behave = ({ socket }) => drip(socket, 'HTTP/1.1 100 Continue\r\n\r\n');
    await fails(/no answer for 0.1 s/, {}, { idle: 100, retries: 0 });
  });

  it('downloads again what lies in the cache under the right name and is another file', async () => {
    for (const other of [content.subarray(1), Buffer.from(content).fill(7, 500, 501)]) {
      const { path } = await fetch({}, { force: true });
      writeFileSync(path, other);
      const offline = await fetch({}, { offline: true }).catch((e: Error) => e);
      expect((offline as Error).message).to.match(/weights\.bin: \d+ bytes, .*published .*--offline forbids/);
      expect((await fetch()).downloaded).to.equal(true);
      expect(readFileSync(path).equals(content)).to.equal(true);
    }
  });

  it('follows redirects, relative ones too, but not for ever and to no other scheme', async () => {
    behave = (asked, answer) => {
      if (asked.url === '/files/weights.bin') answer.writeHead(302, { location: `${origin}/a` }).end();
      else if (asked.url === '/a') answer.writeHead(307, { location: '../b/c' }).end();
      else serve(asked, answer);
    };
    await fetch();
    expect(log.map(({ url }) => url)).to.deep.equal(['/files/weights.bin', '/a', '/b/c']);
    rmSync(join(folder, 'weights.bin'));
    behave = (_, answer) => answer.writeHead(301, { location: '/again' }).end();
    log = [];
    await fails(/more than 5 redirects/, {}, { retries: 3 });
    expect(log.length).to.equal(6); // once: another try would be as hopeless
    behave = (_, answer) => answer.writeHead(301, { location: 'file:///etc/passwd' }).end();
    await fails(/not an http or https address/, {}, { retries: 3 });
    expect(log.length).to.equal(7);
  });

  it('says what there is for an unknown name, and that --offline forbids the download', async () => {
    const unknown = await getWeights('nope').catch((e: Error) => e);
    expect(unknown).to.be.instanceOf(InputError);
    expect((unknown as Error).message).to.match(/one of torchvision, bvlc-alexnet/);
    const offline = await fetch({}, { offline: true }).catch((e: Error) => e);
    expect((offline as Error).message).to.match(/--offline forbids/);
    expect(log).to.deep.equal([]);
    await fetch();
    expect((await fetch({}, { offline: true })).downloaded).to.equal(false);
  });

  it('goes through the proxy that http_proxy names, with its password, and past it for no_proxy', async () => {
    const seen: string[] = [];
    const proxy = http.createServer((asked, answer) => {
      seen.push(`${asked.headers['proxy-authorization']} ${asked.url}`);
      serve(asked, answer);
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const address = `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    try {
      await fetch(
        { url: 'http://weights.invalid/w/weights.bin' },
        { env: { http_proxy: `http://me:s%20x@${address}` } },
      );
      expect(seen).to.deep.equal([
        `Basic ${Buffer.from('me:s x').toString('base64')} http://weights.invalid/w/weights.bin`,
      ]);
      rmSync(join(folder, 'weights.bin'));
      await fetch({}, { env: { HTTP_PROXY: address, NO_PROXY: 'example.org, 127.0.0.1' } });
      expect(seen.length).to.equal(1);
    } finally {
      proxy.closeAllConnections();
      proxy.close();
    }
  });

  it('tunnels https through the proxy, and says so when the proxy refuses', async function () {
    const key = join(folder, 'key.pem');
    const cert = join(folder, 'cert.pem');
    const words = [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-subj',
      '/CN=weights.invalid',
      '-days',
      '2',
    ];
    if (spawnSync('openssl', [...words, '-keyout', key, '-out', cert]).status !== 0) {
      console.log('    skipped: no openssl to make a certificate');
      return this.skip();
    }
    let plain = '';
    const secure = https.createServer(
      { key: readFileSync(key), cert: readFileSync(cert) },
      (asked, answer) => {
        if (plain !== '') answer.writeHead(302, { location: plain }).end();
        else serve(asked, answer);
      },
    );
    await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve));
    const targets: string[] = [];
    let allow = true;
    const proxy = http.createServer();
    proxy.on('connect', (asked, socket) => {
      targets.push(asked.url ?? '');
      if (!allow) return socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
      const way = net.connect((secure.address() as AddressInfo).port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        way.pipe(socket).pipe(way);
      });
      way.on('error', () => socket.destroy());
      socket.on('error', () => way.destroy());
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const env = { https_proxy: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` };
    const url = 'https://weights.invalid/weights.bin';
    const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    try {
      await fails(/download failed: .*(self.signed|certificate)/, { url }, { env, retries: 0 });
      process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
      await fetch({ url }, { env });
      expect(readFileSync(join(folder, 'weights.bin')).equals(content)).to.equal(true);
      expect(targets.every((target) => target === 'weights.invalid:443')).to.equal(true);
      rmSync(join(folder, 'weights.bin'));
      plain = `${origin}/files/weights.bin`;
      await fails(/redirected from https to http:.*: refused/, { url }, { env, retries: 0 });
      plain = '';
      allow = false;
      await fails(/the proxy 127.0.0.1:\d+ answers 403 to CONNECT/, { url }, { env, retries: 0 });
    } finally {
      if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
      secure.closeAllConnections();
      secure.close();
      proxy.close();
    }
  });
});
