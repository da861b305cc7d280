import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { toTensor } from '../../lib/array/value.ts';
import { operationsFor } from '../../lib/fast/index.ts';
import { forward } from '../../lib/fast/oracle.ts';
import { loadWeights } from '../../lib/weights/load.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import { dense, type Tensor } from '../../reference/tensor.ts';
import { shared } from '../support/shared.ts';
import { readNpz } from '../support/tensor-bytes.ts';

/**
 * PyTorch's float64 outputs and the oracle's differ by their roundings: a few hundred times 2⁻⁵³ through
 * eight layers.
 */
const RELATIVE = 1e-12;

const cases = [
  {
    network: 'torchvision',
    weights: 'torchvision-narrow.safetensors',
    outputs: { fc8: 'torchvision.logits' },
  },
  { network: 'torchvision', weights: 'torchvision-narrow.npz', outputs: { fc8: 'torchvision.logits' } },
  { network: 'bvlc-alexnet', weights: 'bvlc-narrow.npz', outputs: { fc8: 'bvlc.fc8', prob: 'bvlc.prob' } },
] as const;

describe('the oracle in float64 against PyTorch in float64, same weights', () => {
  for (const { network, weights: file, outputs } of cases) {
    it(`${network} with ${file}`, async function () {
      const golden = readNpz(readFileSync(shared(this, 'weights/golden.npz')), 'golden.npz');
      const loaded = await loadWeights(shared(this, `weights/${file}`), networkNamed(network));
      const array = (name: string): Tensor => toTensor(golden.get(name)!);
      const values = new Map<string, Tensor>();
      const input = array(`${network.split('-')[0]}.input`);
      const trace = (layer: { name: string }, y: Tensor) => values.set(layer.name, y);
      for (const plain of [true, false]) {
        forward(loaded.network, loaded.weights, input, {
          precision: 'float64',
          operations: operationsFor({ plain }),
          trace,
        });
        for (const [layer, name] of Object.entries(outputs)) {
          const expected = dense(array(name));
          const scale = Math.max(...expected.map(Math.abs));
          dense(values.get(layer)!).forEach((value, i) => {
            expect(Math.abs(value - expected[i]), `${layer}[${i}]`).to.be.at.most(RELATIVE * scale);
          });
        }
      }
    });
  }
});
