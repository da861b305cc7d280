/**
 * Every shared file of weights, in every format, through onnxruntime and the oracle to PyTorch's float64
 * outputs.
 */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { toTensor } from '../../lib/format/array.ts';
import { readNpz } from '../../lib/format/npz.ts';
import { verify } from '../../lib/verify/index.ts';
import { dense } from '../../reference/tensor.ts';
import { shared } from '../support/shared.ts';

const cases = [
  ['torchvision-narrow.npz', 'torchvision'],
  ['torchvision-narrow-deflated.npz', 'torchvision'],
  ['torchvision-narrow.safetensors', 'torchvision'],
  ['torchvision-narrow.pth', 'torchvision'],
  ['torchvision-narrow-legacy.pth', 'torchvision'],
  ['bvlc-narrow.npz', 'bvlc-alexnet'],
  ['bvlc-narrow.caffemodel', 'bvlc-alexnet'],
  ['bvlc-narrow-v1.caffemodel', 'bvlc-alexnet'],
] as const;

describe('the shared weights through onnxruntime', function () {
  this.timeout(60_000);
  for (const [file, network] of cases) {
    it(`${file}: every layer within bound, the class scores those of golden.npz`, async function () {
      const golden = readNpz(readFileSync(shared(this, 'weights/golden.npz')), 'golden.npz');
      const short = network === 'torchvision' ? 'torchvision' : 'bvlc';
      const input = toTensor(golden.get(`${short}.input`)!);
      const weights = shared(this, `weights/${file}`);
      const { verdict, values } = await verify({ network, weights, input, device: 'cpu' });
      expect(verdict).to.equal('pass');
      const wanted = dense(toTensor(golden.get(short === 'bvlc' ? 'bvlc.fc8' : 'torchvision.logits')!));
      const device = dense(values.device.get('fc8')!);
      const scale = Math.max(...wanted.map(Math.abs));
      // DESIGN section 6: float32 keeps at least 15 effective bits
      for (const [i, value] of wanted.entries())
        expect(Math.abs(device[i] - value)).to.be.below(2 ** -15 * scale);
    });
  }
});
