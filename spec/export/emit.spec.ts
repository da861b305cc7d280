import fs from 'node:fs';
import { expect } from 'chai';
import { type BuildModelOptions, buildModel, lrnForms } from '../../export/index.ts';
import { forward } from '../../lib/fast/oracle.ts';
import type { Layer } from '../../reference/networks/layers.ts';
import { map, tensor } from '../../reference/tensor.ts';
import { networkOf, random, randomWeights, run } from '../support/models.ts';
import { introduced } from '../support/random-bounds.ts';

const input = [6, 9, 7] as const;

const window = { kernel: [3, 2], stride: [2, 1], pad: [1, 0, 0, 1], rounding: 'floor' } as const;
const lrn = { size: 5, alpha: 0.3, beta: 0.75, k: 2, divide: false, even: 'above', groups: 1 } as const;
const mapnorm = { size: 3, alpha: 0.3, beta: 0.75, k: 1, divide: true } as const;

/** One case of every emitter; the rest of the space is searched at random below. */
const cases: Record<string, { layer: Layer; options?: BuildModelOptions }> = {
  relu: { layer: { kind: 'relu', name: 'y' } },
  tanh: { layer: { kind: 'tanh', name: 'y' } },
  sigmoid: { layer: { kind: 'sigmoid', name: 'y' } },
  conv2d: {
    layer: {
      kind: 'conv2d',
      name: 'y',
      channels: 4,
      kernel: [3, 2],
      attributes: { stride: [2, 1], pad: [1, 0, 2, 1], dilation: [1, 2], groups: 2 },
    },
  },
  'conv2d, 1×1': {
    layer: {
      kind: 'conv2d',
      name: 'y',
      channels: 5,
      kernel: [1, 1],
      attributes: { stride: [1, 1], pad: [0, 0, 0, 0], dilation: [1, 1], groups: 1 },
    },
  },
  'lrn native': { layer: { kind: 'lrn', name: 'y', attributes: lrn } },
  'lrn native in groups': {
    layer: { kind: 'lrn', name: 'y', attributes: { ...lrn, groups: 2, divide: true } },
  },
  'lrn decomposed': { layer: { kind: 'lrn', name: 'y', attributes: lrn }, options: { lrn: 'decomposed' } },
  'lrn decomposed in groups': {
    layer: { kind: 'lrn', name: 'y', attributes: { ...lrn, groups: 3, size: 3 } },
    options: { lrn: 'decomposed' },
  },
  'lrn, even window above': { layer: { kind: 'lrn', name: 'y', attributes: { ...lrn, size: 4 } } },
  'lrn, even window below': {
    layer: { kind: 'lrn', name: 'y', attributes: { ...lrn, size: 4, even: 'below' } },
  },
  'lrn decomposed, β = ½': {
    layer: { kind: 'lrn', name: 'y', attributes: { ...lrn, beta: 0.5 } },
    options: { lrn: 'decomposed' },
  },
  'lrn decomposed, β = 1': {
    layer: { kind: 'lrn', name: 'y', attributes: { ...lrn, beta: 1 } },
    options: { lrn: 'decomposed' },
  },
  'lrn decomposed, β = 0.6': {
    layer: { kind: 'lrn', name: 'y', attributes: { ...lrn, beta: 0.6 } },
    options: { lrn: 'decomposed' },
  },
  'lrn by a band matrix': { layer: { kind: 'lrn', name: 'y', attributes: lrn }, options: { lrn: 'band' } },
  'lrn by a band matrix, in groups, even window below': {
    layer: {
      kind: 'lrn',
      name: 'y',
      attributes: { ...lrn, groups: 2, size: 4, even: 'below', divide: true, k: 1 },
    },
    options: { lrn: 'band' },
  },
  mapnorm: { layer: { kind: 'mapnorm', name: 'y', attributes: mapnorm } },
  'mapnorm, even window, α not divided': {
    layer: { kind: 'mapnorm', name: 'y', attributes: { ...mapnorm, size: 4, divide: false } },
  },
  maxpool: { layer: { kind: 'maxpool', name: 'y', attributes: window } },
  'maxpool, rounded up': {
    layer: { kind: 'maxpool', name: 'y', attributes: { ...window, rounding: 'onnx' } },
  },
  'maxpool with an empty window': {
    layer: {
      kind: 'maxpool',
      name: 'y',
      attributes: { kernel: [2, 1], stride: [4, 5], pad: [0, 0, 0, 0], rounding: 'caffe' },
    },
  },
  'avgpool, valid': { layer: { kind: 'avgpool', name: 'y', attributes: { ...window, divisor: 'valid' } } },
  'avgpool, window': { layer: { kind: 'avgpool', name: 'y', attributes: { ...window, divisor: 'window' } } },
  'avgpool, caffe': {
    layer: {
      kind: 'avgpool',
      name: 'y',
      attributes: { kernel: [3, 3], stride: [2, 3], pad: [0, 0, 0, 0], rounding: 'caffe', divisor: 'caffe' },
    },
  },
  'avgpool, caffe with pads': {
    layer: {
      kind: 'avgpool',
      name: 'y',
      attributes: { kernel: [3, 4], stride: [3, 3], pad: [1, 1, 1, 1], rounding: 'caffe', divisor: 'caffe' },
    },
  },
  'avgpool, caffe with pads that differ': {
    layer: {
      kind: 'avgpool',
      name: 'y',
      attributes: { kernel: [3, 4], stride: [3, 3], pad: [1, 0, 2, 1], rounding: 'caffe', divisor: 'caffe' },
    },
  },
  'adaptiveavgpool, equal bins': {
    layer: { kind: 'adaptiveavgpool', name: 'y', attributes: { size: [3, 7] } },
  },
  'adaptiveavgpool, unequal bins': {
    layer: { kind: 'adaptiveavgpool', name: 'y', attributes: { size: [4, 3] } },
  },
  'dropout, paper': {
    layer: { kind: 'dropout', name: 'y', attributes: { ratio: 0.3, convention: 'paper' } },
  },
  'dropout, inverted': {
    layer: { kind: 'dropout', name: 'y', attributes: { ratio: 0.3, convention: 'inverted' } },
  },
  flatten: { layer: { kind: 'flatten', name: 'y', attributes: { order: 'CHW' } } },
  'flatten, HWC': { layer: { kind: 'flatten', name: 'y', attributes: { order: 'HWC' } } },
  split: { layer: { kind: 'split', name: 'y', attributes: { parts: 3, part: 1 } } },
  concat: { layer: { kind: 'concat', name: 'y', inputs: ['input', 'x', 'input'] } },
};

/** Operations that need a matrix in front of them. */
const onMatrix: Record<string, Layer> = {
  linear: { kind: 'linear', name: 'y', channels: 5 },
  softmax: { kind: 'softmax', name: 'y' },
};

const front: Layer = { kind: 'relu', name: 'x' };
const flat: Layer = { kind: 'flatten', name: 'x', attributes: { order: 'CHW' } };
const all = [
  ...Object.entries(cases).map(([title, { layer, options }]) => ({ title, layer, options, before: front })),
  ...Object.entries(onMatrix).map(([title, layer]) => ({ title, layer, options: undefined, before: flat })),
];

/** Nodes and small constants of a model, as the golden file holds them. */
function listing(network: ReturnType<typeof networkOf>, options?: BuildModelOptions) {
  const { graph } = buildModel(network, randomWeights(network, 1), options).model;
  const attributes = (node: {
    attribute: { name: string; f?: number; i?: number; ints: number[]; s?: Uint8Array }[];
  }) =>
    Object.fromEntries(
      node.attribute.map(({ name, f, i, ints, s }) => [
        name,
        f ?? i ?? (s ? Buffer.from(s).toString() : ints),
      ]),
    );
  const nodes = graph!.node
    .slice(1)
    .map((node) => [node.opType, node.input.join(' '), node.output.join(' '), attributes(node)]);
  const constants = graph!.initializer.map(({ name, dims }) => `${name} [${dims}]`);
  return { nodes, constants };
}

const golden = new URL('../../fixtures/export/nodes.json', import.meta.url);

describe('export/emit', () => {
  it('writes the nodes that the golden file lists (ALEXNET_UPDATE_GOLDEN=1 writes it anew)', () => {
    const made = Object.fromEntries(
      all.map(({ title, layer, options, before }) => [
        title,
        listing(networkOf(input, before, layer), options),
      ]),
    );
    if (process.env.ALEXNET_UPDATE_GOLDEN === '1')
      fs.writeFileSync(golden, `${JSON.stringify(made, null, 1)}\n`);
    expect(made).to.deep.equal(JSON.parse(fs.readFileSync(golden, 'utf8')));
  });

  for (const { title, layer, options, before } of all) {
    it(`${title}: onnxruntime computes what the oracle does, opset 13 to 25, one image and three`, async () => {
      const network = networkOf(input, before, layer);
      const weights = randomWeights(network, 3);
      const pooling = /pool/.test(layer.kind);
      for (const opset of pooling ? [13, 17, 18, 19, 22, 25] : [13, 18, 25]) {
        for (const batch of [1, 3]) {
          const x = random([batch, ...input], 17 + batch, 4);
          const values = await run(network, weights, x, { ...options, opset });
          const inputs = (layer.inputs ?? ['x']).map((name) => (name === 'input' ? x : values.get(name)!));
          expect(introduced(layer, inputs, values.get('y')!, weights), `opset ${opset}`).to.be.at.most(1);
        }
      }
    });
  }

  it('kills the neighbours: each wrong variant of a layer is seen', async () => {
    const wrong: [Layer, Layer][] = [
      [cases['lrn native'].layer, { kind: 'lrn', name: 'y', attributes: { ...lrn, divide: true } }],
      [cases['lrn native'].layer, { kind: 'lrn', name: 'y', attributes: { ...lrn, groups: 2 } }],
      [cases['lrn, even window above'].layer, cases['lrn, even window below'].layer],
      [cases.maxpool.layer, { kind: 'maxpool', name: 'y', attributes: { ...window, pad: [0, 1, 1, 0] } }],
      [cases['avgpool, valid'].layer, cases['avgpool, window'].layer],
      [cases['dropout, paper'].layer, cases['dropout, inverted'].layer],
      [cases.flatten.layer, cases['flatten, HWC'].layer],
    ];
    const x = random([2, ...input], 5, 4);
    for (const [right, other] of wrong) {
      const values = await run(networkOf(input, front, other), new Map(), x);
      expect(introduced(right, [values.get('x')!], values.get('y')!, new Map())).to.be.above(10);
    }
  });

  it("a window without a pixel has Caffe's −FLT_MAX, in float16 −65504, the least number there", async () => {
    const pool = cases['maxpool with an empty window'].layer;
    const x = tensor(Float32Array.of(1, 7, 3, 4, 5, 6), [1, 1, 3, 2]);
    for (const [precision, least] of [
      ['float32', -3.4028234663852886e38],
      ['float16', -65504],
    ] as const) {
      const values = await run(networkOf([1, 3, 2], pool), new Map(), x, { precision, tapped: false });
      expect([...values.get('y')!.data], precision).to.deep.equal([3, least, least, least]);
    }
  });

  it('float16 computes normalisation in float32: values of thousands do not overflow', async () => {
    for (const form of lrnForms) {
      for (const layer of [
        cases['lrn native'].layer,
        cases['lrn, even window below'].layer,
        cases.mapnorm.layer,
      ]) {
        const network = networkOf(input, front, layer);
        const x = map(random([2, ...input], 9), (v) => Math.abs(v) * 30000);
        const file = buildModel(network, new Map(), { precision: 'float16', lrn: form });
        const types = new Map(
          file.model.graph!.valueInfo.map(({ name, type }) => [name, type!.tensorType!.elemType]),
        );
        expect(types.get('x')).to.equal(10);
        for (const [name, type] of types)
          if (/square|mean|scaled|normal|power/.test(name)) expect(type, name).to.equal(1);
        const y = (await run(network, new Map(), x, { precision: 'float16', lrn: form, tapped: false })).get(
          'y',
        )!;
        const exact = forward(network, new Map(), x, { precision: 'float64' });
        // x and y are rounded to float16, 2⁻¹¹ each; x's error counts 1 + 2β = 2.5 times in y
        for (let i = 0; i < y.data.length; i++)
          expect(Math.abs(y.data[i] - exact.data[i])).to.be.at.most(
            4 * 2 ** -11 * Math.abs(exact.data[i]) + 2 ** -24,
          );
      }
    }
  });
});
