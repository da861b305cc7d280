/** The server that docs/applications.md shows, from its file, and what it does under load and when it is wronged. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { bulkMemory, loadServer } from '../../bench/load.ts';
import { built } from '../support/child.ts';

const file = new URL('../../docs/examples/server.mjs', import.meta.url);

describe('docs/examples/server.mjs', function () {
  this.timeout(120_000);
  before(() => built()); // it is the package that it imports

  it('is what the document shows, in some forty lines', () => {
    const text = readFileSync(file, 'utf8');
    const page = readFileSync(new URL('../../docs/applications.md', import.meta.url), 'utf8');
    expect(page).to.include(`<!-- server -->\n\`\`\`js\n${text}\`\`\`\n<!-- end -->`);
    expect(text.split('\n').length).to.be.at.most(45);
  });

  it('gives twenty clients the right answers', async () => {
    const { perSecond, latency, delay } = await loadServer(20, 100);
    expect(perSecond).to.be.above(20);
    expect(latency.median).to.be.within(1, latency.p99);
    expect(delay.p99).to.be.within(1, delay.most);
  });

  it('says in one line what is wrong with a request, and finishes those that are there when it is to end', async () => {
    const server = fork(fileURLToPath(file), {
      env: { ...process.env, PORT: '0', DEVICE: 'cpu' },
      execArgv: [],
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    server.channel!.unref();
    const [said] = await once(server.stdout!, 'data');
    const send = (method: string, body: Uint8Array | string, length = body.length) => {
      const asked = request(String(said).trim(), { method, headers: { 'content-length': length } });
      const answer = once(asked, 'response').then(async ([response]) => {
        let text = '';
        for await (const piece of response.setEncoding('utf8')) text += piece;
        return [response.statusCode, JSON.parse(text)];
      });
      return { asked, answer };
    };
    const answerTo = (method: string, body: string) => {
      const { asked, answer } = send(method, body);
      asked.end(body);
      return answer;
    };
    expect(await answerTo('GET', '')).to.deep.equal([405, { error: 'POST a JPEG or PNG' }]);
    expect(await answerTo('POST', 'none')).to.deep.equal([
      400,
      { error: 'the picture: not a picture: JPEG and PNG can be read' },
    ]);
    const large = send('POST', '', 2 ** 24);
    large.asked.flushHeaders();
    expect(await large.answer).to.deep.equal([413, { error: 'at most 8388608 bytes' }]);
    large.asked.on('error', () => {}).destroy();
    const gone = send('POST', '', 100);
    gone.answer.catch(() => {});
    gone.asked.write('half');
    await new Promise((resolve) => setTimeout(resolve, 50));
    gone.asked.destroy();
    const picture = readFileSync(new URL('../../fixtures/image/grey8.png', import.meta.url));
    const last = send('POST', picture);
    last.asked.write(picture.subarray(0, 20));
    await new Promise((resolve) => setTimeout(resolve, 50));
    const ended = once(server, 'exit');
    server.kill('SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 50));
    last.asked.end(picture.subarray(20));
    const [status, { guesses }] = await last.answer;
    expect([status, guesses.length]).to.deep.equal([200, 5]);
    expect(await ended).to.deep.equal([0, null]);
  });

  it('predict --out: a line a picture, and memory is told', async () => {
    for (const bytes of await bulkMemory(660, 300)) expect(bytes).to.be.within(50e6, 2e9);
  });
});
