import { expect } from 'chai';
import { type Image, resizeBilinear } from '../../../reference/input/resize.ts';
import { expected } from '../../support/golden-pictures.ts';

const arrays = expected();
const { data, shape } = arrays.get('resize/source')!;
const source: Image = { width: shape[1], height: shape[0], data: data as Uint8Array };

describe('reference/resize', () => {
  for (const [key, wanted] of arrays) {
    const size = /^resize\/(\d+)x(\d+)$/.exec(key);
    if (!size) continue;
    const [width, height] = [Number(size[1]), Number(size[2])];
    it(`resizes 47×31 to ${width}×${height} with the bits of Pillow`, () => {
      const image = resizeBilinear(source, width, height);
      expect([image.height, image.width]).to.deep.equal(wanted.shape.slice(0, 2));
      expect(image.data).to.deep.equal(wanted.data);
    });
  }

  it('gives a window the bits that it has in the whole', () => {
    const whole = resizeBilinear(source, 100, 70);
    const window = { x: 13, y: 29, width: 51, height: 33 };
    const part = resizeBilinear(source, 100, 70, window);
    for (let row = 0; row < window.height; row++) {
      const at = 3 * ((window.y + row) * 100 + window.x);
      expect(part.data.subarray(3 * 51 * row, 3 * 51 * (row + 1))).to.deep.equal(
        whole.data.subarray(at, at + 3 * 51),
      );
    }
  });

  it('computes no more than the window of an enormous result', () => {
    const line = { width: 60000, height: 1, data: new Uint8Array(180000).fill(7) };
    const part = resizeBilinear(line, 15360000, 256, { x: 7679886, y: 14, width: 227, height: 227 });
    expect(part.data.length).to.equal(3 * 227 * 227);
    expect(part.data.every((value) => value === 7)).to.equal(true);
  });

  it('refuses sizes, windows and data that do not fit', () => {
    expect(() => resizeBilinear(source, 0, 5)).to.throw('sizes must be 1 or more (= 0)');
    expect(() => resizeBilinear(source, 10, 10, { x: 4, y: 0, width: 7, height: 2 })).to.throw(
      'a window of 7×2 at (4, 0) does not lie in 10×10',
    );
    expect(() => resizeBilinear({ ...source, width: 48 }, 5, 5)).to.throw('48×31 needs 4464 bytes of RGB');
  });
});
