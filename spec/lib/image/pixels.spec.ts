import { expect } from 'chai';
import { imageOf } from '../../../lib/image/pixels.ts';

describe('lib/image/pixels', () => {
  it('grey, RGB, and RGBA over white: half of black is 127, as in Pillow', () => {
    const rgbOf = (...data: number[]) => [
      ...imageOf({ data: Uint8ClampedArray.from(data), width: 2, height: 1 }).data,
    ];
    expect(rgbOf(7, 200)).to.deep.equal([7, 7, 7, 200, 200, 200]);
    expect(rgbOf(1, 2, 3, 4, 5, 6)).to.deep.equal([1, 2, 3, 4, 5, 6]);
    expect(rgbOf(10, 20, 30, 255, 0, 0, 0, 128)).to.deep.equal([10, 20, 30, 127, 127, 127]);
    expect(rgbOf(10, 20, 30, 0, 9, 9, 9, 255)).to.deep.equal([255, 255, 255, 9, 9, 9]);
  });
});
