import { expect } from 'chai';
import type { NumericValue } from '../../../lib/array/value.ts';
import { EnvironmentError, InputError } from '../../../lib/errors.ts';
import { openSession, type Session } from '../../../lib/runtime/session.ts';
import { openEndpoint } from '../../../lib/web/inference.ts';
import { graph, info, modelBytes } from '../../support/onnx.ts';
import { type ServerOptions, serveModel } from '../../support/v2-server.ts';

const float32 = (data: readonly number[], shape: readonly number[]): NumericValue => ({
  dtype: 'float32',
  shape,
  data: Float32Array.from(data),
});
const x = new Map([['x', float32([-1, 2, 3, -4], [2, 2])]]);

describe('the Open Inference Protocol', () => {
  let session: Session;
  before(async () => {
    const nodes = [
      { op: 'Relu', inputs: ['x'], outputs: ['y'] },
      { op: 'Neg', inputs: ['y'], outputs: ['z'] },
    ];
    const bytes = modelBytes(
      graph(
        nodes,
        [info('x', 'float32', ['n', 2])],
        [info('y', 'float32', ['n', 2]), info('z', 'float32', ['n', 2])],
      ),
    );
    session = await openSession(bytes, 'cpu');
  });
  after(() => session.release());

  async function serving<T>(options: ServerOptions, run: (address: string) => Promise<T>): Promise<T> {
    const server = await serveModel(session, options);
    try {
      return await run(server.address);
    } finally {
      server.close();
    }
  }
  const refusal = (options: ServerOptions, path = '/v2/models/net') =>
    serving(options, async (address) => {
      try {
        await (await openEndpoint(`${address}${path}`, { idle: 300 })).infer(x);
      } catch (error) {
        expect(error).to.be.instanceOf(EnvironmentError);
        const { message } = error as Error;
        expect(message).to.match(/^http:\/\/127\.0\.0\.1:\d+(\/v2\/models\/\w+)?: [^\n]+$/);
        return message.replace(/^http:\S+: /, '');
      }
      return 'no error';
    });

  for (const binary of [true, false])
    it(`infers with ${binary ? 'binary tensors' : 'JSON alone'}`, () =>
      serving({ binary, maxBatch: 8 }, async (address) => {
        const { served, infer } = await openEndpoint(`${address}/v2/models/net`);
        expect(served).to.deep.equal({
          name: 'net',
          platform: 'onnxruntime_onnx',
          inputs: [{ name: 'x', dtype: 'float32', shape: [-1, 2] }],
          outputs: ['y', 'z'].map((name) => ({ name, dtype: 'float32', shape: [-1, 2] })),
          maxBatch: 8,
        });
        const { values, milliseconds } = await infer(x);
        expect(values.get('y')).to.deep.equal(float32([0, 2, 3, 0], [2, 2]));
        expect([...values.get('z')!.data].map((v) => Number(v) + 0)).to.deep.equal([0, -2, -3, 0]);
        expect(milliseconds).to.be.within(0, 10_000);
        expect([...(await infer(x, ['z'])).values.keys()]).to.deep.equal(['z']);
      }));

  it('takes the only model of a server whose address names none, and asks where there are several', async () => {
    await serving({}, async (address) => {
      for (const tail of ['', '/', '/v2/models/net/', '/v2/models/net/infer'])
        expect((await openEndpoint(address + tail)).address).to.equal(`${address}/v2/models/net`);
    });
    expect(await refusal({ others: ['resnet'] }, '')).to.equal(
      'the server has 2 models (net, resnet): name one, …/v2/models/net',
    );
  });

  for (const address of [
    'nonsense',
    'ftp://x/v2/models/a',
    'http://localhost:1/v2/model/a',
    'http://localhost:1/v2',
  ])
    it(`refuses the address ${address}`, async () => {
      const error = await openEndpoint(address).catch((e: Error) => e);
      expect(error).to.be.instanceOf(InputError);
    });

  it('says in one line what a bad server does', async () => {
    const onInfer = (
      spoil: (answer: { status: number; headers: Record<string, string>; body: Buffer }) => void,
    ) => ({
      spoil: (answer: Parameters<typeof spoil>[0], path: string) => {
        if (path.endsWith('/infer')) spoil(answer);
      },
    });
    const rewritten = (from: string, to: string) =>
      onInfer((answer) => {
        const head = Number(answer.headers['inference-header-content-length']);
        const json = answer.body.subarray(0, head).toString().replace(from, to);
        answer.headers['inference-header-content-length'] = String(Buffer.byteLength(json));
        answer.body = Buffer.concat([Buffer.from(json), answer.body.subarray(head)]);
      });
    expect(await refusal({ ready: false })).to.equal('the server is not ready (it answers 503)');
    expect(await refusal({}, '/v2/models/other')).to.equal('the server answers 404: unknown');
    expect(await refusal({ maxBatch: 1 })).to.equal('the server answers 400: batch 2 exceeds 1');
    expect(await refusal(rewritten('"shape":[2,2]', '"shape":[2,3]'))).to.equal(
      "the output 'y', FP32 [2,3], has 16 bytes and not 24",
    );
    expect(await refusal(rewritten('"FP32"', '"FP33"'))).to.equal("the output 'y' is FP33 [2,2]");
    expect(await refusal(rewritten('[2,2]', '[-2,1e9]'))).to.equal("the output 'y' is FP32 [-2,1000000000]");
    expect(await refusal(rewritten('"name":"z"', '"name":"y"'))).to.equal("the output 'y' comes twice");
    expect(await refusal(rewritten('"name":"z"', '"name":"w"'))).to.equal("the answer lacks the output 'z'");
    expect(
      await refusal(
        onInfer((answer) => {
          answer.body = Buffer.concat([answer.body, Buffer.from('tail')]);
        }),
      ),
    ).to.equal('the answer has 4 bytes after its outputs');
    expect(
      await refusal(
        onInfer((answer) => {
          answer.body = Buffer.from('<html>');
          answer.headers = {};
        }),
      ),
    ).to.match(/^it answers with something else than JSON/);
    expect(
      await refusal({
        spoil: (answer, path) => {
          if (path === '/v2/models/net') answer.body = Buffer.from('{}');
        },
      }),
    ).to.match(/^its metadata list no inputs or no outputs/);
    const cut = (path: string, response: { destroy(): void }) => {
      if (path.endsWith('/infer')) response.destroy();
      return path.endsWith('/infer');
    };
    expect(await refusal({ instead: cut })).to.match(/socket hang up|ECONNRESET/);
    expect(await refusal({ instead: (path) => path.endsWith('/infer') })).to.equal('no answer for 0.3 s');
    expect(
      await refusal({
        instead: (path, response) => {
          if (!path.endsWith('/infer')) return false;
          response.writeHead(200).write('{');
          return true;
        },
      }),
    ).to.equal('the answer was not complete after 0.3 s');
  });

  it('says that nobody is there', async () => {
    const error = await openEndpoint('http://127.0.0.1:9/v2/models/net').catch((e: Error) => e);
    expect(error).to.be.instanceOf(EnvironmentError);
    expect((error as Error).message).to.match(/^http:\/\/127\.0\.0\.1:9: connect ECONNREFUSED/);
  });
});
