import { request } from 'node:http';
import { expect } from 'chai';
import { type Served, serve } from '../../../lib/explain/serve.ts';

describe('the server of the companion', () => {
  let served: Served;
  before(async () => {
    served = await serve('<p>page', new Map([['weights', Uint8Array.of(1, 2, 3)]]));
  });
  after(() => served.close());

  /** Status and body of what is asked for, with headers that fetch() does not let through. */
  const ask = (url: string, options: { method?: string; headers?: Record<string, string> } = {}) =>
    new Promise<{ status: number; body: Buffer }>((resolve, reject) => {
      const asked = request(url, options, (answer) => {
        const pieces: Buffer[] = [];
        answer.on('data', (piece: Buffer) => pieces.push(piece));
        answer.on('end', () => resolve({ status: answer.statusCode!, body: Buffer.concat(pieces) }));
      });
      asked.on('error', reject);
      asked.end();
    });

  it('gives the page and its files, under a name that nobody guesses', async () => {
    expect(served.url).to.match(/^http:\/\/127\.0\.0\.1:\d+\/[\w-]{32}\/$/);
    expect(await ask(served.url)).to.deep.equal({ status: 200, body: Buffer.from('<p>page') });
    expect((await ask(`${served.url}weights`)).body).to.deep.equal(Buffer.from([1, 2, 3]));
    const other = await serve('', new Map());
    expect(new URL(other.url).pathname).not.to.equal(new URL(served.url).pathname);
    await other.close();
  });

  it('gives nothing else', async () => {
    const { origin, host } = new URL(served.url);
    const wrong = ['/', '/weights', '/../package.json', `/${'a'.repeat(32)}/`].map((path) => origin + path);
    for (const url of [...wrong, `${served.url}%2e%2e/`]) {
      const { status, body } = await ask(url);
      expect([status, String(body)], url).to.deep.equal([
        ...[
          403,
          'This address is not that of the run that is here: open the one that `alexnet explain` printed.\n',
        ],
      ]);
    }
    for (const url of [`${served.url}photo`, `${served.url}..%2fpackage.json`, `${served.url}?x`])
      expect((await ask(url)).status, url).to.equal(404);
    // a page elsewhere whose own name was made to lead here
    expect(
      (await ask(served.url, { headers: { host: host.replace('127.0.0.1', 'evil.example') } })).status,
    ).to.equal(404);
    expect((await ask(served.url, { method: 'POST' })).status).to.equal(404);
  });

  it('is gone when it is closed', async () => {
    const other = await serve('', new Map());
    await other.close();
    const error = await ask(other.url).catch((reason: NodeJS.ErrnoException) => reason);
    expect((error as NodeJS.ErrnoException).code).to.equal('ECONNREFUSED');
  });
});
