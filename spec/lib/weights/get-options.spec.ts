/** What the options of getWeights do, against a server on 127.0.0.1. */
import { mkdtempSync, rmSync } from 'node:fs';
import http, { type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type GetWeightsOptions, getWeights } from '../../../lib/weights/get.ts';
import { publicSources } from '../../../lib/weights/published.ts';
import { type Behaviour, content, serve, serveAll, sha256 } from '../../support/serve.ts';

describe('options of getWeights', () => {
  let folder = '';
  let server: Server;
  let behave: Behaviour = serveAll;
  let log: { readonly range?: string }[] = [];
  beforeEach((done) => {
    folder = mkdtempSync(join(tmpdir(), 'get-'));
    log = [];
    server = http.createServer((asked, answer) => {
      log.push({ range: asked.headers.range });
      behave(asked, answer, log.length);
    });
    server.listen(0, '127.0.0.1', done);
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
    behave = serveAll;
  });

  const fetch = (options: GetWeightsOptions = {}) => {
    const { port } = server.address() as AddressInfo;
    const hashes = [{ algorithm: 'sha256', digits: sha256, by: 'this spec' }] as const;
    const url = `http://127.0.0.1:${port}/files/weights.bin`;
    const here = { ...publicSources[0], name: 'here', url, mirrors: [], bytes: content.length, hashes };
    return getWeights('here', { sources: [here], folder, pause: 1, env: {}, ...options });
  };

  it('downloads again what is in the cache where it must', async () => {
    await fetch();
    expect((await fetch({ force: true })).downloaded).to.equal(true);
    expect(log.length).to.equal(2);
  });

  it('sends the headers that it is given', async () => {
    const seen: unknown[] = [];
    behave = (asked, answer) => {
      seen.push(asked.headers['x-mine']);
      serve(asked, answer);
    };
    await fetch({ headers: { 'x-mine': 'yes' } });
    expect(seen).to.deep.equal(['yes']);
  });

  it('waits before each retry, twice as long each time', async () => {
    const times: number[] = [];
    behave = (_, answer) => {
      times.push(performance.now());
      answer.writeHead(503).end();
    };
    await fetch({ retries: 2, pause: 60 }).then(
      () => expect.fail('it was downloaded'),
      ({ message }) => expect(message).to.match(/answers 503/),
    );
    expect(times).to.have.length(3);
    // a timer of Node may come a millisecond early
    expect(times[1] - times[0]).to.be.within(59, 1000);
    expect(times[2] - times[1]).to.be.above(119);
  });

  it('takes a weak ETag for no promise of the same bytes: without a date it starts afresh', async () => {
    behave = (asked, answer, count) =>
      serve(asked, answer, { etag: 'W/"v1"', cut: count === 1 ? 1000 : Infinity });
    await fetch();
    expect(log.map(({ range }) => range)).to.deep.equal([undefined, undefined]);
  });
});
