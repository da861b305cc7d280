import { expect } from 'chai';
import * as ort from 'onnxruntime-node';
import { type Augment, emitAugment } from '../../export/augment.ts';
import { GraphBuilder } from '../../export/graph.ts';
import { encodeModel } from '../../export/proto.ts';
import { type Augmentation, augment, augmentations, draw } from '../../reference/input/augment.ts';
import {
  caffe,
  cifar,
  krizhevsky,
  type Preprocess,
  torchvisionPreprocess,
} from '../../reference/input/preprocess.ts';
import { random, uniform } from '../support/models.ts';

const [N, side, crop] = [5, 23, 16];
const colours = {
  eigenvalues: [900, 300, 70],
  eigenvectors: [
    [0.6, 0.6, 0.5],
    [0.7, -0.1, -0.7],
    [0.4, -0.8, 0.5],
  ],
};
const next = uniform(3);
const images = new Uint8Array(N * 3 * side * side).map(() => (next() + 1) * 128);

async function onDevice(
  how: Augment,
  spec: Preprocess,
  feeds: Record<string, ort.Tensor>,
): Promise<Float32Array> {
  const g = new GraphBuilder({ precision: 'float32', batch: N, lrn: 'native' });
  emitAugment(g, how, N, spec);
  g.output('input');
  const model = { irVersion: 8, opsetImport: [{ domain: '', version: 18 }], graph: g.build('augment', '') };
  const session = await ort.InferenceSession.create(encodeModel(model), { logSeverityLevel: 3 });
  const given = Object.fromEntries(session.inputNames.map((name) => [name, feeds[name]]));
  const { input } = await session.run(given);
  await session.release();
  return input.data as Float32Array;
}

const meanImage = random([3, side, side], 8, 100);
const settings: [string, Augmentation, Preprocess, object][] = [
  ["the paper's", augmentations.paper, krizhevsky(crop), {}],
  ['as run', augmentations['as-run'], krizhevsky(crop), { meanImage }],
  ["Caffe's, mean image cut with the picture", augmentations.caffe, caffe, { meanImage, meanAt: 'crop' }],
  ['BGR with lighting', { ...augmentations.caffe, lighting: 'root' }, caffe, {}],
  [
    "torchvision's range and deviation",
    { ...augmentations['as-run'], mirror: false },
    torchvisionPreprocess,
    {},
  ],
  ['neither mean nor light', augmentations.caffe, cifar, {}],
];

describe('export/augment', () => {
  for (const [title, how, spec, options] of settings) {
    it(`${title}: the bits of the oracle`, async () => {
      const own = { ...how, crop };
      const draws = draw(7, 64, N, side, own, colours as never);
      const feeds = {
        images: new ort.Tensor('uint8', images, [N, 3, side, side]),
        offsets: new ort.Tensor('int32', draws.offsets, [N, 2]),
        mirrored: new ort.Tensor('uint8', draws.mirrored, [N]),
        light: new ort.Tensor('float32', draws.light, [N, 3]),
      };
      const exact = augment(images, side, draws, own, spec, options);
      const found = await onDevice({ side, how: own, ...options }, spec, feeds);
      expect(new Set(found).size).to.be.above(200);
      expect(found).to.deep.equal(exact.data);
    });
  }

  it('refuses crops, images and batches that do not fit', () => {
    const g = () => new GraphBuilder({ precision: 'float32', batch: N, lrn: 'native' });
    const small = { side: 15, how: { ...augmentations.caffe, crop } };
    expect(() => emitAugment(g(), small, N, caffe)).to.throw(/^augment: a crop of 16 does not fit into 15$/);
    const wrong = { side: 24, how: small.how, meanImage };
    expect(() => emitAugment(g(), wrong, N, caffe)).to.throw(/the mean image must be \[3,24,24\]/);
    const large = { side: 256, how: small.how };
    expect(() => emitAugment(g(), large, 11000, caffe)).to.throw(/exceed 2³¹ bytes/);
  });
});
