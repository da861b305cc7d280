import { expect } from 'chai';
import { shape, winners } from '../../../reference/ops/maxpool.ts';
import { sizeOf } from '../../../reference/tensor.ts';
import { fixtureOf } from '../../support/cases.ts';
import { checkOnFixtures } from '../../support/check-operation.ts';

const alexnet = { kernel: [3, 3], stride: [2, 2], pad: [0, 0, 0, 0], rounding: 'floor' } as const;

describe('reference/ops/maxpool', () => {
  checkOnFixtures('maxpool');

  it('names the winner of every window: the first maximum', () => {
    for (const { title, inputs, attributes, expected } of fixtureOf('maxpool').cases) {
      const [, , H, W] = inputs.x.shape;
      const windows = sizeOf(expected.y.shape.slice(2));
      // the fixture counts inside a map, the operation in the whole tensor
      const wanted = [...expected.winner.data].map((at, i) =>
        at < 0 ? -1 : at + Math.floor(i / windows) * H * W,
      );
      expect([...winners(inputs.x, attributes)], title).to.deep.equal(wanted);
    }
  });

  it('has the sizes of the networks under each rounding', () => {
    const side = (extent: number, rounding: 'floor' | 'onnx' | 'caffe', pad = [0, 0, 0, 0] as const) =>
      shape([[1, 1, extent, extent]], { ...alexnet, rounding, pad })[2];
    for (const rounding of ['floor', 'onnx', 'caffe'] as const) {
      expect([55, 27, 13].map((extent) => side(extent, rounding))).to.deep.equal([27, 13, 6]);
    }
    // onnxruntime measured: 54 → 26 down, 27 up; 26 → 12 and 13; 12 → 5 and 6
    expect([54, 26, 12].map((extent) => side(extent, 'floor'))).to.deep.equal([26, 12, 5]);
    for (const rounding of ['onnx', 'caffe'] as const) {
      expect([54, 26, 12].map((extent) => side(extent, rounding))).to.deep.equal([27, 13, 6]);
    }
  });

  it('refuses what makes no sense, naming argument and value', () => {
    expect(() => shape([[5, 5]], alexnet)).to.throw('maxpool: x must have 4 dimensions (shape = [5,5])');
    expect(() => shape([[1, 1, 5, 5]], { ...alexnet, stride: [2, 0] })).to.throw(
      'maxpool: kernel and stride must be positive integers (= [3,3], [2,0])',
    );
    expect(() => shape([[1, 1, 5, 5]], { ...alexnet, pad: [0, 3, 0, 0] })).to.throw(
      'maxpool: pad must be integers from 0 to below the kernel (= [0,3,0,0], kernel = [3,3])',
    );
    expect(() => shape([[1, 1, 5, 2]], alexnet)).to.throw(
      'maxpool: the window [3,3] does not fit the padded input (x = [1,1,5,2], pad = [0,0,0,0])',
    );
  });
});
