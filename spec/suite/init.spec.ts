import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { networks } from '../../reference/networks/index.ts';
import { parameterCount, weightShapes } from '../../reference/oracle.ts';
import { initialise } from '../../reference/training/init.ts';

/** SHA-256 over the little-endian float32 bytes of all weights and biases in the order of the layers. */
const twoTowers = 'e8016990be8fc64791cfa1c07545ebfa0cdbee891b9c73d071578af550b6266e';
const cudaConvnet = '939e01db4c77748abcbc13877023024ebb55ec773616680b84299d832e3a8f4c';
const pinned: Record<string, string> = {
  alexnet2012: twoTowers,
  'alexnet2012-as-run': twoTowers,
  'bvlc-alexnet': twoTowers,
  caffenet: twoTowers,
  'onnx-zoo': twoTowers,
  torchvision: 'aee41a52dac45820f2c8aa31573ddbd38a32aaef3a78faa17f061b057c0dabcb',
  'alexnet-half': 'a83608fb88fd85f8ed0731fe10c95c9e10f2cf175fc970a1637e837cb442556a',
  'cifar10-full': cudaConvnet,
  'cifar-relu': cudaConvnet,
  'cifar-tanh': cudaConvnet,
  'cifar-alexnet': '7bb65bfe2511889c3dad405cb8c25303d805b804eb0498395edce9352757f8e3',
};

describe('initial weights of full-size networks', function () {
  this.timeout(180_000);
  /** Networks of equal tensors have equal weights: drawn once. */
  const drawn = new Map<string, string>();
  const seconds = new Map<string, number>();
  const secondsSince = (start: NodeJS.CpuUsage): number => {
    const { user, system } = process.cpuUsage(start);
    return (user + system) / 1e6;
  };

  for (const network of networks) {
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
