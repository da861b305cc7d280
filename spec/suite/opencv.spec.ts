/** `verify --values`: what OpenCV's dnn makes of the files written here, dumped by the script of the docs. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { buildModel, joined } from '../../export/index.ts';
import { fromTensor } from '../../lib/array/value.ts';
import { writeNpy } from '../../lib/format/npy.ts';
import { verify } from '../../lib/index.ts';
import { modelOf } from '../../lib/networks/modelfile.ts';
import { pictureSide, pixelSteps } from '../../reference/input/pixels.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import { flatten, softmax } from '../../reference/networks/layers.ts';
import { tensor } from '../../reference/tensor.ts';
import { narrow, networkOf, random, randomWeights } from '../support/models.ts';
import { needsPython, type Subject } from '../support/pytorch.ts';
import { recipeOf, runPython } from '../support/recipe.ts';

/** A network with weights and an input, and the form of LRN in its file. */
type Case = Subject & { readonly lrn: 'native' | 'decomposed' | 'band' };

function caseOf(name: string, lrn: Case['lrn'], images = 1): Case {
  const network = narrow(networkNamed(name));
  const input = random([images, ...network.input], 5, 100);
  return { network, weights: randomWeights(network, 3), input, lrn };
}

/** Probabilities from 1 down to e^−95. */
const small: Case = {
  network: networkOf([128, 1, 1], flatten('flatten'), softmax('prob')),
  weights: new Map(),
  input: tensor(
    new Float32Array(128).map((_, i) => -0.75 * i),
    [1, 128, 1, 1],
  ),
  lrn: 'native',
};

const right: readonly Case[] = [
  caseOf('alexnet2012', 'native'),
  caseOf('alexnet2012', 'band'),
  caseOf('bvlc-alexnet', 'native'),
  caseOf('bvlc-alexnet', 'band'),
  caseOf('caffenet', 'band'),
  caseOf('torchvision', 'native'),
  caseOf('torchvision', 'native', 2),
];
const wrong = caseOf('alexnet2012', 'decomposed');

describe('values that OpenCV computed', function () {
  this.timeout(60_000);
  let folder = '';
  const dumps = new Map<Case, string>();
  before(function () {
    needsPython(this, 'cv2', 'python3-opencv');
    folder = mkdtempSync(join(tmpdir(), 'opencv-'));
    const runs = [...right, wrong, small].map((one, i) => {
      const { network, weights, input, lrn } = one;
      const [model, x, dump] = ['onnx', 'npy', 'npz'].map((type) => join(folder, `${i}.${type}`));
      writeFileSync(model, joined(buildModel(network, weights, { lrn }).chunks()));
      writeFileSync(x, writeNpy(fromTensor(input)));
      dumps.set(one, dump);
      return [model, x, dump];
    });
    runPython(recipeOf('OpenCV'), runs);
  });
  after(() => folder && rmSync(folder, { recursive: true }));

  const judged = (one: Case) => {
    const { network, weights, input } = one;
    return verify({ network, weights, input, values: dumps.get(one) });
  };

  for (const one of right) {
    const { network, lrn, input } = one;
    it(`${network.name}, LRN ${lrn}, ${input.shape[0]} images: every layer passes`, async () => {
      const { verdict, layers } = await judged(one);
      expect(verdict, JSON.stringify(layers.map(({ layer, reason }) => [layer, reason]))).to.equal('pass');
      expect(layers.length).to.equal(network.layers.length);
    });
  }

  it('alexnet2012, torchvision, cifar-alexnet of pictures: what is done to them passes, and every layer', async () => {
    const cases = ['alexnet2012', 'torchvision', 'cifar-alexnet'].map((name) => {
      const network = narrow(networkNamed(name));
      const side = pictureSide(network);
      const [model, x, values] = ['onnx', 'npy', 'npz'].map((type) => join(folder, `${name}.${type}`));
      const form = { source: 'a spec', input: 'uint8' } as const;
      writeFileSync(model, joined(modelOf(network, randomWeights(network, 3), form).chunks()));
      const data = Uint8Array.from(random([side, side, 3], 5, 128).data, (v) => v + 128);
      writeFileSync(x, writeNpy({ dtype: 'uint8', shape: [1, side, side, 3], data }));
      return { network, model, x, values };
    });
    const script = recipeOf('OpenCV').replace('(x)\nnames', "(x.astype('float32'))\nnames");
    const runs = cases.map(({ model, x, values }) => [model, x, values]);
    runPython(script.replace('input=x', 'image=x'), runs);
    for (const { network, model, values } of cases) {
      const { verdict, layers } = await verify({ model, values });
      expect(verdict, JSON.stringify(layers.map(({ layer, reason }) => [layer, reason]))).to.equal('pass');
      const kinds = [...pixelSteps(network), ...network.layers].map(({ kind }) => kind);
      expect(layers.map(({ kind }) => kind)).to.deep.equal(kinds);
    }
  });

  it('the decomposed LRN is wrong, and named: count_include_pad is ignored', async () => {
    const { first, why, layers } = await judged(wrong);
    expect(first).to.equal('norm1');
    expect(why?.explanation.matches).to.deep.equal([
      'the divisor counts only channels that are there (OpenCV 4.6)',
    ]);
    const failed = layers.filter(({ verdict }) => verdict === 'fail').map(({ layer }) => layer);
    expect(failed).to.deep.equal(['norm1', 'norm2']);
  });

  it('probabilities that its exponential takes for 0 pass', async () => {
    const { verdict, values } = await judged(small);
    expect(verdict).to.equal('pass');
    const lost = [...values.device.get('prob')!.data].indexOf(0);
    expect(values.oracle.get('prob')!.data[lost]).to.be.greaterThan(2 ** -126);
  });
});
