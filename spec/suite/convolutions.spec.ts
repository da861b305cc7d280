/**
 * The forms that a convolution and its gradients take in the training graphs, for a CPU and for a GPU: small
 * maps with many filters, strides, dilation, pads that differ, groups, several pieces of U. Judged by the
 * bounds of verify --graph.
 */
import { expect } from 'chai';
import { buildGradients } from '../../export/index.ts';
import { joined } from '../../export/wire.ts';
import { verifyTraining } from '../../lib/verify/training/training.ts';
import type { Layer, Network } from '../../reference/networks/layers.ts';
import { flatten, linear, relu } from '../../reference/networks/layers.ts';
import { networkOf, random, randomWeights } from '../support/models.ts';

interface Case {
  readonly title: string;
  readonly input: readonly [number, number, number];
  readonly batch: number;
  readonly first: readonly [channels: number, kernel: readonly [number, number], attributes?: object];
  readonly second: readonly [channels: number, kernel: readonly [number, number], attributes?: object];
  /** Operators that the CPU's graph must have, or must not have ('-Conv'). */
  readonly uses: readonly string[];
}

const conv = (name: string, [channels, kernel, attributes = {}]: Case['first']): Layer => {
  const plain = { stride: [1, 1], pad: [0, 0, 0, 0], dilation: [1, 1], groups: 1 } as const;
  return { name, kind: 'conv2d', channels, kernel, attributes: { ...plain, ...attributes } };
};

const cases: readonly Case[] = [
  {
    title: 'maps of 4×3 pixels, 24 filters in a group: products forward and back',
    input: [16, 4, 3],
    batch: 3,
    first: [32, [3, 2], { pad: [1, 0, 1, 1] }],
    second: [48, [3, 3], { pad: [1, 1, 1, 1], groups: 2 }],
    uses: ['-Conv', '-ConvTranspose'],
  },
  {
    title: 'stride 2 and pads that differ: dx by ConvTranspose',
    input: [2, 9, 8],
    batch: 2,
    first: [6, [3, 2], { pad: [2, 0, 1, 1], groups: 2 }],
    second: [4, [2, 3], { stride: [2, 3], pad: [1, 0, 0, 2] }],
    uses: ['Conv', 'ConvTranspose'],
  },
  {
    title: 'dilation, and rows that no window reads',
    input: [2, 11, 10],
    batch: 2,
    first: [4, [3, 3], { stride: [2, 2], pad: [1, 0, 0, 1] }],
    second: [6, [2, 2], { dilation: [2, 1], groups: 2 }],
    uses: ['ConvTranspose'],
  },
  {
    title: 'a kernel of 6×6: dw by convolution on the CPU',
    input: [2, 9, 10],
    batch: 3,
    first: [4, [6, 6], { stride: [2, 3], pad: [1, 2, 0, 1], groups: 2 }],
    second: [4, [1, 1]],
    uses: ['Conv'],
  },
  {
    title: 'several pieces of U, of 21 and 22 images',
    input: [3, 12, 11],
    batch: 43,
    first: [32, [3, 3], { pad: [1, 1, 1, 1] }],
    second: [160, [3, 3], { pad: [1, 1, 1, 1], groups: 1 }],
    uses: ['Concat'],
  },
];

describe('convolutions in the training graphs', function () {
  this.timeout(120_000);

  for (const { title, input, batch, first, second, uses } of cases) {
    const layers = [
      conv('conv1', first),
      relu('relu1'),
      conv('conv2', second),
      flatten('flatten'),
      linear('fc', 3),
    ];
    const network: Network = { ...networkOf(input, ...layers), name: 'convolutions' };

    for (const target of ['cpu', 'gpu'] as const) {
      it(`${title}; for a ${target}`, async () => {
        const model = buildGradients(network, { batch, target });
        const operators = new Set(model.model.graph!.node.map(({ opType }) => opType));
        if (target === 'cpu') {
          for (const use of uses)
            expect(operators.has(use.replace('-', '')), use).to.equal(!use.startsWith('-'));
        } else expect(operators.has('Concat')).to.equal(false);
        const { verdict, layers: rows } = await verifyTraining({
          graph: 'gradients',
          network,
          weights: randomWeights(network, 7),
          batch: {
            input: random([batch, ...input], 3, 2),
            labels: Array.from({ length: batch }, (_, n) => n % 3),
            dropout: 'none',
          },
          hyper: { rule: 'paper', learningRate: 0.01 },
          steps: 1,
          device: 'cpu',
          file: joined(model.chunks()),
        });
        const wrong = rows
          .filter((row) => row.verdict !== 'pass')
          .map(({ layer, reason }) => `${layer}: ${reason}`);
        expect(wrong).to.deep.equal([]);
        expect(verdict).to.equal('pass');
        expect(rows.map(({ layer }) => layer)).to.include.members([
          'dconv1.weight',
          'dconv2.weight',
          'drelu1',
          'dinput',
        ]);
      });
    }
  }
});
