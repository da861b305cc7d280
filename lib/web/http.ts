/**
 * One request over http or https, with proxies; a GET follows redirects. Node 20's own clients know no proxy
 * variables, so the two ways through a proxy are done here: the absolute address in the request line for http, a
 * CONNECT tunnel for https. Sources: RFC 9110 (redirects, CONNECT), the usual meaning of HTTP_PROXY, HTTPS_PROXY,
 * ALL_PROXY and NO_PROXY.
 */
import http, { type ClientRequest, type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import tls from 'node:tls';

export interface WebOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly env?: NodeJS.ProcessEnv;
  /** Milliseconds in which an answer must begin, and in which it must not bring too little. */
  readonly idle?: number;
}

/** What a POST sends. */
export interface Message {
  readonly body: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A failure that trying again will not mend. */
export class Final extends Error {}

const MOST_REDIRECTS = 5;
const AGENT = 'alexnet-oracle';

/** The answer to the last of at most five redirects; its body is unread. Throws Error in one line. */
export async function get(address: string, options: WebOptions = {}): Promise<IncomingMessage> {
  let url = parse(address);
  for (let hops = 0; hops <= MOST_REDIRECTS; hops++) {
    const answer = await request(url, options);
    const status = answer.statusCode ?? 0;
    const location = answer.headers.location;
    if (![301, 302, 303, 307, 308].includes(status) || !location) return answer;
    answer.destroy();
    const next = parse(location, url);
    if (url.protocol === 'https:' && next.protocol !== 'https:') {
      throw new Final(`redirected from https to ${next.protocol}//${next.host}: refused`);
    }
    url = next;
  }
  throw new Final(`more than ${MOST_REDIRECTS} redirects`);
}

/** The answer to a GET, or with a message to a POST, whatever its status. Its unread body must come within `idle`. */
export async function ask(
  address: string,
  options: WebOptions = {},
  message?: Message,
): Promise<IncomingMessage> {
  const { idle = 120_000 } = options;
  const headers = { ...options.headers, ...message?.headers };
  const answer = await request(parse(address), { ...options, headers, idle }, message?.body);
  const timer = setTimeout(
    () => answer.destroy(new Error(`the answer was not complete after ${idle / 1000} s`)),
    idle,
  );
  answer.once('close', () => clearTimeout(timer));
  return answer;
}

function parse(address: string, base?: URL): URL {
  const url = URL.canParse(address, base?.href) ? new URL(address, base?.href) : null;
  if (!url || !['http:', 'https:'].includes(url.protocol)) {
    throw new Final(`'${address.slice(0, 200)}' is not an http or https address`);
  }
  return url;
}

/** The proxy for an address, or null. */
export function proxyFor(url: URL, env: NodeJS.ProcessEnv = process.env): URL | null {
  const variable = (name: string) => env[name.toLowerCase()] || env[name.toUpperCase()] || '';
  const proxy = variable(`${url.protocol.slice(0, -1)}_proxy`) || variable('all_proxy');
  if (proxy === '') return null;
  for (const entry of variable('no_proxy').split(',')) {
    const [host, port] = entry.trim().toLowerCase().split(':');
    if (host === '' || (port && port !== portOf(url))) continue;
    const suffix = host.replace(/^\*?\./, '');
    if (host === '*' || url.hostname === suffix || url.hostname.endsWith(`.${suffix}`)) return null;
  }
  return parse(proxy.includes('://') ? proxy : `http://${proxy}`);
}

const portOf = (url: URL): string => url.port || (url.protocol === 'https:' ? '443' : '80');

function request(
  url: URL,
  { headers = {}, env, idle = 30_000 }: WebOptions,
  body?: Uint8Array,
): Promise<IncomingMessage> {
  const proxy = proxyFor(url, env);
  const own = { host: url.host, 'user-agent': AGENT, 'accept-encoding': 'identity', ...headers };
  if (!proxy) return send(url, url.pathname + url.search, own, idle, body);
  if (url.protocol === 'http:') return send(proxy, url.href, { ...own, ...authorisation(proxy) }, idle, body);
  return connect(proxy, url, idle).then((socket) => {
    const secured = tls.connect({ socket, servername: url.hostname });
    return send(url, url.pathname + url.search, own, idle, body, secured);
  });
}

function authorisation({ username, password }: URL): Record<string, string> {
  if (username === '') return {};
  const plain = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(plain).toString('base64')}` };
}

function send(
  to: URL,
  path: string,
  headers: Readonly<Record<string, string>>,
  idle: number,
  body?: Uint8Array,
  socket?: tls.TLSSocket,
): Promise<IncomingMessage> {
  const client = to.protocol === 'https:' ? https : http;
  const { hostname, port } = to;
  return new Promise((resolve, reject) => {
    const way = socket ? { createConnection: () => socket } : { agent: false as const };
    const method = body ? 'POST' : 'GET';
    const length = body ? { 'content-length': body.length } : {};
    const asked = client.request(
      { hostname: bare(hostname), port, path, method, headers: { ...headers, ...length }, ...way },
      resolve,
    );
    within(idle, asked, 'no answer').on('error', reject).end(body);
  });
}

/** Gives the request up where its answer is not there in time, whatever trickles in. */
function within(idle: number, asked: ClientRequest, what: string): ClientRequest {
  const timer = setTimeout(() => asked.destroy(new Error(`${what} for ${idle / 1000} s`)), idle);
  for (const event of ['response', 'connect', 'close']) asked.once(event, () => clearTimeout(timer));
  return asked;
}

/** IPv6 addresses without their brackets. */
const bare = (hostname: string): string => hostname.replace(/^\[|\]$/g, '');

/** A tunnel through the proxy. */
function connect(proxy: URL, url: URL, idle: number): Promise<Socket> {
  const target = `${url.hostname}:${portOf(url)}`;
  const client = proxy.protocol === 'https:' ? https : http;
  return new Promise((resolve, reject) => {
    const asked = client.request({
      hostname: bare(proxy.hostname),
      port: proxy.port,
      method: 'CONNECT',
      path: target,
      headers: { host: target, ...authorisation(proxy) },
      agent: false,
    });
    within(idle, asked, 'no answer from the proxy').on('connect', ({ statusCode }, socket) => {
      if (statusCode === 200) resolve(socket);
      else {
        socket.destroy();
        reject(new Error(`the proxy ${proxy.host} answers ${statusCode} to CONNECT`));
      }
    });
    asked.on('error', reject).end();
  });
}
