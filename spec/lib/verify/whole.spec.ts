/** Whole verifications of a small network in this process: by a session, and by values of another engine. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { fromTensor } from '../../../lib/array/value.ts';
import { type VerifyOptions, type VerifyResult, verify } from '../../../lib/verify/index.ts';
import { dense, type Tensor, tensor } from '../../../reference/tensor.ts';
import { random } from '../../support/models.ts';
import { refusal } from '../../support/onnx.ts';
import { chain, changed, dumps, names, network, x } from '../../support/small-network.ts';
import { writeNpz } from '../../support/tensor-bytes.ts';

const { folder, npz } = dumps();
const about: VerifyOptions = { network, seed: 3, input: x };
const verdicts = ({ layers }: VerifyResult) =>
  Object.fromEntries(layers.map(({ layer, verdict }) => [layer, verdict]));
const passes = (of: readonly string[] = names) => Object.fromEntries(of.map((name) => [name, 'pass']));

describe('a network in a session of its own', () => {
  let found: VerifyResult;
  const lines: string[] = [];
  before(async () => {
    found = await verify({ ...about, device: 'cpu', repeat: 2, log: (line) => lines.push(line) });
  });

  it('rows are the layers: kinds, shapes, devices, both kinds of error', () => {
    expect(verdicts(found)).to.deep.equal(passes());
    expect(found.layers.map(({ kind }) => kind)).to.deep.equal(network.layers.map(({ kind }) => kind));
    for (const { layer, shape, devices, introduced, accumulated, details, through } of found.layers) {
      expect(shape, layer).to.deep.equal(chain.get(layer)!.shape);
      expect(devices, layer).to.deep.equal(layer === 'drop2' ? devices : ['CPU']);
      expect(introduced!.count, layer).to.equal(chain.get(layer)!.size);
      expect(introduced!.overBound, layer).to.be.within(0, 1);
      expect(accumulated, layer).to.be.within(0, 1e-6);
      expect(
        details!.overBound.counts.reduce((a, b) => a + b),
        layer,
      ).to.equal(chain.get(layer)!.size);
      expect(through).to.equal(undefined);
    }
    expect(found.layers[0].introduced!.arithmetic).to.equal('float32');
  });

  it('three runs, the margin, what was fed and where from', () => {
    expect(found.runs.map(({ graph, level, optimised }) => [graph, level, optimised])).to.deep.equal([
      ['tapped', 'disabled', false],
      ['tapped', 'all', true],
      ['untouched', 'all', true],
    ]);
    const {
      verdict,
      first,
      why,
      evidence,
      required,
      device,
      model,
      weights: own,
      inputSource,
      input,
    } = found;
    expect({ verdict, first, why, evidence, required, device, model, own, inputSource, input }).to.deep.equal(
      {
        ...{ verdict: 'pass', first: null, why: null, evidence: null, required: 'float32', device: 'cpu' },
        ...{ model: null, own: 'seed 3, kaiming', inputSource: 'given in memory', input: [2, 2, 7, 6] },
      },
    );
    expect(found.placement).to.match(/^\d of \d on CPU$/);
    const logits = chain.get('fc3')!;
    const { image, classes, margin } = found.margin!;
    const own3 = [0, 1, 2].map((k) => [logits.get(image, k), k] as const).sort(([a], [b]) => b - a);
    expect(classes).to.deep.equal([own3[0][1], own3[1][1]]);
    expect(margin).to.equal(own3[0][0] - own3[1][0]);
    expect(lines.slice(0, 3)).to.deep.equal([
      'network: tiny, weights: seed 3, kaiming',
      'input: given in memory',
      'device: CPU',
    ]);
  });

  it('both sides’ values by layer, the input among them', () => {
    const { device, oracle } = found.values;
    expect([...device.keys()]).to.deep.equal(['input', ...names]);
    expect([...oracle.keys()]).to.deep.equal(['input', ...names]);
    for (const name of ['input', ...names]) {
      expect([...dense(oracle.get(name)!)], name).to.deep.equal([...dense(chain.get(name)!)]);
      for (const [i, v] of dense(device.get(name)!).entries())
        expect(v, name).to.be.closeTo(dense(chain.get(name)!)[i], 1e-5);
    }
  });

  it('what was repeated', () => {
    expect(found.repeats!.map(({ change, what, compared }) => [change, what, compared])).to.deep.equal([
      ['run', 'run twice', 9],
      ['place', 'place 1 to 3 of 4', 9],
      ['batch', 'batch 1 to 16', 9],
      ['session', 'another session', 9],
    ]);
  });

  it('levels, precision, requirement and batch as asked', async () => {
    const other = await verify({
      ...{ network, seed: 3, input: undefined, batch: 3, device: 'cpu' },
      ...{ levels: ['basic', 'extended'], precision: 'float64', require: 'tf32', strictDevice: true },
    });
    expect(other.runs.map(({ level }) => level)).to.deep.equal(['disabled', 'basic', 'extended', 'all']);
    expect(other.input).to.deep.equal([3, 2, 7, 6]);
    expect([other.required, other.verdict, other.repeats]).to.deep.equal(['tf32', 'pass', undefined]);
    expect(other.values.oracle.get('fc3')!.data).to.be.instanceOf(Float64Array);
    // two of the two images at a time, and the same values
    const split = await verify({ ...about, device: 'cpu', batch: 1 });
    expect(verdicts(split)).to.deep.equal(passes());
    expect(split.layers.at(-1)!.shape).to.deep.equal([2, 3]);
  });

  it('a batch larger than what is given, and options of a training graph, are refused', async () => {
    expect(await refusal(() => verify({ ...about, device: 'cpu', batch: 3 }))).to.equal(
      '--batch 3: there are 2 images; leave it out',
    );
    expect(await refusal(() => verify({ ...about, device: 'cpu', steps: 2 }))).to.equal(
      '--steps needs --graph gradients or --graph training',
    );
    const wrong = changed(x, 5, () => Number.NaN);
    expect(await refusal(() => verify({ ...about, device: 'cpu', input: wrong }))).to.equal(
      'the input holds NaN at position 5: nothing can be verified',
    );
  });
});

describe('values that another engine computed', () => {
  const by = (values: ReadonlyMap<string, Tensor>, more: VerifyOptions = {}) =>
    verify({ ...about, values: npz(values), ...more });

  it('the oracle’s own pass, of any device; nothing ran here', async () => {
    const lines: string[] = [];
    const found = await by(chain, { log: (line) => lines.push(line) });
    expect(verdicts(found)).to.deep.equal(passes());
    expect(found.runs.map(({ graph, level, verdict }) => [graph, level, verdict])).to.deep.equal([
      ['elsewhere', 'unknown', 'pass'],
    ]);
    expect([found.device, found.placement, found.required]).to.deep.equal(['other', '', 'float32']);
    expect(found.layers.flatMap(({ devices }) => devices)).to.deep.equal([]);
    expect(found.layers.map(({ accumulated }) => accumulated)).to.deep.equal(names.map(() => 0));
    expect(lines[2]).to.match(/^values: .*[.]npz, arithmetic: /);
    expect((await by(chain, { device: 'cuda' })).device).to.equal('cuda');
    const own = await by(chain, { input: undefined });
    expect(own.inputSource).to.equal("the values' own");
  });

  it('a wrong value fails in its layer, image and place, and those behind it are judged from it', async () => {
    // image 1, channel 2, row 3, column 1 of [2,4,5,4]
    const at = 80 + 2 * 20 + 3 * 4 + 1;
    const values = new Map(chain).set(
      'conv1',
      changed(chain.get('conv1')!, at, (v) => v + 1),
    );
    const after = dense(values.get('conv1')!)[at];
    values.set(
      'relu1',
      changed(chain.get('relu1')!, at, () => Math.max(0, after)),
    );
    const found = await by(values);
    expect(found.verdict).to.equal('fail');
    expect(found.first).to.equal('conv1');
    expect(verdicts(found)).to.include({ conv1: 'fail', relu1: 'pass', norm1: 'fail', pool1: 'pass' });
    const [row] = found.layers;
    expect(row.reason).to.equal('image 1: 1 of 80 values beyond the bound');
    expect(row.introduced!.worst!.index).to.deep.equal([1, 2, 3, 1]);
    expect(found.why).to.deep.include({ layer: 'conv1', kind: 'conv2d' });
    expect(found.why!.receptiveField).to.deep.equal({ rows: [3, 5], columns: [1, 3] });
    expect(found.why!.sum!.terms).to.equal(18);
    expect(found.evidence).to.deep.include({ layer: 'conv1', output: 'conv1' });
    expect([...found.evidence!.inputs.keys()]).to.deep.equal(['input']);
    expect(found.evidence!.y.shape).to.deep.equal([1, 4, 5, 4]);
    const graph = found.evidence!.model.graph!;
    expect(graph.node.map(({ opType }) => opType)).to.include('Conv');
  });

  it('layers that are missing are walked through', async () => {
    const some = new Map(['conv1', 'pool1', 'fc3'].map((name) => [name, chain.get(name)!]));
    const found = await by(some);
    expect(found.layers.map(({ layer, through }) => [layer, through])).to.deep.equal([
      ['conv1', undefined],
      ['pool1', ['relu1', 'norm1']],
      ['fc3', ['flat', 'fc2', 'relu2', 'drop2']],
    ]);
    expect(verdicts(found)).to.deep.equal(passes(['conv1', 'pool1', 'fc3']));
    const wrong = new Map(some).set(
      'pool1',
      changed(chain.get('pool1')!, 0, (v) => v + 0.5),
    );
    expect(verdicts(await by(wrong))).to.deep.equal({ conv1: 'pass', pool1: 'fail', fc3: 'fail' });
    expect((await by(new Map([['conv1', chain.get('conv1')!]]))).margin).to.equal(null);
  });

  it('files of a folder are runs, one after the other', async () => {
    const path = mkdtempSync(join(folder, 'runs-'));
    const half = (t: Tensor, n: number) =>
      tensor(dense(t).slice((n * t.size) / 2, ((n + 1) * t.size) / 2), [1, ...t.shape.slice(1)]);
    for (const n of [0, 1])
      writeFileSync(
        join(path, `run${n}.npz`),
        writeNpz([...chain].map(([name, t]) => [name, fromTensor(half(t, n))] as const)),
      );
    const found = await verify({ network, seed: 3, values: path });
    expect([found.verdict, found.input]).to.deep.equal(['pass', [2, 2, 7, 6]]);
  });

  it('names are mapped, and what has none is told', async () => {
    const lines: string[] = [];
    const renamed = new Map([...chain].map(([name, t]) => [name === 'fc3' ? 'logits' : name, t]));
    const found = await by(renamed, { names: { logits: 'fc3' } });
    expect(verdicts(found)).to.deep.equal(passes());
    await by(renamed, { log: (line) => lines.push(line) });
    expect(lines.at(-1)).to.match(/^not compared: 'logits'/);
    const file = join(folder, 'names.json');
    writeFileSync(file, '{"logits": "fc3"}');
    expect(verdicts(await by(renamed, { names: file }))).to.deep.equal(passes());
    for (const text of ['[1]', '{"logits": 3}', '{', 'null']) {
      writeFileSync(file, text);
      expect(await refusal(() => by(renamed, { names: file })), text).to.match(/not a JSON object of names/);
    }
  });

  it('what does not go together is refused in one line', async () => {
    const refused = (values: ReadonlyMap<string, Tensor>, more: VerifyOptions) =>
      refusal(() => by(values, more));
    expect(await refused(chain, { repeat: 2 })).to.match(/^--repeat does not go with --values/);
    expect(await refused(chain, { strictDevice: true })).to.match(
      /^--strict-device does not go with --values/,
    );
    expect(await refused(chain, { endpoint: 'http://x/v2/models/y' })).to.match(/^--values and --endpoint/);
    expect(await refused(chain, { input: changed(x, 7, (v) => v + 1) })).to.match(
      /another input .*first at 7/,
    );
    expect(await refused(new Map([['input', x]]), {})).to.match(/none of its values is a layer's$/);
    const one = new Map([...chain].filter(([name]) => name !== 'input'));
    expect(await refused(one, { input: random([3, 2, 7, 6], 1) })).to.equal(
      'the values are of 2 images, the input of 3: give the same (--input)',
    );
  });
});
