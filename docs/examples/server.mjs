// Classifies the pictures that are sent to it: curl --data-binary @cat.jpg http://localhost:8080
import { createServer } from 'node:http';
import { Classifier, Overloaded } from 'alexnet-oracle';

const { PORT = '8080', WEIGHTS, NETWORK = 'cifar-alexnet', DEVICE = 'auto' } = process.env;
const maxBytes = 8 * 2 ** 20;
const net = await Classifier.open({
  ...{ network: NETWORK, weights: WEIGHTS, device: DEVICE.split(',') },
  ...{ maxBytes, timeoutMs: 10_000, maxCalls: 500 },
});
await net.warmUp();

async function classify(request, signal) {
  if (request.method !== 'POST') return [405, { error: 'POST a JPEG or PNG' }];
  if (request.headers['content-length'] > maxBytes) return [413, { error: `at most ${maxBytes} bytes` }];
  try {
    const [{ guesses, error }] = await net.classify(request, { signal });
    return error ? [400, { error }] : [200, { guesses }];
  } catch (error) {
    if (error instanceof Overloaded) return [503, { error: 'busy: try again in a second' }];
    if (!signal.aborted) console.error(error);
    return [500, { error: 'something is wrong here' }];
  }
}

const server = createServer(async (request, response) => {
  const gone = new AbortController(); // who hangs up calls the picture off
  response.on('close', () => response.writableFinished || gone.abort());
  const [status, answer] = await classify(request, gone.signal);
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(answer)}\n`);
});
server.listen(Number(PORT), () => console.log(`http://localhost:${server.address().port}`));

// takes no more, and ends when what is under way is answered
process.once('SIGTERM', () => {
  server.close(() => net.close());
  server.closeIdleConnections();
});
