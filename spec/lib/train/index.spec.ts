/** What training tells at its end. */
import { join } from 'node:path';
import { expect } from 'chai';
import { type TrainResult, trainingJson, trainingText } from '../../../lib/train/index.ts';

describe('what training tells at its end', () => {
  const record = { epoch: 2, learningRate: 0.01, loss: 1.23456, error1: 0.5, error5: 0.25, seconds: 1 };
  const result: TrainResult = {
    ...{
      network: 'cifar-alexnet',
      device: { device: 'cpu' } as never,
      classes: ['a'],
      epochs: 2,
      images: 40,
    },
    ...{ steps: 6, stopped: false, imagesPerSecond: 123.45, waited: 0.125, unread: [] },
    history: [{ ...record, validation: { loss: 2, error1: 0.375, error5: 0 } }],
    best: { epoch: 1, error1: 0.3 },
    files: { checkpoint: 'o/c', weights: join('o', 'w'), best: join('o', 'b') },
  };

  it('losses, errors in per cent, speed, and the weights to take', () => {
    expect(trainingText(result)).to.equal(
      `${[
        'cifar-alexnet: 2 epochs, 6 steps',
        'training    loss 1.2346, top-1 error 50.00 %',
        'validation  loss 2.0000, top-1 error 37.50 %, top-5 error 0.00 %',
        'best        validation top-1 error 30.00 % after epoch 1',
        'speed       123.5 images/s; the device waited 12.50 % of the time',
        `weights     ${join('o', 'b')}`,
      ].join('\n')}\n`,
    );
    const bare = { ...result, history: [{ ...record, validation: null }], imagesPerSecond: 0 };
    expect(trainingText(bare))
      .to.match(/best {8}training top-1 error/)
      .and.not.match(/validation|speed/);
    const none = { ...result, history: [], best: null, files: { ...result.files, best: null } };
    expect(trainingText(none)).to.match(/6 steps\nspeed[^\n]+\nweights {5}o.w\n$/);
    expect(trainingText({ ...result, imagesPerSecond: 0.5 })).to.match(/^speed {7}0\.5 images\/s/m);
    const unread = (['training', 'training', 'validation'] as const).map((part, index) => ({
      ...{ part, index, error: '' },
    }));
    expect(trainingText({ ...result, unread })).to.match(
      /^skipped {5}3 pictures that cannot be read: 2 to train, 1 to validate\nweights/m,
    );
    expect(trainingJson(result)).to.deep.equal({ version: 1, ...result, device: 'cpu' });
  });
});
