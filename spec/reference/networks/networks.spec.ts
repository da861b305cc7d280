/** The networks against the papers' and the frameworks' figures: nothing here is computed by the code under test. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { networkNamed, networks } from '../../../reference/networks/index.ts';
import type { Layer } from '../../../reference/networks/layers.ts';
import { layerMacs, macs, parameterCount, shapes, weightShapes } from '../../../reference/oracle.ts';

/** name, input, parameters, multiply-accumulates: the sums over the published layer tables. */
const table: [string, number, number, number][] = [
  ['alexnet2012', 227, 60_965_224, 724_406_816],
  ['alexnet2012-as-run', 224, 60_965_224, 724_406_816],
  ['bvlc-alexnet', 227, 60_965_224, 724_406_816],
  ['caffenet', 227, 60_965_224, 724_406_816],
  ['onnx-zoo', 224, 60_965_224, 654_560_384],
  // torchvision/models/alexnet.py: num_params 61100840, _ops 0.714
  ['torchvision', 224, 61_100_840, 714_188_480],
  ['alexnet-half', 227, 59_798_312, 391_514_384],
  // Caffe's cifar10_full: (75 + 1)·32 + (800 + 1)·32 + (800 + 1)·64 + (1024 + 1)·10
  ['cifar10-full', 32, 89_578, 12_298_240],
];

/** Output side or size of each layer that changes it, in order. */
const mapsOf = (name: string): string =>
  [...shapes(networkNamed(name), 3)]
    .filter(([layer]) => /^(input|conv|pool|avgpool|flatten|fc|ip|prob)/.test(layer))
    .map(([layer, [n, ...rest]]) => {
      expect(n, layer).to.equal(3);
      return `${layer} ${rest.join('×')}`;
    })
    .join(', ');

const kinds = (name: string): string =>
  networkNamed(name)
    .layers.map(({ kind }) => kind)
    .join(' ');

const layerOf = <Kind extends Layer['kind']>(network: string, name: string, kind: Kind) => {
  const layer = networkNamed(network).layers.find((one) => one.name === name);
  if (layer?.kind !== kind) throw new Error(`${network} has no ${kind} ${name}`);
  return layer as Extract<Layer, { kind: Kind }>;
};

const head = 'fc6 4096, fc7 4096, fc8 1000';

describe('reference/networks', () => {
  for (const [name, side, parameters, multiplications] of table) {
    it(`${name}: ${parameters.toLocaleString('en')} parameters, ${multiplications.toLocaleString('en')} MACs`, () => {
      const network = networkNamed(name);
      expect(network.input).to.deep.equal([3, side, side]);
      expect(parameterCount(network)).to.equal(parameters);
      expect(macs(network)).to.equal(multiplications);
    });
  }

  it("has Caffe's and the paper's geometry: 55, 27, 13, 6", () => {
    const maps =
      'conv1 96×55×55, pool1 96×27×27, conv2 256×27×27, pool2 256×13×13, conv3 384×13×13, conv4 384×13×13, ' +
      `conv5 256×13×13, pool5 256×6×6, flatten 9216, ${head}, prob 1000`;
    for (const name of ['alexnet2012', 'bvlc-alexnet', 'caffenet'])
      expect(mapsOf(name)).to.equal(`input 3×227×227, ${maps}`);
    expect(mapsOf('alexnet2012-as-run')).to.equal(`input 3×224×224, ${maps}`);
    // 55 = ⌊(224 + 3 − 11)/4⌋ + 1; with 6 pixels it would be 55 too
    expect(layerOf('alexnet2012-as-run', 'conv1', 'conv2d').attributes.pad).to.deep.equal([0, 0, 3, 3]);
  });

  it("has the zoo's geometry: 54, 26, 12, 6 (the graph of ONNX's light_bvlc_alexnet)", () => {
    expect(mapsOf('onnx-zoo')).to.equal(
      'input 3×224×224, conv1 96×54×54, pool1 96×26×26, conv2 256×26×26, pool2 256×12×12, conv3 384×12×12, ' +
        `conv4 384×12×12, conv5 256×12×12, pool5 256×6×6, flatten 9216, ${head}, prob 1000`,
    );
    expect(layerOf('onnx-zoo', 'pool5', 'maxpool').attributes.pad).to.deep.equal([0, 0, 1, 1]);
  });

  it("has torchvision's single tower", () => {
    expect(mapsOf('torchvision')).to.equal(
      'input 3×224×224, conv1 64×55×55, pool1 64×27×27, conv2 192×27×27, pool2 192×13×13, conv3 384×13×13, ' +
        `conv4 256×13×13, conv5 256×13×13, pool5 256×6×6, avgpool 256×6×6, flatten 9216, ${head}`,
    );
    expect(kinds('torchvision')).to.equal(
      'conv2d relu maxpool conv2d relu maxpool conv2d relu conv2d relu conv2d relu maxpool adaptiveavgpool ' +
        'flatten dropout linear relu dropout linear relu linear',
    );
  });

  it("has cifar10_full's maps: 32, 16, 8, 4", () => {
    expect(mapsOf('cifar10-full')).to.equal(
      'input 3×32×32, conv1 32×32×32, pool1 32×16×16, conv2 32×16×16, pool2 32×8×8, conv3 64×8×8, pool3 64×4×4, ' +
        'flatten 1024, ip1 10, prob 10',
    );
    expect(kinds('cifar10-full')).to.equal(
      'conv2d maxpool relu mapnorm conv2d relu avgpool mapnorm conv2d relu avgpool flatten linear softmax',
    );
  });

  it('has the layers in the order of the sources', () => {
    const classifier = 'flatten linear relu dropout linear relu dropout linear softmax';
    const upper = 'conv2d relu conv2d relu';
    const paper = `conv2d relu lrn maxpool conv2d relu lrn maxpool ${upper} conv2d relu maxpool ${classifier}`;
    for (const name of ['alexnet2012', 'bvlc-alexnet', 'onnx-zoo', 'alexnet-half'])
      expect(kinds(name), name).to.equal(paper);
    expect(kinds('caffenet')).to.equal(paper.replaceAll('lrn maxpool', 'maxpool lrn'));
    // configuration 145: norm and pool before ReLU in the first layer, two norms after conv2, ReLU after pool5
    expect(kinds('alexnet2012-as-run')).to.equal(
      `conv2d lrn maxpool relu conv2d relu lrn mapnorm maxpool ${upper} conv2d maxpool relu ${classifier}`,
    );
  });

  it('has the constants of each normalisation', () => {
    const lrn = (network: string) => {
      const { size, alpha, beta, k, divide, groups } = layerOf(network, 'norm1', 'lrn').attributes;
      return [size, divide ? alpha / size : alpha, beta, k, groups];
    };
    expect(lrn('alexnet2012')).to.deep.equal([5, 1e-4, 0.75, 2, 1]);
    expect(lrn('alexnet2012-as-run')).to.deep.equal([5, 2e-5, 0.75, 2, 2]);
    for (const name of ['bvlc-alexnet', 'caffenet', 'onnx-zoo'])
      expect(lrn(name)).to.deep.equal([5, 2e-5, 0.75, 1, 1]);
    const map = layerOf('alexnet2012-as-run', 'mapnorm2', 'mapnorm').attributes;
    expect([map.size, map.alpha / map.size ** 2, map.beta, map.k, map.divide]).to.deep.equal([
      5,
      4e-5,
      0.75,
      1,
      true,
    ]);
    const caffe = layerOf('cifar10-full', 'norm1', 'mapnorm').attributes;
    expect([caffe.size, caffe.alpha, caffe.beta, caffe.k, caffe.divide]).to.deep.equal([
      3,
      5e-5,
      0.75,
      1,
      true,
    ]);
  });

  it('splits conv2, conv4 and conv5 in two groups, and nothing else', () => {
    for (const { name, layers } of networks) {
      const grouped = layers.filter((layer) => layer.kind === 'conv2d' && layer.attributes.groups === 2);
      const two = ['alexnet2012', 'alexnet2012-as-run', 'bvlc-alexnet', 'caffenet', 'onnx-zoo'].includes(
        name,
      );
      const wanted = two ? 'conv2 conv4 conv5' : name === 'cifar-alexnet' ? 'conv3 conv5 conv6' : '';
      expect(grouped.map((layer) => layer.name).join(' '), name).to.equal(wanted);
    }
  });

  it("scales dropout as the paper does where the net is the paper's, and as Caffe does elsewhere", () => {
    for (const { name, layers } of networks) {
      const wanted = /^alexnet/.test(name) ? 'paper' : 'inverted';
      for (const layer of layers)
        if (layer.kind === 'dropout')
          expect(layer.attributes, name).to.deep.equal({ ratio: 0.5, convention: wanted });
    }
  });

  it("counts the paper's MACs layer by layer", () => {
    const network = networkNamed('alexnet2012');
    const counted = network.layers
      .map(({ name }, index) => [name, layerMacs(network, index)] as const)
      .filter(([, count]) => count > 0);
    expect(counted).to.deep.equal([
      ['conv1', 105_415_200],
      ['conv2', 223_948_800],
      ['conv3', 149_520_384],
      ['conv4', 112_140_288],
      ['conv5', 74_760_192],
      ['fc6', 37_748_736],
      ['fc7', 16_777_216],
      ['fc8', 4_096_000],
    ]);
  });

  it('has weights in the shapes of the released files', () => {
    const of = (name: string) =>
      [...weightShapes(networkNamed(name))]
        .filter(([key]) => key.endsWith('weight'))
        .map(([key, shape]) => `${key.split('.')[0]} ${shape.join('×')}`)
        .join(', ');
    const fc = 'fc6 4096×9216, fc7 4096×4096, fc8 1000×4096';
    expect(of('bvlc-alexnet')).to.equal(
      `conv1 96×3×11×11, conv2 256×48×5×5, conv3 384×256×3×3, conv4 384×192×3×3, conv5 256×192×3×3, ${fc}`,
    );
    expect(of('torchvision')).to.equal(
      `conv1 64×3×11×11, conv2 192×64×5×5, conv3 384×192×3×3, conv4 256×384×3×3, conv5 256×256×3×3, ${fc}`,
    );
    expect(of('cifar10-full')).to.equal('conv1 32×3×5×5, conv2 32×32×5×5, conv3 64×32×5×5, ip1 10×1024');
  });

  it('names of layers are unique, and an unknown network is refused with all names', () => {
    for (const { name, layers } of networks)
      expect(new Set(layers.map((layer) => layer.name)).size, name).to.equal(layers.length);
    expect(() => networkNamed('alexnet')).to.throw(/^unknown network 'alexnet' \(there are: alexnet2012, /);
  });

  it("the comment at each layer of a network's file is the shape of its output", () => {
    const files = { alexnet2012: 24, asrun: 25, bvlc: 24, torchvision: 22, cifar: 50 };
    const written = Object.entries(files).flatMap(([file, count]) => {
      const url = new URL(`../../../reference/networks/${file}.ts`, import.meta.url);
      const lines = [...readFileSync(url, 'utf8').matchAll(/^ +\w+\('(\w+)'.*\), \/\/ ([\d×]+)/gm)];
      expect(lines, file).to.have.length(count);
      return lines.map(([, layer, shape]) => `${layer} ${shape}`);
    });
    const inFiles = networks.filter(({ name }) => !/caffenet|zoo|half|tanh/.test(name));
    const computed = inFiles.flatMap((network) => [...shapes(network)].slice(1));
    expect(written.sort()).to.deep.equal(computed.map(([n, [, ...s]]) => `${n} ${s.join('×')}`).sort());
  });
});
