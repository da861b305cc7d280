import { expect } from 'chai';
import { lrnForms } from '../../export/index.ts';
import type { Layer, Network } from '../../reference/networks/layers.ts';
import { inputsOf, shapes } from '../../reference/oracle.ts';
import { networkOf, random, randomWeights, run, uniform } from '../support/models.ts';
import { introduced } from '../support/random-bounds.ts';

/** A layer drawn at random; most draws fit some shape, and those that do not are drawn again. */
function draw(pick: (n: number) => number, name: string): Layer {
  const size = () => [1 + pick(4), 1 + pick(4)] as const;
  const window = () => {
    const kernel = size();
    const pad = [0, 1, 2, 3].map((i) => pick(kernel[i % 2])) as unknown as [number, number, number, number];
    const rounding = (['floor', 'onnx', 'caffe'] as const)[pick(3)];
    return { kernel, stride: [1 + pick(3), 1 + pick(3)] as const, pad, rounding };
  };
  switch (pick(7)) {
    case 0: {
      const groups = 1 + pick(2);
      const pad = [pick(3), pick(3), pick(3), pick(3)] as const;
      const attributes = { stride: size(), pad, dilation: [1 + pick(2), 1 + pick(2)] as const, groups };
      return { kind: 'conv2d', name, channels: groups * (1 + pick(4)), kernel: size(), attributes };
    }
    case 1: {
      const even = (['above', 'below'] as const)[pick(2)];
      const constants = { alpha: 0.1 + pick(3), beta: 0.75, k: 1 + pick(2), divide: pick(2) === 1 };
      return {
        kind: 'lrn',
        name,
        attributes: { size: 1 + pick(6), even, groups: 1 + pick(2), ...constants },
      };
    }
    case 2:
      return {
        kind: 'mapnorm',
        name,
        attributes: { size: 1 + pick(5), alpha: 0.5, beta: 0.75, k: 1, divide: pick(2) === 1 },
      };
    case 3:
      return { kind: 'maxpool', name, attributes: window() };
    case 4:
      return {
        kind: 'avgpool',
        name,
        attributes: { ...window(), divisor: (['valid', 'window', 'caffe'] as const)[pick(3)] },
      };
    case 5:
      return { kind: 'adaptiveavgpool', name, attributes: { size: size() } };
    default:
      return { kind: 'tanh', name };
  }
}

/**
 * Whether the oracle and ONNX both have such a layer there, without empty windows (−FLT_MAX, whose square
 * overflows).
 */
function fits(network: Network): boolean {
  try {
    shapes(network);
    const layer = network.layers[network.layers.length - 1];
    if (layer.kind !== 'avgpool' && layer.kind !== 'maxpool') return true;
    const x = shapes({ ...network, layers: network.layers.slice(0, -1) });
    const [H, W] = [...x.values()].at(-1)!.slice(2);
    const [P, Q] = shapes(network).get(layer.name)!.slice(2);
    const { stride, pad } = layer.attributes;
    return (P - 1) * stride[0] - pad[0] < H && (Q - 1) * stride[1] - pad[1] < W;
  } catch {
    return false;
  }
}

function drawNetwork(seed: number): Network {
  const next = uniform(seed * 2654435761);
  for (let i = 0; i < 20; i++) next();
  const pick = (n: number) => Math.floor(((next() + 1) / 2) * n);
  const input = [2 * (1 + pick(3)), 7 + pick(9), 6 + pick(9)] as const;
  let network = networkOf(input);
  while (network.layers.length < 5) {
    const layer = draw(pick, `layer${network.layers.length}`);
    const longer = { ...network, layers: [...network.layers, layer] };
    if (fits(longer)) network = longer;
  }
  return network;
}

describe('export of random networks', () => {
  for (let seed = 1; seed <= 40; seed++) {
    const network = drawNetwork(seed);
    it(`${seed}: ${network.layers.map(({ kind }) => kind).join(', ')}`, async () => {
      const weights = randomWeights(network, seed);
      const x = random([1 + (seed % 3), ...network.input], seed, 3);
      const lrn = lrnForms[seed % 3];
      const values = await run(network, weights, x, { lrn, opset: 13 + (seed % 6), optimised: seed % 4 > 1 });
      values.set('input', x);
      for (const [index, layer] of network.layers.entries()) {
        const inputs = inputsOf(network, index).map((name) => values.get(name)!);
        const worst = introduced(layer, inputs, values.get(layer.name)!, weights);
        expect(worst, `${layer.name} ${JSON.stringify(layer)}`).to.be.at.most(1);
      }
    });
  }
});
