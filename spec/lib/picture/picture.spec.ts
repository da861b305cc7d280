/** The numbers behind each picture, and the pixels of small ones. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { PNG } from 'pngjs';
import { forward } from '../../../lib/fast/oracle.ts';
import { encodePng } from '../../../lib/image/encode.ts';
import { type PictureKind, type PictureOptions, picture } from '../../../lib/picture/index.ts';
import { mapOf, mosaic } from '../../../lib/picture/maps.ts';
import { madePhoto } from '../../../lib/picture/photo.ts';
import { pixelsOf } from '../../../lib/picture/pixels.ts';
import { raster, type Sheet } from '../../../lib/picture/sheet.ts';
import { loadWeights } from '../../../lib/weights/load.ts';
import { boxedWeights } from '../../../lib/weights/shipped.ts';
import { preprocess } from '../../../reference/input/preprocess.ts';
import { flatten, linear, type Network } from '../../../reference/networks/layers.ts';
import * as ops from '../../../reference/ops/index.ts';
import type { Weights } from '../../../reference/oracle.ts';
import { cast, dense, sizeOf, type Tensor, tensor } from '../../../reference/tensor.ts';
import { slopeAt } from '../../support/gradcheck.ts';
import { networkOf } from '../../support/models.ts';

// biome-ignore lint/suspicious/noExplicitAny: facts differ from picture to picture
const facts = async (kind: PictureKind, options: PictureOptions = {}): Promise<any> =>
  (await picture(kind, options)).facts;

describe('pictures', () => {
  const folder = mkdtempSync(join(tmpdir(), 'alexnet-'));
  after(() => rmSync(folder, { recursive: true }));

  it('saliency is what the score really changes by', async () => {
    const { network, weights } = await loadWeights(boxedWeights('cifar-alexnet')!);
    const spec = (await loadWeights(boxedWeights('cifar-alexnet')!)).preprocess ?? network.preprocess;
    const x = cast(preprocess(madePhoto(), spec), 'float64');
    const net = { ...network, layers: network.layers.filter(({ kind }) => kind !== 'softmax') };
    const score = (input: Tensor): number => dense(forward(net, weights, input, { precision: 'float64' }))[3];
    const { shape, gradient, gradientTimesInput } = await facts('saliency', { class: 'cat' });
    const area = shape[0] * shape[1];
    const rounding = roundingOf(net, weights, x);
    let smooth = 0;
    for (let pixel = 0; pixel < area && smooth < 3; pixel += 37) {
      const slopes = [0, 1, 2].map((c) =>
        slopeAt((t) => {
          const data = Float64Array.from(dense(x));
          data[c * area + pixel] += t;
          return score(tensor(data, x.shape));
        }, rounding),
      );
      if (slopes.some(({ kink }) => kink)) continue;
      smooth++;
      const most = slopes.reduce((a, b) => (Math.abs(b.value) > Math.abs(a.value) ? b : a));
      const off = Math.max(...slopes.map(({ uncertainty }) => uncertainty));
      expect(off).to.be.below(Math.abs(most.value) / 1000);
      expect(gradient[pixel]).to.be.closeTo(Math.abs(most.value), off);
      const value = (c: number): number => dense(x)[c * area + pixel];
      const product = slopes.reduce((sum, slope, c) => sum + slope.value * value(c), 0);
      const allowed = slopes.reduce((sum, { uncertainty }, c) => sum + uncertainty * Math.abs(value(c)), 0);
      expect(gradientTimesInput[pixel]).to.be.closeTo(product, allowed);
    }
    expect(smooth).to.equal(3);
  });

  /**
   * What float64 should lose of a score at most: λ√n·2⁻⁵³·Σ|w·h| of the last layer, n the terms of all layers one
   * after the other, λ for one false alarm in 10⁶ (docs/error-bounds.md, tier 2).
   */
  function roundingOf(net: Network, weights: Weights, x: Tensor): number {
    const terms = [...weights.values()].reduce((n, { shape: [, ...fan] }) => n + sizeOf(fan) + 1, 0);
    const last = net.layers[net.layers.length - 1].name;
    let h = x;
    forward(net, weights, x, {
      precision: 'float64',
      trace: ({ name }, y) => {
        if (name !== last) h = y;
      },
    });
    const operands = [h, weights.get(`${last}.weight`)!, weights.get(`${last}.bias`)!];
    const magnitude = Math.max(...dense(ops.linear.terms(operands).magnitude));
    return Math.sqrt(2 * Math.log(2e6) * terms) * 2 ** -53 * magnitude;
  }

  it('occlusion is the probability of an input that is covered by hand', async () => {
    const loaded = await loadWeights(boxedWeights('cifar-alexnet')!);
    const { network, weights } = loaded;
    const told = await facts('occlusion', { class: '8', square: 7, places: 3 });
    const x = preprocess(madePhoto(), loaded.preprocess ?? network.preprocess);
    const [, , H, W] = x.shape;
    expect(told.rows).to.deep.equal([0, Math.floor((H - 7) / 2 + 0.5), H - 7]);
    for (const [row, column] of [
      [0, 2],
      [1, 1],
      [2, 0],
    ]) {
      const data = Float32Array.from(dense(x), (v, i) => {
        const [h, w] = [Math.floor(i / W) % H, i % W];
        const inside =
          h >= told.rows[row] &&
          h < told.rows[row] + 7 &&
          w >= told.columns[column] &&
          w < told.columns[column] + 7;
        return inside ? 0 : v;
      });
      const p = dense(forward(network, weights, tensor(data, x.shape)))[8];
      // the same logits; the command's softmax is float64, the network's is rounded once
      expect(told.probabilities[3 * row + column]).to.be.closeTo(p, p * 2 ** -23);
    }
    expect(told.probability).to.be.above(0.5);
  });

  /** Two pixels a side; its hidden layer is the sum of the red pixels. */
  const plain = networkOf([3, 2, 2], flatten('flat'), linear('hidden', 1), linear('out', 2));
  const bytes = { ...plain.preprocess, resize: { mode: 'none', size: 2 }, range: 255 } as const;
  const sums: Network = { ...plain, preprocess: bytes };
  const red = new Float32Array(12).map((_, i) => (i < 4 ? 1 : 0));
  const weights = new Map([
    ['hidden.weight', tensor(red, [1, 12])],
    ['hidden.bias', tensor(new Float32Array(1), [1])],
    ['out.weight', tensor(Float32Array.of(1, -1), [2, 1])],
    ['out.bias', tensor(new Float32Array(2), [2])],
  ]);

  it('neighbours come by distance, then by name; the photo itself is left out, what is broken is told', async () => {
    const reds: Record<string, number> = {
      'q.png': 10,
      'far.png': 50,
      'b.png': 13,
      'a.png': 7,
      'same.png': 10,
    };
    for (const [name, value] of Object.entries(reds)) {
      const data = new Uint8Array(12).map((_, i) => (i % 3 === 0 ? value : 200));
      writeFileSync(join(folder, name), encodePng({ width: 2, height: 2, data }));
    }
    writeFileSync(join(folder, 'broken.png'), 'no picture');
    const image = join(folder, 'q.png');
    const told = await facts('neighbours', { network: sums, weights, image, folder, count: 3 });
    expect(told).to.deep.include({ layer: 'hidden', pictures: 4 });
    expect(told.neighbours).to.deep.equal([
      { image: join(folder, 'same.png'), distance: 0 },
      { image: join(folder, 'a.png'), distance: 12 },
      { image: join(folder, 'b.png'), distance: 12 },
    ]);
    expect(told.failures).to.have.length(1);
  });

  it('kernels, features and the network: the figures of fact sheets and of the oracle', async () => {
    const { network, weights: own } = await loadWeights(boxedWeights('cifar-alexnet')!);
    const told = await facts('kernels', {});
    expect(told.values).to.deep.equal([...dense(own.get('conv1.weight')!)]);
    const x = preprocess(madePhoto(), network.preprocess);
    const y = forward({ ...network, layers: network.layers.slice(0, 2) }, own, x);
    expect((await facts('features', { layer: network.layers[1].name })).values).to.deep.equal([...dense(y)]);
    const paper = await facts('network', { network: 'alexnet2012', seed: 0 });
    expect(paper).to.include({ towers: 2, parameters: 60_965_224, macs: 724_406_816 });
    expect(paper.blocks.find(({ layers }: { layers: string[] }) => layers[0] === 'conv2')).to.deep.equal({
      layers: ['conv2', 'relu2', 'norm2'],
      shape: [256, 27, 27],
      towers: 2,
      parameters: 307_456,
      macs: 223_948_800,
    });
  });

  it('pixels: two maps of two values, twice as large, a gap of one between them', () => {
    const [zero, most] = [
      [246, 244, 239],
      [122, 42, 12],
    ];
    const image = mosaic([mapOf([0, 5], [2, 1], 5), mapOf([5, -5], [2, 1], 5)], 2);
    const least = [16, 48, 104];
    const white = [255, 255, 255];
    const row = [zero, most, white, most, least];
    expect([...image.data]).to.deep.equal(row.flat());
    const part = raster(image, 2);
    const sheet: Sheet = { ...part, title: '' };
    const file = PNG.sync.read(Buffer.from(encodePng(pixelsOf(sheet))));
    expect([file.width, file.height]).to.deep.equal([10, 2]);
    const twice = row.flatMap((colour) => [...colour, 255, ...colour, 255]);
    expect([...file.data]).to.deep.equal([...twice, ...twice]);
  });

  it('pixels: a square that covers a quarter of a pixel, and a line of one pixel', () => {
    const black = [0, 0, 0] as const;
    const points = [
      [0, 0],
      [0.75, 0],
      [0.75, 0.75],
      [0, 0.75],
    ] as const;
    const filled = pixelsOf({
      title: '',
      width: 1,
      height: 1,
      items: [{ kind: 'shape', points, fill: black }],
    });
    const greys = (data: Uint8Array) => [...data].filter((_, i) => i % 3 === 0);
    // 1.5 pixels a side: whole, half, half, a quarter
    expect(greys(filled.data)).to.deep.equal([0, 128, 128, 191]);
    const items = [
      {
        kind: 'shape',
        points: [
          [0, 0.25],
          [2, 0.25],
        ],
        stroke: black,
      },
    ] as const;
    expect(greys(pixelsOf({ title: '', width: 1, height: 1, items }).data)).to.deep.equal([0, 0, 255, 255]);
  });
});
