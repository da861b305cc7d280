/** The same network as other exporters write it: its weights are read, it passes, and with a fault it fails. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { joined } from '../../export/index.ts';
import { decodeModel, encodeModel, type ModelProto } from '../../export/proto.ts';
import { fromTensor, type NumericValue, toTensor } from '../../lib/array/value.ts';
import { modelOf } from '../../lib/networks/modelfile.ts';
import { partOf } from '../../lib/verify/bundle.ts';
import { verify } from '../../lib/verify/index.ts';
import { loadWeights } from '../../lib/weights/load.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { dense } from '../../reference/tensor.ts';
import { firstDifference } from '../support/bits.ts';
import { forms } from '../support/exporters.ts';
import { narrow, randomWeights, runFile, uniform } from '../support/models.ts';
import {
  biasByAdd,
  CONVS,
  FCS,
  flattenByShape,
  graphOf,
  makerOf,
  mapsLast,
  negate,
  node,
  put,
  replace,
  splitGroups,
  torchLrn,
  unnamed,
  withMatMul,
} from '../support/rewrites.ts';
import { writeSafetensors } from '../support/tensor-bytes.ts';

/** Fully connected layers that are quick to write and read. */
const slim = (network: Network): Network => ({
  ...network,
  layers: network.layers.map((layer) =>
    layer.kind === 'linear' ? { ...layer, channels: Math.min(layer.channels, 24) } : layer,
  ),
});

describe('verify --network and --weights read the forms of other exporters', () => {
  const bvlc = networkNamed('bvlc-alexnet');
  const network = slim(narrow(bvlc));
  const weights = randomWeights(network, 4);
  const exported = joined(modelOf(network, weights, { source: 'random', passing: true }).chunks());
  let folder: string;
  let right: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'forms-'));
    right = join(folder, 'right.safetensors');
    writeFileSync(right, writeSafetensors(new Map([...weights].map(([name, t]) => [name, fromTensor(t)]))));
  });
  after(() => rmSync(folder, { recursive: true }));

  /** The exported model after these changes, as a file. */
  function changed(
    name: string,
    from: Uint8Array,
    ...changes: readonly ((model: ModelProto) => void)[]
  ): string {
    const model = decodeModel(Uint8Array.from(from));
    model.metadataProps = [];
    for (const change of changes) change(model);
    model.graph!.valueInfo = [];
    for (const node of model.graph!.node) [node.name] = node.output;
    const file = join(folder, `${name.replace(/\W+/g, '-')}.onnx`);
    writeFileSync(file, encodeModel(model));
    return file;
  }
  const judged = async (model: string, given?: string) => {
    const { verdict, first } = await verify({
      model,
      network: 'bvlc-alexnet',
      weights: given,
      device: 'cpu',
    });
    return { verdict, first };
  };

  for (const { name, rewrite, fault, layer } of forms) {
    it(`${name}: the weights to the last bit`, async () => {
      const read = await loadWeights(changed(name, exported, rewrite), bvlc);
      for (const [own, t] of weights)
        expect(firstDifference(dense(read.weights.get(own)!), dense(t)), own).to.equal(-1);
    });

    it(`${name}: passes, by the weights that it should have`, async () => {
      const file = changed(name, exported, rewrite);
      expect(await judged(file, right)).to.deep.equal({ verdict: 'pass', first: null });
    });

    it(`${name}: with a fault it fails at ${layer}`, async () => {
      const file = changed(`${name} wrong`, exported, rewrite, fault);
      expect(await judged(file, right)).to.deep.equal({ verdict: 'fail', first: layer });
    });
  }

  it("the file's own weights, which are the same to the last bit, serve as well", async () => {
    for (const { name, rewrite } of forms.filter((_, i) => i % 4 === 0))
      expect(await judged(changed(name, exported, rewrite)), name).to.deep.equal({
        verdict: 'pass',
        first: null,
      });
  });

  it('float16, every bias by Add: passes, and a bias that is wrong fails', async () => {
    const form = { source: 'random', passing: true, precision: 'float16' } as const;
    const halves = joined(modelOf(network, weights, form).chunks());
    const byAdd = (model: ModelProto) => void [...CONVS, ...FCS].map((name) => biasByAdd(model, name));
    const negated = (model: ModelProto) => {
      const { rawData } = graphOf(model).initializer.find(({ name }) => name === 'conv3.bias')!;
      for (let i = 1; i < rawData!.length; i += 2) rawData![i] ^= 0x80;
    };
    expect(await judged(changed('halves', halves, byAdd))).to.deep.equal({ verdict: 'pass', first: null });
    const wrong = changed('halves wrong', halves, byAdd, negated);
    expect(await judged(wrong, right)).to.deep.equal({ verdict: 'fail', first: 'conv3' });
  });

  it('a random form for each layer passes, and with a wrong weight fails at its layer', async () => {
    const same = (): void => {};
    const clip = (model: ModelProto, name: string): void => {
      const relu = makerOf(model, name);
      replace(model, relu, node('Clip', [relu.input[0], put(model, `${name}/0`, [0], [])], name));
    };
    const choices: [readonly string[], readonly ((model: ModelProto, name: string) => void)[]][] = [
      [
        ['conv1', 'conv3'],
        [same, biasByAdd],
      ],
      [
        ['conv2', 'conv4', 'conv5'],
        [same, biasByAdd, splitGroups],
      ],
      [FCS, [same, biasByAdd, withMatMul]],
      [
        ['norm1', 'norm2'],
        [same, torchLrn],
      ],
      [['flatten'], [same, flattenByShape, (model) => mapsLast(model, true)]],
      [
        ['relu1', 'relu2', 'relu3', 'relu4', 'relu5', 'relu6', 'relu7'],
        [same, clip],
      ],
      [['all'], [same, unnamed]],
    ];
    for (let seed = 1; seed <= 5; seed++) {
      const next = uniform(seed * 7919);
      const pick = <T>(of: readonly T[]): T => of[Math.floor(((next() + 1) / 2) * of.length)];
      const rewrite = (model: ModelProto): void => {
        for (const [names, ways] of choices) for (const name of names) pick(ways)(model, name);
      };
      const file = changed(`random ${seed}`, exported, rewrite);
      expect(await judged(file, right), `seed ${seed}`).to.deep.equal({ verdict: 'pass', first: null });
      const layer = pick([...CONVS, ...FCS]);
      const wrong = changed(`random ${seed} wrong`, exported, negate(`${layer}.weight`), rewrite);
      expect(await judged(wrong, right), `seed ${seed}`).to.deep.equal({ verdict: 'fail', first: layer });
    }
  });

  it('a bug report has the values as the file has them: maps as N,H,W,C', async () => {
    const { rewrite } = forms.find(({ name }) => name === 'activations as N,H,W,C')!;
    const shifted = (model: ModelProto) => {
      makerOf(model, 'conv3/chw').attribute.find(({ name }) => name === 'pads')!.ints = [2, 2, 0, 0];
    };
    const about = { network: 'bvlc-alexnet', weights: right, device: 'cpu' } as const;
    const result = await verify({ ...about, model: changed('report', exported, rewrite, shifted) });
    const { layer, model, inputs, output, y, exact, bound } = result.evidence!;
    const K = weights.get('conv3.weight')!.shape[0];
    expect([layer, y.shape, exact.shape]).to.deep.equal(['conv3', [1, 13, 13, K], [1, 13, 13, K]]);
    const [x] = [...inputs]
      .filter(([name]) => name !== 'input')
      .map(([, value]) => toTensor(value as NumericValue));
    const run = async (whole: ModelProto) => {
      const results = await runFile(encodeModel(partOf(whole, [...inputs.keys()], output)), x);
      return dense(results.get(output)!);
    };
    expect([...(await run(model))]).to.deep.equal([...dense(y)]);
    const correct = await run(decodeModel(readFileSync(changed('correct', exported, rewrite))));
    const ideal = dense(exact);
    expect(correct.every((v: number, i: number) => Math.abs(v - ideal[i]) <= bound[i])).to.equal(true);
  });
});
