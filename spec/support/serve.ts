/** A server of one file, with ranges, an ETag and bad manners as asked. */
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';

export const content = Buffer.from(new Float32Array(250_000).map((_, i) => Math.sqrt(i)).buffer);
export const sha256 = createHash('sha256').update(content).digest('hex');

export type Behaviour = (asked: IncomingMessage, answer: ServerResponse, count: number) => void;

/** Serves `content` with ranges, an ETag and If-Range; stops after `cut` bytes of a body if asked to. */
export function serve(
  asked: IncomingMessage,
  answer: ServerResponse,
  { cut = Infinity, etag = '"v1"', ranges = true, file = content } = {},
) {
  const range = /^bytes=(\d+)-$/.exec(asked.headers.range ?? '');
  const valid = range && ranges && asked.headers['if-range'] === etag;
  const start = valid ? Number(range[1]) : 0;
  if (valid && start >= content.length) {
    answer.writeHead(416, { 'content-range': `bytes */${content.length}` }).end();
    return;
  }
  const head: Record<string, string> = { 'content-length': String(content.length - start), etag };
  if (valid) head['content-range'] = `bytes ${start}-${content.length - 1}/${content.length}`;
  answer.writeHead(valid ? 206 : 200, head);
  const body = file.subarray(start, start + cut);
  if (body.length === content.length - start) answer.end(body);
  else answer.write(body, () => setTimeout(() => answer.destroy(), 20)); // what was sent arrives first
}

export const serveAll: Behaviour = (asked, answer) => serve(asked, answer);
