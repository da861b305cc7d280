import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { readPreprocess } from '../../../lib/networks/preprocess.ts';
import { diffWeights } from '../../../lib/weights/diff.ts';
import { formatPreprocess, parsePreprocess } from '../../../lib/weights/preprocess.ts';
import { boxedWeights, requireWeights } from '../../../lib/weights/shipped.ts';
import { networkNamed } from '../../../reference/networks/index.ts';
import { refusal } from '../../support/data-fixtures.ts';
import { f32 } from '../../support/onnx.ts';
import { writeNpz } from '../../support/tensor-bytes.ts';

const own = networkNamed('torchvision').preprocess;
const told = (change: object) => refusal(async () => parsePreprocess(JSON.stringify({ ...own, ...change })));

describe('preprocessing as a text', () => {
  it('comes back as it was', () => {
    expect(parsePreprocess(formatPreprocess(own))).to.deep.equal(own);
    const many = (count: number) => ({ mean: Array(count).fill(1), deviation: Array(count).fill(2) });
    expect(parsePreprocess(JSON.stringify({ ...own, ...many(64) })).mean).to.have.length(64);
  });

  it('names the step that is wrong', async () => {
    const wrong: [object, string][] = [
      [{ resize: { mode: 'longer', size: 256 } }, 'resize'],
      [{ resize: { mode: 'warp', size: 2.5 } }, 'resize'],
      [{ crop: { size: -1, offset: 'floor' } }, 'crop'],
      [{ crop: { size: 1, offset: 'floor', more: 1 } }, 'crop'],
      [{ channels: 'RGBA' }, 'channels'],
      [{ range: 2 }, 'range'],
      [{ mean: Array(65).fill(0) }, 'mean'],
      [{ mean: [null, 1, 2] }, 'mean'],
      [{ deviation: 'x' }, 'deviation'],
      [{ meanImage: 'perhaps' }, 'meanImage'],
    ];
    for (const [change, step] of wrong)
      expect(await told(change)).to.equal(`preprocess: '${step}' is wrong or missing`);
    expect(await told({ gamma: 2 })).to.equal('preprocess: unknown steps');
    const numbers = "preprocess: 'mean' and 'deviation' must be as many, and no deviation 0";
    expect(await told({ mean: [1, 2] })).to.equal(numbers);
    expect(await told({ deviation: [1, 0, 1] })).to.equal(numbers);
    expect(await refusal(async () => parsePreprocess('{'))).to.equal('preprocess: no valid JSON: "{"');
    expect(await refusal(async () => parsePreprocess('null'))).to.match(/^preprocess: 'resize' is wrong/);
  });

  it('is a network’s by its name, or a file’s', async () => {
    expect(await readPreprocess('torchvision')).to.equal(own);
    expect(await readPreprocess({ ...own })).to.deep.equal(own);
    expect(await refusal(() => readPreprocess('no-such'))).to.match(
      /no-such: no such file, and no network has this name$/,
    );
  });
});

describe('weights where none are given', () => {
  it('are those in the box, for one network; nobody gets random ones unasked', () => {
    const boxed = boxedWeights('cifar-alexnet');
    expect(boxed).to.match(/cifar-alexnet.weights\.safetensors$/);
    const of = (choice: object) => requireWeights('predict', choice);
    expect(of({ network: 'cifar-alexnet' })).to.deep.equal({ network: 'cifar-alexnet', weights: boxed });
    for (const choice of [{ seed: 0 }, { weights: 'w.npz' }, { network: 'cifar-alexnet', seed: 1 }])
      expect(of(choice)).to.equal(choice);
    for (const choice of [{}, { network: 'torchvision' }, { network: 'cifar-alexnet', init: 'caffe' }])
      expect(() => of(choice)).to.throw('predict needs weights: --weights FILE, or --network cifar-alexnet');
    expect(() => of({ network: 'lenet' })).to.throw("unknown network 'lenet'");
  });
});

describe('two files of weights', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  it('are compared in units in the last place: signs, zeros, NaN, types', async () => {
    const write = (name: string, a: number[]) => {
      const path = join(folder, name);
      writeFileSync(path, writeNpz([['a', f32(a) as never]]));
      return path;
    };
    const one = write('one.npz', [1, 0, -1, Number.NaN, 5]);
    const other = write('other.npz', [1 + 2 ** -23, -0, -1 - 2 ** -22, Number.NaN, 5]);
    const { tensors, equal, network } = await diffWeights(one, other);
    // one above 1; −0 is the one below +0; two below −1
    expect(tensors).to.deep.equal([
      {
        ...{ name: 'a', shapes: [[5], [5]], dtypes: ['float32', 'float32'], values: 5 },
        ...{ differing: 3, ulps: 2, absolute: 2 ** -22, at: 2 },
      },
    ]);
    expect([equal, network]).to.deep.equal([false, null]);
    expect((await diffWeights(one, one)).equal).to.equal(true);
    expect(await refusal(() => diffWeights(one, one, 'lenet'))).to.match(/^unknown network 'lenet'/);
    expect(await refusal(() => diffWeights(one, one, 'torchvision'))).to.match(/one\.npz: /);
  });
});
