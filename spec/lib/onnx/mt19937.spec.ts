import { expect } from 'chai';
import { mt19937 } from '../../../lib/onnx/mt19937.ts';

describe('MT19937', () => {
  /**
   * numpy 1.24.2: np.random.seed(s); a = np.random.uniform(size=1000); a[[0, 1, 311, 312, 999]]; 0.8147… is
   * MATLAB's too.
   */
  const published: [number, number[]][] = [
    [
      0,
      [0.5488135039273248, 0.7151893663724195, 0.14694664540037505, 0.07952208258675575, 0.6771411441114241],
    ],
    [
      5489,
      [0.8147236863931789, 0.9057919370756192, 0.5185949425105382, 0.9729745547638625, 0.8667498969993187],
    ],
    [
      4294967295,
      [0.0976320289940138, 0.9123828453026218, 0.2845819535787153, 0.89887815082878, 0.556626859384112],
    ],
  ];

  for (const [seed, expected] of published) {
    it(`gives numpy's uniform numbers for the seed ${seed}, across a regeneration of its state`, () => {
      const random = mt19937(seed);
      const drawn = Array.from({ length: 1000 }, random);
      expect([0, 1, 311, 312, 999].map((i) => drawn[i])).to.deep.equal(expected);
    });
  }

  it('refuses a seed that numpy refuses', () => {
    expect(() => mt19937(-1)).to.throw('seed');
    expect(() => mt19937(2 ** 32)).to.throw('seed');
  });
});
