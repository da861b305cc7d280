/** `verify --endpoint`: what a server of the Open Inference Protocol computes, judged layer by layer. */
import { expect } from 'chai';
import { intermediates, joined } from '../../export/index.ts';
import { exportOnnx, verify } from '../../lib/index.ts';
import { modelOf } from '../../lib/networks/modelfile.ts';
import { openSession, type Session } from '../../lib/runtime/session.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import { commandLines, narrowWeights } from '../support/command-lines.ts';
import { narrow, random, randomWeights } from '../support/models.ts';
import { type ServerOptions, serveModel } from '../support/v2-server.ts';

const full = networkNamed('cifar-alexnet');
const network = narrow(full);
const weights = randomWeights(network, 5);

describe('verify --endpoint', () => {
  const { path, json, run } = commandLines();
  let tapped: Session;
  let plain: Session;
  before(async () => {
    await narrowWeights(path('w.npz'), full, 5);
    const { model, chunks } = modelOf(network, weights, { source: 'spec', passing: true });
    const bytes = joined(chunks());
    tapped = await openSession(bytes, 'cpu', { taps: intermediates(model.graph!) });
    plain = await openSession(bytes, 'cpu');
  });
  after(async () => {
    await tapped.release();
    await plain.release();
  });

  async function serving<T>(
    session: Session,
    options: ServerOptions,
    use: (endpoint: string, seen: readonly number[]) => Promise<T>,
  ): Promise<T> {
    const server = await serveModel(session, options);
    try {
      return await use(`${server.address}/v2/models/net`, server.seen);
    } finally {
      server.close();
    }
  }
  const LINE = 'verify --network cifar-alexnet --weights w.npz --endpoint';

  it('every layer of a tapped model, the server named, its latency told', () =>
    serving(tapped, {}, async (endpoint) => {
      const { verdict, layers, served, runs, device } = await json(`${LINE} ${endpoint}`);
      expect([verdict, device, runs.length]).to.deep.equal(['pass', 'other', 1]);
      expect(layers.map(({ layer }: { layer: string }) => layer)).to.deep.equal(
        network.layers.map(({ name }) => name),
      );
      const { milliseconds, ...about } = served;
      expect(about).to.deep.equal({
        ...{ address: endpoint, model: 'net', platform: 'onnxruntime_onnx' },
        ...{ maxBatch: null, images: 1, requests: 1 },
      });
      expect(milliseconds).to.be.within(0, 60_000);
    }));

  it('the outputs that there are, each with what leads to it', () =>
    serving(plain, { binary: false }, async (endpoint) => {
      const { verdict, layers } = await verify({ network, weights, endpoint });
      expect(verdict).to.equal('pass');
      const judged = layers.filter(({ introduced }) => introduced);
      expect(judged.map(({ layer }) => layer)).to.deep.equal([network.layers.at(-1)!.name]);
    }));

  it('no more images a request than the server takes, all of them judged', () =>
    serving(tapped, { maxBatch: 2 }, async (endpoint, seen) => {
      const input = random([5, ...network.input], 3, 100);
      const result = await verify({ network, weights, endpoint, input });
      expect([result.verdict, result.served?.images, result.served?.maxBatch]).to.deep.equal(['pass', 2, 2]);
      expect(seen).to.deep.equal([2, 2, 1]);
      expect(result.input).to.deep.equal([5, ...network.input]);
      const { err, status } = await run(`${LINE} ${endpoint} --batch 3`);
      expect([status, err]).to.deep.equal([
        2,
        `alexnet: --batch 3: ${endpoint} takes 2 images a request at most\n`,
      ]);
    }));

  it('a value that is wrong in one image, and a server that does not repeat itself', async () => {
    let requests = 0;
    const spoil: ServerOptions['spoil'] = (answer, path) => {
      if (!path.endsWith('/infer') || ++requests < 2) return;
      const head = Number(answer.headers['inference-header-content-length']);
      const { outputs } = JSON.parse(answer.body.subarray(0, head).toString());
      let at = head;
      for (const { name, parameters } of outputs) {
        const size = parameters.binary_data_size;
        if (name === 'norm1')
          answer.body.writeFloatLE(answer.body.readFloatLE(at + size - 4) + 1, at + size - 4);
        at += size;
      }
    };
    await serving(tapped, { spoil, maxBatch: 1 }, async (endpoint) => {
      const input = random([2, ...network.input], 3, 100);
      const { verdict, first, layers } = await verify({ network, weights, endpoint, input });
      expect([verdict, first]).to.deep.equal(['fail', 'norm1']);
      expect(layers.find(({ layer }) => layer === 'norm1')!.reason).to.match(/^image 1: /);
    });
    requests = 0;
    await serving(tapped, { spoil }, async (endpoint) => {
      const { runs, served } = await json(`${LINE} ${endpoint} --repeat 2`);
      expect(runs[0].unstable).to.deep.equal(['norm1']);
      expect(served.requests).to.equal(2);
    });
  });

  it('other weights behind the server are seen', () =>
    serving(tapped, {}, async (endpoint) => {
      const { verdict, first } = await verify({ network, weights: randomWeights(network, 6), endpoint });
      expect([verdict, first]).to.deep.equal(['fail', 'conv1']);
    }));

  it('exit 3 in one line for a server that fails, 2 for what does not fit', async () => {
    await serving(tapped, { ready: false }, async (endpoint) => {
      const { status, err } = await run(`${LINE} ${endpoint}`);
      expect([status, err]).to.deep.equal([
        3,
        `alexnet: ${new URL(endpoint).origin}: the server is not ready (it answers 503)\n`,
      ]);
    });
    await serving(tapped, {}, async (endpoint) => {
      const other = await run(`verify --network cifar10-full --endpoint ${endpoint}`);
      expect(other.status).to.equal(2);
      expect(other.err).to.contain("takes 'input' float32 [-1,3,28,28]: cifar10-full takes one input");
      const both = await run(`${LINE} ${endpoint} --values w.npz`);
      expect([both.status, both.err]).to.deep.equal([
        2,
        'alexnet: --values and --endpoint: values come from one of them, leave the other out\n',
      ]);
    });
  });

  it('a model file says the names', async () => {
    await exportOnnx(path('m.onnx'), { network, weights });
    await serving(tapped, {}, async (endpoint) => {
      const { verdict, model } = await json(`verify m.onnx --endpoint ${endpoint}`);
      expect([verdict, model]).to.deep.equal(['pass', 'm.onnx']);
    });
  });
});
