/** Preprocessing in the graph against `preprocess` outside, bit for bit: neither has the other's code. */
import { expect } from 'chai';
import * as ort from 'onnxruntime-node';
import { GraphBuilder } from '../../export/graph.ts';
import { buildModel, joined } from '../../export/index.ts';
import { emitPixels } from '../../export/pixels.ts';
import { encodeModel } from '../../export/proto.ts';
import { gamma } from '../../lib/bounds/arithmetic.ts';
import { judgedOutput } from '../../lib/bounds/operations.ts';
import { type Pixels, pixelStep, pixelSteps } from '../../reference/input/pixels.ts';
import {
  centreSquare,
  cropViews,
  type Image,
  type Preprocess,
  preprocess,
} from '../../reference/input/preprocess.ts';
import { networkNamed, networks } from '../../reference/networks/index.ts';
import * as layers from '../../reference/networks/layers.ts';
import { dense, type Tensor, tensor } from '../../reference/tensor.ts';
import { contextOn } from '../support/hand.ts';
import { narrow, random, randomWeights, uniform } from '../support/models.ts';

const next = uniform(5);
const pictureOf = (width: number, height: number): Image => ({
  width,
  height,
  data: new Uint8Array(3 * width * height).map(() => (next() + 1) * 128),
});

/** What is cut and resized outside, where one view or ten are in the graph. */
const outside = (image: Image, { preprocess: spec, views }: Pixels): Image =>
  views === 10 ? centreSquare(image, spec) : cropViews(image, spec)[0];

/** Pictures one behind the other, as the graph takes them. */
function stacked(images: readonly Image[]): { data: Uint8Array; shape: number[] } {
  const [{ width, height }] = images;
  const data = Buffer.concat(images.map((image) => image.data));
  return { data: Uint8Array.from(data), shape: [images.length, height, width, 3] };
}

async function onDevice(pixels: Pixels, images: readonly Image[]): Promise<Float32Array> {
  const g = new GraphBuilder({ precision: 'float32', batch: 'dynamic', lrn: 'native' });
  g.output(emitPixels(g, pixels));
  const opset = pixels.resize ? 18 : 13;
  const model = { irVersion: 8, opsetImport: [{ domain: '', version: opset }], graph: g.build('pixels', '') };
  return (await runOn(encodeModel(model), images)).input.data as Float32Array;
}

async function runOn(file: Uint8Array, images: readonly Image[]) {
  const session = await ort.InferenceSession.create(file, { logSeverityLevel: 3 });
  const { data, shape } = stacked(images);
  try {
    return await session.run({ image: new ort.Tensor('uint8', data, shape) });
  } finally {
    await session.release();
  }
}

const inSteps = (pixels: Pixels, images: readonly Image[]): Tensor => {
  const { data, shape } = stacked(images);
  const fed = tensor(Float32Array.from(data), shape);
  return pixelSteps(pixels).reduce((x, step) => pixelStep(step, x, images[0]), fed);
};

const joinedOf = (parts: readonly Tensor[]): Buffer =>
  Buffer.concat(parts.map((part) => bytesOf(dense(part) as Float32Array)));

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength);

/** The same remainders of the crop, of a picture that is 192 smaller. */
const smaller = ({ resize, crop, ...spec }: Preprocess): Preprocess => ({
  ...spec,
  resize: { ...resize, size: resize.size > 192 ? resize.size - 192 : resize.size },
  crop: { ...crop, size: crop.size > 192 ? crop.size - 192 : crop.size },
});

/** The networks' preprocessings, each once, and one that does everything that there is. */
const forms = new Map(
  networks.map(({ name, preprocess: spec }) => [JSON.stringify(spec), [name, spec] as const]),
);
const everything: Preprocess = {
  ...{
    resize: { mode: 'warp', size: 50 },
    crop: { size: 31, offset: 'half-even' },
    channels: 'BGR',
    range: 1,
  },
  ...{ mean: [0.1, 0.2, 0.3], deviation: [0.3, 0.7, 1.1], meanImage: 'optional' },
};

describe('export/pixels', function () {
  this.timeout(60_000);

  for (const [name, whole] of [...forms.values(), ['every step', everything] as const]) {
    const spec = smaller(whole);
    const means = { none: [false], optional: [false, true], required: [true] }[spec.meanImage];
    for (const views of spec.crop.size === 0 ? ([1] as const) : ([1, 10] as const)) {
      for (const withMean of means) {
        const how = `${views} view${views === 1 ? '' : 's'}${withMean ? ', mean image' : ''}`;
        it(`${name}, ${how}: the bits of preprocess`, async () => {
          const side = spec.resize.size;
          const meanImage = withMean ? random([3, side, side], 8, 100) : undefined;
          const pixels = { preprocess: spec, views, meanImage };
          const sizes =
            spec.resize.mode === 'none'
              ? [[side, side]]
              : [
                  [301, 262],
                  [250, 377],
                ];
          const images = sizes.map(([width, height]) => pictureOf(width, height));
          const exact = joinedOf(images.map((image) => preprocess(image, spec, { views, meanImage })));
          const pictures = images.map((image) => outside(image, pixels));
          const found = await onDevice(pixels, pictures);
          expect(new Set(found).size).to.be.above(50);
          expect(bytesOf(found).equals(exact)).to.equal(true);
          expect(bytesOf(dense(inSteps(pixels, pictures)) as Float32Array).equals(exact)).to.equal(true);
        });
      }
    }
  }

  /** Nothing behind the resize and the crop. */
  const inBytes = { channels: 'RGB', range: 255, mean: [0, 0, 0], deviation: [1, 1, 1] } as const;
  const cuts = new Map(
    [...forms.values()]
      .filter(([, { resize }]) => resize.mode !== 'none')
      .map(
        ([name, { resize, crop }]) => [JSON.stringify({ resize, crop }), [name, { resize, crop }]] as const,
      ),
  );
  for (const [name, cut] of cuts.values()) {
    const spec = smaller({ ...cut, ...inBytes, meanImage: 'none' });
    for (const views of spec.crop.size === 0 ? ([1] as const) : ([1, 10] as const))
      it(`${name}, ${views} view(s) of pictures of any size: where preprocess cuts them, a grey level off at most`, async () => {
        // crops with odd and even rests on either side, enlarged ones, and one that only a side of is resized
        for (const [width, height] of [
          [301, 262],
          [262, 301],
          [64, 64],
          [97, 130],
          [41, 33],
          [64, 201],
        ]) {
          const image = pictureOf(width, height);
          const exact = dense(preprocess(image, spec, { views }));
          const pixels = { preprocess: spec, views, resize: true };
          for (const found of [
            await onDevice(pixels, [image, image]),
            dense(inSteps(pixels, [image, image])),
          ]) {
            expect(found.length).to.equal(2 * exact.length);
            const off = Array.from(found, (v, i) => Math.abs(v - exact[i % exact.length]));
            expect(Math.max(...off), `${width}×${height}`).to.be.at.most(1);
          }
        }
      });
  }

  it('averages the views behind the network: probabilities, of logits their softmax', async () => {
    for (const name of ['cifar-alexnet', 'torchvision']) {
      const network = narrow(networkNamed(name));
      const weights = randomWeights(network, 4);
      const file = joined(buildModel(network, weights, { input: 'uint8', views: 10, tap: true }).chunks());
      const images = [pictureOf(60, 70), pictureOf(33, 41)];
      const pixels = { preprocess: network.preprocess, views: 10 } as const;
      const pictures = images.map((image) => outside(image, pixels));
      const { probabilities: found, ...values } = await runOn(file, pictures);
      const { dims, data } = values[network.layers[network.layers.length - 1].name];
      const y = tensor(data as Float32Array, dims);
      const [rows, K] = dims;
      expect([rows, ...found.dims]).to.deep.equal([20, 2, K]);
      const none = { exact: y, bounds: { bound: new Float64Array(y.size) } };
      const judged =
        name === 'torchvision'
          ? judgedOutput({ layer: layers.softmax('p'), inputs: [y], weights: new Map() }, contextOn('cpu'))
          : none;
      const meanOf = (values: ArrayLike<number>, n: number, k: number): number =>
        [...Array(10).keys()].reduce((sum, v) => sum + values[(10 * n + v) * K + k] / 10, 0);
      for (const n of images.keys())
        for (let k = 0; k < K; k++) {
          const mean = meanOf(dense(judged.exact), n, k);
          const off = meanOf(judged.bounds.bound, n, k);
          // nine additions and a division, of terms of one sign
          expect(found.data[n * K + k]).to.be.closeTo(mean, off + gamma(10) * (mean + off));
        }
    }
  });

  it('refuses in one line what does not fit', () => {
    const network = narrow(networkNamed('bvlc-alexnet'));
    const weights = randomWeights(network, 4);
    const refused = (options: object, why: RegExp, spec: object = {}) => {
      const preprocess = { ...network.preprocess, ...spec };
      const options8 = { input: 'uint8', ...options } as const;
      expect(() => buildModel({ ...network, preprocess }, weights, options8)).to.throw(why);
    };
    refused({ input: 'int8' }, /^input must be 'float32' or 'uint8' \(= int8\)$/);
    refused({ views: 2 }, /^views must be 1 or 10 \(= 2\)$/);
    refused({ input: 'float32', views: 10 }, /^views, a mean image and resize need input 'uint8'$/);
    refused({ resize: true, opset: 17 }, /^opset must be an integer from 18 to 25 \(= 17\)$/);
    const crop = { size: 0, offset: 'floor' };
    refused({ views: 10 }, /^preprocess: ten views need a crop \(= 0\)$/, { crop });
    refused({}, /^input: its shape in ONNX is \[N,3,256,256\], in the oracle \[N,3,227,227\]$/, { crop });
    const resize = { mode: 'shorter', size: 256 };
    const wide = { size: 227, offset: 'floor' };
    refused({ resize: true }, /^preprocess: a crop of 227 does not fit into 200×200$/, {
      crop: wide,
      resize: { mode: 'shorter', size: 200 },
    });
    refused({ resize: true }, /^preprocess: these pictures are not resized$/, {
      crop: wide,
      resize: { mode: 'none', size: 227 },
    });
    refused({}, /^preprocess: without a crop, 'shorter' leaves pictures of any shape$/, { crop, resize });
    const small = random([3, 200, 200], 1);
    refused({ meanImage: small }, /the mean image must be \[3,227,227\] or larger \(= \[3,200,200\]\)$/);
    refused({}, /^preprocess: a mean image is required$/, { meanImage: 'required' });
  });
});
