import { expect } from 'chai';
import { type EvaluateOptions, evaluate } from '../../lib/evaluate/index.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { initialise } from '../../reference/training/init.ts';
import { shared } from '../support/shared.ts';

describe('evaluation on real data', () => {
  it("Caffe's trained cifar10-full gets Caffe's 7008 of 10,000 right, ± 1, with the mean image beside it", async function () {
    this.timeout(240_000);
    const lines: string[] = [];
    const result = await evaluate({
      data: shared(this, 'cifar10/test_batch.bin'),
      network: 'cifar10-full',
      weights: shared(this, 'trained/cifar10-full/cifar10_full_iter_70000.npz'),
      device: 'cpu',
      log: (line) => lines.push(line),
    });
    expect(lines.join()).to.match(/^mean image: .*mean\.npy$/);
    expect(result.count).to.equal(10_000);
    expect(result.top1.right).to.be.within(7007, 7009);
    expect(result.classes.map(({ count }) => count)).to.deep.equal(new Array(10).fill(1000));
    expect(result.classes.reduce((sum, { right }) => sum + right, 0)).to.equal(result.top1.right);
    expect(result.topK.right).to.be.above(9500);
  });

  it('the oracle confuses the same pictures of them as onnxruntime, from .npy and .binaryproto means alike', async function () {
    this.timeout(240_000);
    const options: EvaluateOptions = {
      data: shared(this, 'cifar10/test_batch.bin'),
      network: 'cifar10-full',
      weights: shared(this, 'trained/cifar10-full/cifar10_full_iter_70000.npz'),
      limit: 300,
    };
    const device = await evaluate({ ...options, device: 'cpu' });
    const mean = shared(this, 'trained/cifar10-full/mean.binaryproto');
    const oracle = await evaluate({ ...options, engine: 'oracle', mean });
    expect(oracle.confusion).to.deep.equal(device.confusion);
    expect(oracle.topK).to.deep.equal(device.topK);
    // float32 probabilities: some 1e-6 each
    expect(oracle.loss).to.be.closeTo(device.loss, 1e-5);
    const mirrored = await evaluate({ ...options, device: 'cpu', views: 'mirror' });
    expect(mirrored.top1.right).to.be.above(oracle.top1.right - 6);
  });

  it('real photographs give the same answers on both engines, one view or ten', async function () {
    this.timeout(240_000);
    const whole = networkNamed('torchvision');
    const widths = new Map(
      Object.entries({ conv1: 8, conv2: 24, conv3: 48, conv4: 32, conv5: 32, fc6: 64, fc7: 64, fc8: 2 }),
    );
    const layers = whole.layers.map((layer) => ({ ...layer, channels: widths.get(layer.name) }));
    const narrow = { ...whole, layers } as Network;
    const options: EvaluateOptions = {
      data: shared(this, 'imagefolder/pexels_cat_dog'),
      network: whole.name,
      weights: initialise(narrow, 2, 'kaiming'),
      limit: 2,
      batch: 2,
    };
    for (const views of [1, 10] as const) {
      const device = await evaluate({ ...options, views, device: 'cpu' });
      const oracle = await evaluate({ ...options, views, engine: 'oracle', threads: 2 });
      expect(device.data).to.include({ split: 'val', pictures: 60 });
      expect(device.classes.map(({ name, count }) => `${name} ${count}`)).to.deep.equal(['cat 1', 'dog 1']);
      expect(device.confusion).to.deep.equal(oracle.confusion);
      expect(oracle.loss).to.be.closeTo(device.loss, 1e-5);
    }
  });
});
