/** The table of opsets against the evaluator's own, which follows ONNX's changelog, and against the document. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import * as ort from 'onnxruntime-node';
import { joined } from '../../export/index.ts';
import { changes, opsets } from '../../export/opsets.ts';
import { decodeModel } from '../../export/proto.ts';
import { modelOf } from '../../lib/networks/modelfile.ts';
import { builtModel } from '../../lib/onnx/read.ts';
import { findOperator } from '../../lib/onnx/registry.ts';
import { verifyLayers } from '../../lib/verify/layers.ts';
import { pairOf } from '../../lib/verify/pairing.ts';
import { networkNamed, networks } from '../../reference/networks/index.ts';
import { tensor } from '../../reference/tensor.ts';
import { narrow, random, randomWeights } from '../support/models.ts';

const { first, last } = opsets;
const all = Array.from({ length: last - first + 1 }, (_, i) => first + i);
const weightsOf = new Map(networks.map((wide) => [narrow(wide), randomWeights(narrow(wide), 3)]));

describe('export/opsets', function () {
  this.timeout(120_000);

  it('tells of every operator in which opset a new version begins', () => {
    const written = new Set(['Pow', 'Pad']); // of layers that no network here has
    for (const [network, weights] of weightsOf) {
      const meanImage =
        network.preprocess.meanImage === 'required' ? { meanImage: random([3, 32, 32], 1) } : {};
      const views = network.preprocess.crop.size > 0 ? 10 : 1;
      for (const lrn of ['native', 'decomposed', 'band'] as const)
        for (const precision of ['float32', 'float16'] as const) {
          const form = { source: '', input: 'uint8', views, lrn, precision, ...meanImage } as const;
          for (const { opType } of modelOf(network, weights, form).model.graph!.node) written.add(opType!);
        }
    }
    const begins = (opset: number): string[] =>
      [...written].filter((op) => findOperator('', op, last)!.operator.since.includes(opset)).sort();
    const table = new Map(changes.map(({ opset, operators }) => [opset, operators.split(' ')]));
    for (const opset of all.slice(1)) expect(table.get(opset) ?? [], `${opset}`).to.deep.equal(begins(opset));
  });

  it('is the one in docs/onnx.md', () => {
    const text = readFileSync(new URL('../../docs/onnx.md', import.meta.url), 'utf8');
    const rows = [...text.matchAll(/^\| (\d+) \| (.*?) \| (.*?) \|$/gm)].map(([, ...row]) => row);
    expect(rows).to.deep.equal(changes.map(({ opset, operators, what }) => [`${opset}`, operators, what]));
  });

  for (const opset of all)
    it(`opset ${opset}: every layer passes, preprocessing and ten views among them`, async () => {
      for (const name of ['cifar10-full', 'cifar-alexnet'] as const) {
        const network = narrow(networkNamed(name));
        const weights = randomWeights(network, 3);
        const own =
          name === 'cifar10-full' ? { meanImage: random([3, 32, 32], 4, 120) } : { views: 10 as const };
        const file = modelOf(network, weights, { source: '', input: 'uint8', opset, ...own });
        expect(decodeModel(joined(file.chunks())).opsetImport[0].version).to.equal(opset);
        const pair = pairOf(builtModel(file), network, weights);
        const input = tensor(
          random([1, 32, 32, 3], 6).data.map((v: number) => Math.floor((v + 1) * 128)),
          [1, 32, 32, 3],
        );
        const { verdict, layers } = await verifyLayers({ pair, input, device: 'cpu', levels: [] });
        expect(verdict, JSON.stringify(layers.map(({ reason }) => reason))).to.equal('pass');
      }
    });

  it('onnxruntime reads every network in the newest', async () => {
    for (const [network, weights] of weightsOf) {
      const file = joined(modelOf(network, weights, { source: '', opset: last }).chunks());
      const session = await ort.InferenceSession.create(file, { logSeverityLevel: 3 });
      expect(session.inputNames).to.deep.equal(['input']);
      await session.release();
    }
  });
});
