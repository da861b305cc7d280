/** What is asked of a server that has the model: images a request, types, rows; a stub stands for its session. */
import { expect } from 'chai';
import { fromEndpoint, servedNotes } from '../../../../lib/verify/dump/served.ts';
import { networkNamed } from '../../../../reference/networks/index.ts';
import { tensor } from '../../../../reference/tensor.ts';
import { random } from '../../../support/models.ts';
import { refusal } from '../../../support/onnx.ts';
import { type ServerOptions, serveModel } from '../../../support/v2-server.ts';

const network = networkNamed('cifar10-full');
const side = 32;
type Port = { type?: string; shape?: readonly (number | string)[] };

/** Sums of each image's numbers as 'y', from a server whose input is that. */
async function asked(
  N: number,
  { type = 'float32', shape = ['N', 3, side, side] }: Port = {},
  options: ServerOptions & { batch?: number; repeat?: number; rows?: number; drift?: number } = {},
  pixels?: object,
) {
  const { rows = 0, drift = 0, batch, repeat } = options;
  let runs = 0;
  const session = {
    inputs: [{ name: 'x', type, shape }],
    outputs: [{ name: 'y', type: 'float32', shape: ['N', 1] }],
    async run(feeds: ReadonlyMap<string, { shape: readonly number[]; data: ArrayLike<number> }>) {
      const { shape: given, data } = feeds.get('x')!;
      const size = data.length / given[0];
      const sums = new Float32Array(given[0] + rows).map((_, n) =>
        Array.from(data)
          .slice(n * size, (n + 1) * size)
          .reduce((a, b) => a + b, 0),
      );
      const moved = sums.map((v) => v + drift * runs);
      runs++;
      return new Map([['y', tensor(moved, [sums.length, 1])]]);
    },
  };
  const server = await serveModel(session as never, options);
  try {
    const input = pixels ? undefined : random([N, 3, side, side], 3);
    const found = await fromEndpoint({ network, input: { name: 'x', pixels } } as never, {
      ...{ endpoint: `${server.address}/v2/models/net`, input, batch, repeat },
    });
    return { ...found, seen: server.seen };
  } finally {
    server.close();
  }
}

describe('values of a server', () => {
  it('all images at once; as many as it takes; as many as are asked for', async () => {
    const { seen, served, dump, input } = await asked(5);
    expect([seen, served.images, served.requests, served.maxBatch]).to.deep.equal([[5], 5, 1, null]);
    const { shape, data } = dump.get('y')!;
    expect(shape).to.deep.equal([5, 1]);
    const size = input.data.length / 5;
    for (let n = 0; n < 5; n++) {
      const sum = Array.from(input.data)
        .slice(n * size, (n + 1) * size)
        .reduce((a, b) => a + b);
      expect(data[n], `${n}`).to.equal(Math.fround(sum));
    }
    expect((await asked(5, {}, { maxBatch: 2 })).seen).to.deep.equal([2, 2, 1]);
    expect((await asked(5, {}, { maxBatch: 2, batch: 2 })).seen).to.deep.equal([2, 2, 1]);
    expect((await asked(5, {}, { batch: 3 })).seen).to.deep.equal([3, 2]);
    expect((await asked(2, {}, { repeat: 3 })).served.requests).to.equal(3);
    expect(await refusal(() => asked(5, {}, { maxBatch: 2, batch: 3 }))).to.match(
      /^--batch 3: .* takes 2 images a request at most$/,
    );
  });

  it('outputs that change from one time to the next are named', async () => {
    expect((await asked(2, {}, { repeat: 2 })).unstable).to.deep.equal([]);
    expect((await asked(2, {}, { repeat: 2, drift: 1 })).unstable).to.deep.equal(['y']);
  });

  it('is told in two lines', () => {
    const served = {
      address: 'http://a',
      model: 'net',
      platform: 'p',
      maxBatch: null,
      images: 1,
      milliseconds: 1.2345,
    };
    expect(servedNotes({ ...served, requests: 1 })).to.deep.equal([
      'endpoint: http://a: net (p)',
      'latency: 1.23 ms for 1 image, one request',
    ]);
    expect(servedNotes({ ...served, maxBatch: 8, images: 2, requests: 3 })).to.deep.equal([
      'endpoint: http://a: net (p), 8 images a request at most',
      'latency: 1.23 ms for 2 images, median of 3 requests',
    ]);
  });

  it('a model of a fixed batch gets that many', async () => {
    const of = (n: number) => ({ shape: [n, 3, side, side] });
    expect((await asked(4, of(2))).seen).to.deep.equal([2, 2]);
    expect((await asked(2, of(1))).seen).to.deep.equal([1, 1]);
    expect(await refusal(() => asked(3, of(2)))).to.match(
      /takes 2 images a request: give a multiple of them, not 3$/,
    );
  });

  it('an output that has not one row an image, and an input of another shape or type, are refused', async () => {
    expect(await refusal(() => asked(2, {}, { rows: 1 }))).to.match(
      /its output 'y' is \[3,1\], not one row an image$/,
    );
    const takes = /takes 'x' .*: cifar10-full takes one input, float32 or float16 \[−1,3,32,32\]/;
    expect(await refusal(() => asked(1, { shape: ['N', 3, side, 31] }))).to.match(takes);
    expect(await refusal(() => asked(1, { shape: ['N', 3, side] }))).to.match(takes);
    expect(await refusal(() => asked(1, { type: 'uint8' })))
      .to.match(takes)
      .and.match(/give the file too/);
    const size = { resize: { mode: 'warp', size: side }, crop: { size: side, offset: 'floor' } };
    const pixels = { preprocess: { ...networkNamed('torchvision').preprocess, ...size } };
    expect(await refusal(() => asked(1, { shape: ['N', side, side, 3] }, {}, pixels))).to.match(
      /takes one input, uint8 \[−1,/,
    );
  });
});
