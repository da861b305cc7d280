import { expect } from 'chai';
import {
  type Augmentation,
  augment,
  augmentations,
  type Draws,
  draw,
} from '../../../reference/input/augment.ts';
import { imagenetPrincipal } from '../../../reference/input/pca.ts';
import { caffe, krizhevsky, torchvisionPreprocess } from '../../../reference/input/preprocess.ts';
import { tensor } from '../../../reference/tensor.ts';
import { expected } from '../../support/golden-pictures.ts';

const arrays = expected();
const data = <T>(key: string): T => arrays.get(`augment/${key}`)!.data as T;
const draws: Draws = {
  offsets: data('offsets'),
  mirrored: data('mirrored'),
  light: data('light'),
};
const meanImage = tensor(data<Float32Array>('mean'), [3, 7, 7]);
const images = data<Uint8Array>('images');
const small = (how: Augmentation, more: Partial<Augmentation> = {}): Augmentation => ({
  ...how,
  crop: 4,
  ...more,
});

describe('reference/augment', () => {
  it('cuts, mirrors and lights as the released source: mean at the centre, light after it, then ÷ 1.1', () => {
    const x = augment(images, 7, draws, small(augmentations['as-run']), krizhevsky(4), { meanImage });
    expect(x.shape).to.deep.equal([3, 3, 4, 4]);
    expect(x.data).to.deep.equal(data('as-run'));
  });

  it('cuts and mirrors as Caffe: BGR, mean image at the same offset and mirrored with the picture', () => {
    const dark = { ...draws, light: new Float32Array(9) };
    const x = augment(images, 7, dark, small(augmentations.caffe), caffe, { meanImage, meanAt: 'crop' });
    expect(x.data).to.deep.equal(data('caffe'));
  });

  it("adds light in units of 0..1, before the deviation, where torchvision's normalisation is used", () => {
    const x = augment(
      images,
      7,
      draws,
      small(augmentations['as-run'], { lighting: 'root' }),
      torchvisionPreprocess,
    );
    expect(x.data).to.deep.equal(data('torchvision'));
  });

  it('draws 33×33 offsets of a 224 crop in 256 as the source, 32×32 as the paper, 30×30 as Caffe', () => {
    for (const [how, places] of [
      [augmentations['as-run'], 33],
      [augmentations.paper, 32],
      [augmentations.caffe, 30],
    ] as const) {
      const { offsets, mirrored } = draw(7, 0, 40000, 256, { ...how, chunk: 1, lighting: 'none' });
      const seen = [0, 1].map((axis) => new Set(offsets.filter((_, i) => i % 2 === axis)));
      for (const axis of seen) expect([axis.size, Math.max(...axis)]).to.deep.equal([places, places - 1]);
      // uniform: standard error of the mean of 80,000 offsets, four of them
      const mean = offsets.reduce((sum, offset) => sum + offset, 0) / offsets.length;
      expect(mean).to.be.closeTo((places - 1) / 2, 4 * Math.sqrt((places ** 2 - 1) / 12 / offsets.length));
      const half = mirrored.reduce((sum, m) => sum + m, 0) / mirrored.length;
      expect(half).to.be.closeTo(0.5, 4 * Math.sqrt(0.25 / mirrored.length));
    }
  });

  it('draws the same however the images are cut into batches', () => {
    for (const how of [augmentations['as-run'], { ...augmentations.paper, lighting: 'root' as const }]) {
      const whole = draw(3, 0, 100, 256, how, imagenetPrincipal);
      const part = draw(3, 37, 20, 256, how, imagenetPrincipal);
      expect(part.offsets).to.deep.equal(whole.offsets.slice(74, 114));
      expect(part.mirrored).to.deep.equal(whole.mirrored.slice(37, 57));
      expect(part.light).to.deep.equal(whole.light.slice(111, 171));
    }
  });

  it('draws crop and mirror once for 32 images as the source, for each image as the paper', () => {
    const changes = (how: Augmentation): number => {
      const { offsets } = draw(1, 0, 320, 256, { ...how, lighting: 'none' });
      return Array.from({ length: 319 }, (_, n) => offsets[2 * n] !== offsets[2 * n + 2]).filter(Boolean)
        .length;
    };
    expect(changes(augmentations['as-run'])).to.be.within(7, 9);
    expect(changes(augmentations.paper)).to.be.above(290);
  });

  it('lights along the principal colours: √λ·0.1 in the source, λ·0.1 in the letter of the paper', () => {
    const { eigenvalues, eigenvectors } = imagenetPrincipal;
    const count = 20000;
    for (const [lighting, strength] of [
      ['root', Math.sqrt],
      ['as-run', Math.sqrt],
      ['paper', (value: number) => value],
    ] as const) {
      const { light } = draw(5, 0, count, 256, { ...augmentations['as-run'], lighting }, imagenetPrincipal);
      for (let i = 0; i < 3; i++) {
        let sum = 0;
        for (let n = 0; n < count; n++) {
          let along = 0;
          for (let c = 0; c < 3; c++) along += light[3 * n + c] * eigenvectors[i][c];
          sum += along * along;
        }
        // relative standard error of a standard deviation is 1/√(2n) = 0.5 %; vectors to 4 digits mix in under 0.5 %
        expect(Math.sqrt(sum / count) / (0.1 * strength(eigenvalues[i]))).to.be.closeTo(1, 0.025);
      }
    }
  });

  it('refuses what does not fit', () => {
    expect(() => draw(1, 0, 4, 200, augmentations['as-run'], imagenetPrincipal)).to.throw(
      'a crop of 224 does not fit into 200',
    );
    expect(() => draw(1, 0, 4, 256, augmentations['as-run'])).to.throw(
      "lighting 'as-run' needs the principal colours",
    );
    const how = small(augmentations.caffe);
    expect(() => augment(images, 8, draws, how, caffe)).to.throw('3 pictures of 8×8 are 576 bytes (= 441)');
    const outside = { ...draws, offsets: Int32Array.of(0, 0, 0, 4, 0, 0) };
    expect(() => augment(images, 7, outside, how, caffe)).to.throw('an offset does not lie in 0 to 3');
  });
});
