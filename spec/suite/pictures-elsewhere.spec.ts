/** Files that take pictures, run by somebody else: a server (`--endpoint`), or a dump of their values (`--values`). */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { intermediates, joined } from '../../export/index.ts';
import { decodeModel, encodeModel } from '../../export/proto.ts';
import type { NumericValue } from '../../lib/array/value.ts';
import { type VerifyOptions, verify } from '../../lib/index.ts';
import { modelOf } from '../../lib/networks/modelfile.ts';
import { openSession } from '../../lib/runtime/session.ts';
import { fromSession } from '../../lib/runtime/values.ts';
import { saveRun } from '../../lib/verify/save.ts';
import { pictureSide, pixelSteps } from '../../reference/input/pixels.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import { tensor } from '../../reference/tensor.ts';
import { asSmallAsCifar, narrow, random, randomWeights } from '../support/models.ts';
import { writeNpz } from '../support/tensor-bytes.ts';
import { type ServerOptions, serveModel } from '../support/v2-server.ts';

/** The last number of an answer as half of what it is. */
const halved: ServerOptions['spoil'] = ({ body }, path) => {
  if (!path.endsWith('/infer')) return;
  const at = body.length - 4;
  body.writeFloatLE(body.readFloatLE(at) / 2, at);
};

const once = <T>(make: () => T): (() => T) => {
  let made: T | undefined;
  return () => (made ??= make());
};

const cases = [
  { name: 'torchvision', views: 1 },
  { name: 'cifar-alexnet', views: 10 },
  { name: 'cifar-alexnet', views: 10, resize: true },
] as const;

for (const { name, views, ...how } of cases) {
  const resize = 'resize' in how;
  const title = `${name}, ${views} view(s), of pictures${resize ? ' of any size' : ''}, computed elsewhere`;
  describe(title, function () {
    this.timeout(60_000);
    const folder = mkdtempSync(join(tmpdir(), 'alexnet-elsewhere-'));
    after(() => rmSync(folder, { recursive: true }));
    const network = asSmallAsCifar(networkNamed(name), narrow(networkNamed('cifar-alexnet')));
    const model = join(folder, 'm.onnx');
    const form = { source: 'a spec', input: 'uint8', views, resize } as const;
    const bytes = joined(modelOf(network, randomWeights(network, 3), form).chunks());
    writeFileSync(model, bytes);
    const side = pictureSide({ preprocess: network.preprocess, views });
    const shape = resize ? [2, 41, 54, 3] : [2, side, side, 3];
    const noise = random(shape, 9, 1);
    const pictures = Uint8Array.from(noise.data as Float32Array, (v) => Math.floor((v + 1) * 128));
    const image: NumericValue = { dtype: 'uint8', shape, data: pictures };
    const pictured = () => tensor(Float32Array.from(pictures), image.shape);
    const pixels = { preprocess: network.preprocess, views, resize };
    const steps = pixelSteps(pixels).map(({ kind }) => `image/${kind}`);
    const last = views === 10 ? 'probabilities' : network.layers.at(-1)!.name;

    /** The file with a mean that is one hundredth of a deviation off. */
    const shifted = once((): Uint8Array => {
      const wrong = decodeModel(bytes);
      const by = wrong.graph!.initializer.find((tensor) => tensor.name === 'image/mean/by')!;
      const mean = new Float32Array(Uint8Array.from(by.rawData!).buffer);
      by.rawData = new Uint8Array(mean.map((v, c) => v * (c === 1 ? 1.01 : 1)).buffer);
      return encodeModel(wrong);
    });
    const inBytes = resize ? ['columns', 'rows', 'crop'].map((kind) => `image/${kind}`) : [];
    const sessionOf = (of: Uint8Array, isTapped = true) =>
      openSession(
        of,
        'cpu',
        isTapped ? { taps: [...inBytes, ...intermediates(decodeModel(of).graph!)] } : {},
      );

    async function served(
      of: Uint8Array,
      isTapped: boolean,
      options: VerifyOptions = {},
      how: ServerOptions = {},
    ) {
      const session = await sessionOf(of, isTapped);
      const server = await serveModel(session, how);
      try {
        return await verify({ model, endpoint: `${server.address}/v2/models/net`, ...options });
      } finally {
        server.close();
        await session.release();
      }
    }

    const computed = new Map<Uint8Array, ReadonlyMap<string, NumericValue>>();
    async function valuesOf(of: Uint8Array): Promise<ReadonlyMap<string, NumericValue>> {
      const known = computed.get(of);
      if (known) return known;
      const session = await sessionOf(of);
      const found = await session.run(new Map([['image', image]]));
      await session.release();
      const values = new Map<string, NumericValue>([['image', image]]);
      for (const [key, value] of found) values.set(key, fromSession(value) as NumericValue);
      computed.set(of, values);
      return values;
    }

    /** What onnxruntime computes, in a file; `keep`: of which values. */
    async function dumped(
      of: Uint8Array,
      keep: (name: string) => boolean,
      spoil = (_values: Map<string, NumericValue>) => {},
    ): Promise<VerifyOptions> {
      const values = new Map(await valuesOf(of));
      spoil(values);
      const kept = new Map([...values].filter(([key]) => keep(key)));
      const path = join(folder, 'values.npz');
      writeFileSync(path, writeNpz(kept));
      return { model, values: path };
    }

    it('a tapped model on a server: the same rows as here', async () => {
      const here = await verify({ model, device: 'cpu', batch: 2 });
      const found = await served(bytes, true, { batch: 2, repeat: 2 });
      const shapes = ({ layers }: typeof here) => layers.map(({ layer, shape }) => `${layer} ${shape}`);
      expect(found.verdict, JSON.stringify(found.layers.map(({ reason }) => reason))).to.equal('pass');
      expect(shapes(found)).to.deep.equal(shapes(here));
      expect(found.served!.images).to.equal(2);
      const wrong = await served(shifted(), true);
      expect([wrong.verdict, wrong.first]).to.deep.equal(['fail', 'image/mean']);
    });

    it('a server that shows its last value alone: judged with what leads to it', async () => {
      const { verdict, layers } = await served(bytes, false, { input: pictured() });
      expect(verdict).to.equal('pass');
      const [row, ...more] = layers.filter(({ introduced }) => introduced);
      expect([row.layer, row.shape[0], more.length]).to.deep.equal([last, 2, 0]);
      // a level in doubt at a pixel or two leaves nothing to be said of what is made of all of them
      if (!resize) expect((await served(bytes, false, {}, { spoil: halved })).verdict).to.equal('fail');
    });

    it("onnxruntime's values in a file: all of them, with the pictures that they are of", async () => {
      const found = await verify(await dumped(bytes, () => true));
      expect(found.verdict, JSON.stringify(found.layers.map(({ reason }) => reason))).to.equal('pass');
      expect(found.inputSource).to.equal("the values' own");
      expect(found.layers.map(({ layer }) => layer)).to.include.members(['image/mean', 'input', last]);
      expect((await verify(await dumped(shifted(), () => true))).first).to.equal('image/mean');
    });

    it('some of them: each from the last one before it, and what is wrong between is found', async () => {
      const some = (key: string) => ['image', 'conv1', 'relu1', last].includes(key);
      const found = await verify(await dumped(bytes, some));
      expect(found.verdict, JSON.stringify(found.layers.map(({ reason }) => reason))).to.equal('pass');
      expect(found.layers[0]).to.deep.include({ layer: 'conv1', through: [...steps.slice(0, -1), 'input'] });
      expect((await verify(await dumped(shifted(), some))).first).to.equal('conv1');
      const input = await verify(await dumped(shifted(), (key) => key === 'image' || key === 'input'));
      expect([input.first, input.layers.length]).to.deep.equal(['input', 1]);
    });

    it('one number that is wrong in the second picture: the row says which', async () => {
      const row = 2 * views - 1;
      const spoilt = await dumped(
        bytes,
        () => true,
        (values) => {
          const conv1 = values.get('conv1')!;
          const data = Float32Array.from(conv1.data as Float32Array);
          data[(data.length / conv1.shape[0]) * row + 7] += 1;
          values.set('conv1', { ...conv1, data } as NumericValue);
        },
      );
      const { first, why, layers } = await verify(spoilt);
      expect(first).to.equal('conv1');
      expect(why!.worst.index).to.deep.equal([row, 0, 0, 7]);
      const { introduced } = layers.find(({ layer }) => layer === 'conv1')!;
      expect(introduced!.worst!.index).to.deep.equal([row, 0, 0, 7]);
    });

    it('a saved run is judged again by what it holds, its pictures among the values', async () => {
      const saved = join(folder, 'saved');
      const options = { model, input: pictured(), device: 'cpu' } as const;
      const first = await verify(options);
      await saveRun(saved, first, options);
      const again = await verify({ model, values: saved });
      expect([again.verdict, again.inputSource]).to.deep.equal(['pass', "the values' own"]);
      expect(again.layers.map(({ layer }) => layer)).to.deep.equal(first.layers.map(({ layer }) => layer));
    });

    it('what does not fit is one line', async () => {
      const said = (options: VerifyOptions) => served(bytes, false, options).catch(String);
      const weights = randomWeights(network, 3);
      expect(await said({ model: undefined, network, weights })).to.match(
        /takes 'image' uint8 .* takes one input, float32 or float16 .*; of a model that takes pictures give the file/,
      );
      if (!resize) return;
      const without = await dumped(bytes, (key) => key !== 'image');
      expect(await verify(without).catch(String)).to.match(/of any size the values must hold 'image' too$/);
    });
  });
}
