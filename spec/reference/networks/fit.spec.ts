import { expect } from 'chai';
import { fitNetwork } from '../../../reference/networks/fit.ts';
import { networkNamed, networks } from '../../../reference/networks/index.ts';
import { weightShapes } from '../../../reference/oracle.ts';
import type { Shape } from '../../../reference/tensor.ts';

/** The shapes of bvlc-narrow.npz: 12-32-48-48-32, 256, 256, 10. */
const narrow = new Map<string, Shape>([
  ['conv1.weight', [12, 3, 11, 11]],
  ['conv1.bias', [12]],
  ['conv2.weight', [32, 6, 5, 5]],
  ['conv2.bias', [32]],
  ['conv3.weight', [48, 32, 3, 3]],
  ['conv3.bias', [48]],
  ['conv4.weight', [48, 24, 3, 3]],
  ['conv4.bias', [48]],
  ['conv5.weight', [32, 24, 3, 3]],
  ['conv5.bias', [32]],
  ['fc6.weight', [256, 1152]],
  ['fc6.bias', [256]],
  ['fc7.weight', [256, 256]],
  ['fc7.bias', [256]],
  ['fc8.weight', [10, 256]],
  ['fc8.bias', [10]],
]);
const changed = (name: string, shape: Shape | null) => {
  const shapes = new Map(narrow);
  if (shape) shapes.set(name, shape);
  else shapes.delete(name);
  return shapes;
};
const bvlc = networkNamed('bvlc-alexnet');

describe('fit', () => {
  it('leaves every network as it is when the shapes are its own', () => {
    for (const network of networks) expect(fitNetwork(network, weightShapes(network))).to.equal(network);
  });

  it('follows narrower weights, whose shapes the fitted network then asks for', () => {
    const fitted = fitNetwork(bvlc, narrow);
    expect([...weightShapes(fitted)]).to.deep.equal([...narrow]);
    expect(fitted.name).to.equal('bvlc-alexnet');
  });

  const wrong: [string, Shape | null, RegExp][] = [
    ['conv2.weight', [32, 12, 5, 5], /conv2.weight \[32,12,5,5\] .*expected \[K divisible by 2,6,5,5\]/],
    ['conv2.weight', [33, 6, 5, 5], /K divisible by 2/],
    ['conv3.weight', [48, 32, 5, 5], /conv3.weight .*expected \[K,32,3,3\]/],
    ['fc6.weight', [256, 1024], /fc6.weight .*expected \[K,1152\]/],
    ['fc6.weight', [1152, 256], /fc6.weight .*expected \[K,1152\]/],
    ['fc7.bias', [255], /fc7.bias \[255\] .*expected \[256\]/],
    ['fc8.weight', [0, 256], /fc8.weight/],
    ['conv4.bias', null, /conv4.bias is missing/],
    ['conv9.weight', [1], /has no conv9.weight/],
  ];
  for (const [name, shape, reason] of wrong) {
    it(`refuses ${name} ${shape ? `of shape [${shape}]` : 'left out'} by name and expected shape`, () => {
      expect(() => fitNetwork(bvlc, changed(name, shape))).to.throw(reason);
    });
  }
});
