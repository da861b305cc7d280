/** A server of one page on loopback, under a secret name: who does not know the name gets nothing. */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { EnvironmentError } from '../errors.ts';

export interface Served {
  readonly url: string;
  close(): Promise<void>;
}

const LOOPBACK = '127.0.0.1';

const HEADERS = {
  'cache-control': 'no-store',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

/** An address of before, most often: each run has its own. */
const STRANGER =
  'This address is not that of the run that is here: open the one that `alexnet explain` printed.\n';

/** With nosniff, what is no script by its type cannot run as one. */
const typeOf = (name: string): string =>
  name.endsWith('.js') ? 'text/javascript; charset=utf-8' : 'application/octet-stream';

/**
 * Serves the page as http://127.0.0.1:PORT/TOKEN/ and the files beside it. Another host name (a page elsewhere that
 * had its name lead here), another method and a path that is not there get 404; a path without the token, 403 and why.
 */
export async function serve(page: string, files: ReadonlyMap<string, Uint8Array>): Promise<Served> {
  const token = randomBytes(24).toString('base64url');
  const bodies = new Map<string, readonly [type: string, body: string | Uint8Array]>([
    [`/${token}/`, ['text/html; charset=utf-8', page]],
    ...[...files].map(([name, body]) => [`/${token}/${name}`, [typeOf(name), body]] as const),
  ]);
  const server = createServer((asked: IncomingMessage, answer: ServerResponse) => {
    const { port } = server.address() as AddressInfo;
    const found = bodies.get(asked.url ?? '');
    const welcome = asked.method === 'GET' && asked.headers.host === `${LOOPBACK}:${port}`;
    if (welcome && !asked.url?.startsWith(`/${token}/`))
      return void answer
        .writeHead(403, { ...HEADERS, 'content-type': 'text/plain; charset=utf-8' })
        .end(STRANGER);
    if (!found || !welcome) return void answer.writeHead(404, HEADERS).end();
    const [type, body] = found;
    answer.writeHead(200, { ...HEADERS, 'content-type': type, 'content-length': Buffer.byteLength(body) });
    answer.end(body);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new EnvironmentError(`no port on ${LOOPBACK}: ${error.message}`)));
    server.listen(0, LOOPBACK, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${LOOPBACK}:${port}/${token}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
