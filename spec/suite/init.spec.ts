import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { networks } from '../../reference/networks/index.ts';
import { parameterCount, weightShapes } from '../../reference/oracle.ts';
import { initialise } from '../../reference/training/init.ts';
import { narrow } from '../support/models.ts';

/** SHA-256 over the little-endian float32 bytes of all weights and biases in the order of the layers. */
const twoTowers = 'e8016990be8fc64791cfa1c07545ebfa0cdbee891b9c73d071578af550b6266e';
const cudaConvnet = '939e01db4c77748abcbc13877023024ebb55ec773616680b84299d832e3a8f4c';
const pinned: Record<string, string> = {
  alexnet2012: twoTowers,
  'alexnet2012-as-run': twoTowers,
  'bvlc-alexnet': twoTowers,
  caffenet: twoTowers,
  'onnx-zoo': twoTowers,
  // these two narrow
  torchvision: 'c663fa5edb823e8e074a1ef239188fbe2106d77dd78f3759158e3c07417f5ccd',
  'alexnet-half': 'fc275555af8695062c23bce2358770309fc2476cefb8e4e404740042255b7150',
  'cifar10-full': cudaConvnet,
  'cifar-relu': cudaConvnet,
  'cifar-tanh': cudaConvnet,
  'cifar-alexnet': '7bb65bfe2511889c3dad405cb8c25303d805b804eb0498395edce9352757f8e3',
};

/** That drawing takes seconds, and each weight depends on its tensor's name and its place alone. */
const NARROW = ['torchvision', 'alexnet-half'];

describe('initial weights', function () {
  this.timeout(180_000);
  /** Networks of equal tensors have equal weights: drawn once. */
  const drawn = new Map<string, string>();
  const seconds = new Map<string, number>();
  const secondsSince = (start: NodeJS.CpuUsage): number => {
    const { user, system } = process.cpuUsage(start);
    return (user + system) / 1e6;
  };

  for (const whole of networks) {
    const network = NARROW.includes(whole.name) ? narrow(whole) : whole;
    it(`${network.name}, seed 0, kaiming has the pinned SHA-256`, () => {
      const key = JSON.stringify([...weightShapes(network)]);
      if (!drawn.has(key)) {
        const hash = createHash('sha256');
        const start = process.cpuUsage();
        const weights = initialise(network, 0, 'kaiming');
        seconds.set(network.name, secondsSince(start));
        for (const { data } of weights.values()) {
          hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
        }
        drawn.set(key, hash.digest('hex'));
      }
      expect(drawn.get(key)).to.equal(pinned[network.name]);
    });
  }

  it('61 million weights take under 5 s of one core', function () {
    let best = seconds.get(networks[0].name)!;
    // two more tries: a spec that runs beside this one on the same physical core slows it down
    for (let tries = 0; tries < 2 && best >= 5; tries++) {
      const start = process.cpuUsage();
      initialise(networks[0], 1, 'kaiming');
      best = secondsSince(start);
    }
    this.test!.title += ` (${parameterCount(networks[0]).toLocaleString('en')} in ${best.toFixed(2)} s)`;
    expect(best).to.be.below(5);
  });
});
