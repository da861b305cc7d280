/**
 * Every shared file of weights, in every format, through onnxruntime and the oracle to PyTorch's float64
 * outputs.
 */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { toTensor } from '../../lib/array/value.ts';
import { Classifier } from '../../lib/classify/classifier.ts';
import { verify } from '../../lib/verify/index.ts';
import { type ConvertOptions, convertWeights } from '../../lib/weights/convert.ts';
import { dense } from '../../reference/tensor.ts';
import { shared } from '../support/shared.ts';
import { readNpz } from '../support/tensor-bytes.ts';

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
  this.timeout(180_000);
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

describe('weights in another convention', function () {
  this.timeout(180_000);
  const wishes: [string, string, ConvertOptions][] = [
    ['bvlc-narrow.caffemodel', 'bvlc-alexnet', { channels: 'RGB', range: 1, fold: ['mean'] }],
    ['torchvision-narrow.pth', 'torchvision', { channels: 'BGR', range: 255, fold: ['deviation'] }],
    ['bvlc-narrow.caffemodel', 'bvlc-alexnet', { dropout: 'paper' }],
  ];
  for (const [file, network, wish] of wishes) {
    it(`${file} with ${JSON.stringify(wish)}: the same probabilities of a photo through onnxruntime`, async function () {
      const photo = shared(this, 'images/caffe_cat.jpg');
      const folder = mkdtempSync(join(tmpdir(), 'convention-'));
      try {
        const converted = join(folder, 'w.safetensors');
        await convertWeights(shared(this, `weights/${file}`), converted, { network, ...wish });
        const scores: number[][] = [];
        for (const weights of [shared(this, `weights/${file}`), converted]) {
          await using classifier = await Classifier.open({ network, weights, device: 'cpu', top: 10 });
          const [found] = await classifier.classify([photo]);
          if ('error' in found) throw new Error(found.error);
          const sorted = [...found.guesses].sort((a, b) => a.class - b.class);
          scores.push(sorted.map(({ probability }) => probability));
        }
        expect(scores[0]).to.have.length(10);
        // both runs keep at least 15 effective bits, and softmax passes on an error e of a score as e·p
        for (const [i, value] of scores[0].entries()) {
          expect(Math.abs(scores[1][i] - value)).to.be.at.most(2 ** -13 * value);
        }
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  }
});
