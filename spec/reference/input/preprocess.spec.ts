import { expect } from 'chai';
import {
  caffe,
  centreOffset,
  cifar,
  cropViews,
  type Image,
  krizhevsky,
  onnxZooPreprocess,
  type Preprocess,
  preprocess,
  resizedSize,
  torchvisionPreprocess,
} from '../../../reference/input/preprocess.ts';
import { tensor, zeros } from '../../../reference/tensor.ts';
import { expected } from '../../support/golden-pictures.ts';

/** Every pixel tells where it is: red the column, green the row, blue 9. */
function grid(width: number, height: number): Image {
  const data = new Uint8Array(3 * width * height);
  for (let i = 0; i < width * height; i++) data.set([i % width, Math.floor(i / width), 9], 3 * i);
  return { width, height, data };
}

const plain = (size: number, crop = 0, more: Partial<Preprocess> = {}): Preprocess => ({
  resize: { mode: 'none', size },
  crop: { size: crop, offset: 'floor' },
  channels: 'RGB',
  range: 255,
  mean: [0, 0, 0],
  deviation: [1, 1, 1],
  meanImage: 'optional',
  ...more,
});

const corner = ({ data }: Image): number[] => [data[0], data[1]];

describe('reference/preprocess', () => {
  it('resizes the shorter side and cuts the longer one down to a whole number', () => {
    const shorter = (width: number, height: number) => resizedSize(grid(width, height), krizhevsky(227));
    expect(shorter(500, 375)).to.deep.equal([341, 256]); // 341.33
    expect(shorter(375, 500)).to.deep.equal([256, 341]);
    expect(shorter(257, 300)).to.deep.equal([256, 298]); // 298.83
    expect(shorter(3, 3)).to.deep.equal([256, 256]);
    expect(resizedSize(grid(500, 375), caffe)).to.deep.equal([256, 256]);
    expect(resizedSize(grid(500, 375), onnxZooPreprocess)).to.deep.equal([224, 224]);
  });

  it('rounds an odd remainder of the centre crop down, or half to even as Python does', () => {
    const cases: readonly [number, number, number, number][] = [
      [256, 227, 14, 14], // 14.5
      [383, 224, 79, 80], // 79.5
      [298, 227, 35, 36], // 35.5
      [256, 224, 16, 16],
      [227, 227, 0, 0],
    ];
    for (const [extent, crop, floor, even] of cases) {
      expect(centreOffset(extent, crop, 'floor')).to.equal(floor);
      expect(centreOffset(extent, crop, 'half-even')).to.equal(even);
    }
  });

  for (const [key, spec] of [
    ['torchvision', torchvisionPreprocess],
    ['krizhevsky', krizhevsky(224)],
    ['deviation', { ...cifar, mean: [125.3, 123, 113.9], deviation: [63, 62.1, 66.7] }],
  ] as const) {
    it(`normalises all 256 values of every channel with the bits of PyTorch (${key})`, () => {
      const image: Image = {
        width: 16,
        height: 16,
        data: new Uint8Array(768).map((_, i) => Math.floor(i / 3)),
      };
      const bare: Preprocess = {
        ...spec,
        resize: { mode: 'none', size: 16 },
        crop: { size: 0, offset: 'floor' },
        meanImage: 'none',
      };
      const x = preprocess(image, bare);
      expect(x.shape).to.deep.equal([1, 3, 16, 16]);
      expect(x.data).to.deep.equal(expected().get(`normalise/${key}`)!.data);
    });
  }

  it('puts blue first, with the mean of blue, for BGR', () => {
    const spec = plain(4, 0, { channels: 'BGR', mean: [1, 2, 3] });
    const x = preprocess(grid(4, 4), spec);
    expect(Array.from(x.data.subarray(0, 16))).to.deep.equal(new Array(16).fill(9 - 1));
    expect(x.get(0, 1, 3, 2)).to.equal(3 - 2); // green is the row
    expect(x.get(0, 2, 3, 2)).to.equal(2 - 3); // red is the column
  });

  it('cuts ten views: four corners, centre, and their mirrors', () => {
    const views = cropViews(grid(10, 10), plain(10, 7), 10);
    expect(views.map(corner)).to.deep.equal([
      [0, 0],
      [3, 0],
      [0, 3],
      [3, 3],
      [1, 1],
      [6, 0],
      [9, 0],
      [6, 3],
      [9, 3],
      [7, 1],
    ]);
    expect(views.every(({ width, height }) => width === 7 && height === 7)).to.equal(true);
    expect(preprocess(grid(10, 10), plain(10, 7), { views: 10 }).shape).to.deep.equal([10, 3, 7, 7]);
  });

  it('cuts the ten views out of the central square of a picture that is wider than high', () => {
    const spec = plain(10, 7, { resize: { mode: 'shorter', size: 10 } });
    const views = cropViews(grid(20, 10), spec, 10);
    expect(corner(views[0])).to.deep.equal([5, 0]);
    expect(corner(views[3])).to.deep.equal([8, 3]);
    expect(() => cropViews(grid(20, 10), { ...spec, crop: onnxZooPreprocess.crop }, 10)).to.throw(
      'need a crop',
    );
  });

  it("subtracts the mean image's centre crop from every view, in place of the mean pixel", () => {
    const mean = zeros([3, 6, 8]);
    for (let c = 0; c < 3; c++)
      for (let y = 0; y < 6; y++) for (let x = 0; x < 8; x++) mean.set(c, y, x, 100 * c + 10 * y + x);
    const spec = plain(5, 4, { mean: [50, 50, 50] });
    const black = { width: 5, height: 5, data: new Uint8Array(75) };
    const x = preprocess(black, spec, { meanImage: mean, views: 10 });
    for (const n of [0, 3, 9]) {
      expect(x.get(n, 0, 0, 0)).to.equal(-12); // row (6 − 4) / 2 = 1, column (8 − 4) / 2 = 2
      expect(x.get(n, 2, 3, 1)).to.equal(-243);
    }
    const single = tensor(
      new Float64Array(75).map(() => 0.1),
      [3, 5, 5],
    );
    expect(preprocess(black, plain(5), { meanImage: single }).data[0]).to.equal(Math.fround(-0.1));
  });

  it('refuses a mean image that is missing, unwanted or of the wrong shape', () => {
    const image = grid(32, 32);
    expect(() => preprocess(image, cifar)).to.throw('a mean image is required');
    expect(() =>
      preprocess(image, { ...cifar, meanImage: 'none' }, { meanImage: zeros([3, 32, 32]) }),
    ).to.throw('takes no mean image');
    expect(() => preprocess(image, cifar, { meanImage: zeros([3, 32, 31]) })).to.throw(
      'must be [3,32,32] or larger (= [3,32,31])',
    );
    for (const shape of [
      [3, 31, 32],
      [4, 32, 32],
      [1, 32, 32],
      [3, 32, 32, 1],
    ]) {
      const meanImage = zeros(shape);
      expect(() => preprocess(image, cifar, { meanImage }), `${shape}`).to.throw('or larger (= [');
    }
  });

  it('refuses a picture of the wrong size where none is resized, and a crop larger than the picture', () => {
    expect(() => preprocess(grid(33, 32), { ...cifar, meanImage: 'none' })).to.throw('must be 32×32');
    expect(() => preprocess(grid(5, 5), plain(5, 6))).to.throw('a crop of 6 does not fit into 5×5');
  });
});
