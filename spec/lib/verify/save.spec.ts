/** What --save writes of a run, and what of it is judged again. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { installation } from '../../../lib/runtime/installation.ts';
import { recordedIn } from '../../../lib/verify/dump/record.ts';
import type { VerifyOptions } from '../../../lib/verify/options.ts';
import { saveRun } from '../../../lib/verify/save.ts';
import { version } from '../../../lib/version.ts';
import { t } from '../../support/hand.ts';
import { refusal } from '../../support/onnx.ts';
import { readNpz } from '../../support/tensor-bytes.ts';
import { HOSTILE, row, verification } from '../../support/verification.ts';

describe('a run in a folder', () => {
  let folder: string;
  let count = 0;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-run-'));
  });
  after(() => rmSync(folder, { recursive: true }));
  const at = (name: string) => join(folder, name);
  const values = {
    device: new Map([['conv1', t([1, 2], 1, 2)]]),
    oracle: new Map([['conv1', t([1, 2], 1, 3)]]),
    types: new Map([['conv1', 'float16' as const]]),
  };
  const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
  /** The folder, and what its run.json says. */
  async function saved(options: VerifyOptions = {}, change: Parameters<typeof verification>[1] = {}) {
    const path = at(`run${count++}`);
    await saveRun(path, verification([row('conv1')], { values, ...change }), options);
    return { path, run: JSON.parse(readFileSync(join(path, 'run.json'), 'utf8')) };
  }

  it('both sides’ values, their hashes, versions, computer and types', async () => {
    const { path, run } = await saved();
    for (const side of ['device', 'oracle'] as const) {
      const [[name, { data }]] = readNpz(readFileSync(join(path, `${side}.npz`)));
      expect([name, ...data]).to.deep.equal(['conv1', ...values[side].get('conv1')!.data]);
    }
    expect(readFileSync(join(path, 'run.json'), 'utf8')).to.match(/^\{\n {2}"version": 1,\n/);
    const files = ['device', 'oracle'].map((role) => {
      return { role, file: `${role}.npz`, sha256: sha256(join(path, `${role}.npz`)) };
    });
    expect(run.files).to.deep.equal(files);
    expect(run.versions).to.deep.equal({
      ...{
        'alexnet-oracle': version,
        'onnxruntime-node': installation()!.version,
        node: process.versions.node,
      },
    });
    expect(run.computer).to.include.keys('system', 'processor');
    expect(run.computer).to.deep.include({ gpus: [] }).and.not.have.property('tf32');
    expect(run.types).to.deep.equal({ conv1: 'float16' });
    expect(run).to.deep.include({
      version: 1,
      device: 'cpu',
      arithmetic: 'float32',
      verdict: 'pass',
      first: null,
    });
  });

  it('of values from elsewhere nothing of this computer', async () => {
    for (const options of [{ values: 'dump.npz' }, { endpoint: 'http://127.0.0.1:1' }]) {
      const { run } = await saved(options, { device: 'other' });
      expect([run.computer, run.versions['onnxruntime-node']]).to.deep.equal([null, null]);
    }
  });

  it('the form of LRN where this program wrote the graph; the network where no file names it', async () => {
    const said = async (...given: Parameters<typeof saved>) => {
      const { network, lrn } = (await saved(...given)).run.options;
      return [network, lrn];
    };
    expect(await said()).to.deep.equal(['bvlc-alexnet', 'native']);
    expect(await said({}, { device: 'webgpu' })).to.deep.equal(['bvlc-alexnet', 'band']);
    expect(await said({ lrn: 'decomposed' })).to.deep.equal(['bvlc-alexnet', 'decomposed']);
    expect(await said({ values: 'x.npz' })).to.deep.equal(['bvlc-alexnet', undefined]);
    writeFileSync(at('m.onnx'), 'x');
    expect(await said({ model: at('m.onnx') })).to.deep.equal([undefined, undefined]);
    expect(await said({ model: at('m.onnx'), network: 'caffenet' })).to.deep.equal(['caffenet', undefined]);
  });

  it('of a training step what it came to, with its defaults', async () => {
    const training = { labels: [3], steps: 2, learningRate: 0.01, momentum: 0.9, weightDecay: 0.0005 };
    const { run } = await saved({ graph: 'training', seed: 4 }, { training: training as never });
    expect(run.options).to.deep.equal({
      ...{ network: 'bvlc-alexnet', seed: 4, graph: 'training', batch: 1, ...training },
    });
  });

  it('is judged again as it was, by other options where they are given; device: what computed it', async () => {
    const { path } = await saved({ seed: 7, require: 'tf32' });
    const recorded = (await recordedIn({ values: path }))!;
    expect(recorded.options).to.deep.include({
      seed: 7,
      require: 'tf32',
      device: 'cpu',
      network: 'bvlc-alexnet',
    });
    expect(recorded.options).to.deep.include({ values: join(path, 'device.npz'), names: { conv1: 'conv1' } });
    expect(recorded.options.layout).to.equal('NCHW');
    expect([recorded.lrn, recorded.types]).to.deep.equal(['native', { conv1: 'float16' }]);
    expect(recorded.notes).to.have.length(1);
    expect(recorded.notes[0]).to.match(/^saved run: by alexnet-oracle .*; verdict then: pass$/);
    const other = (await recordedIn({ values: path, require: 'float32', device: 'auto' }))!;
    expect(other.options).to.deep.include({ seed: 7, require: 'float32', device: 'cpu' });
    expect(await recordedIn({ values: at('none') })).to.equal(undefined);
    expect(await recordedIn({})).to.equal(undefined);
    expect(await refusal(() => recordedIn({ values: path, layout: 'NHWC' }))).to.match(
      /^--layout: .*leave it out$/,
    );
    const training = { labels: [3], steps: 2, learningRate: 0.01, momentum: 0.9, weightDecay: 0 };
    const step = await saved({ graph: 'training' }, { training: training as never });
    const again = (await recordedIn({ values: step.path }))!;
    expect(again.options).not.to.have.any.keys('names', 'layout');
    expect(again.notes[1]).to.equal('of its 2 steps the first is judged');
  });

  it('the files that it was of must be given, unchanged; an input of numbers may be left out', async () => {
    for (const name of ['w.npz', 'x.npy', 'm.onnx']) writeFileSync(at(name), name);
    const { path } = await saved({ weights: at('w.npz'), input: at('x.npy') });
    expect(await refusal(() => recordedIn({ values: path }))).to.include(
      `the run was of w.npz (SHA-256 ${sha256(at('w.npz'))}): give it with --weights`,
    );
    expect(await recordedIn({ values: path, weights: at('w.npz') })).not.to.equal(undefined);
    expect(await refusal(() => recordedIn({ values: path, weights: at('x.npy') }))).to.include(
      `the run was not of this weights: its SHA-256 is ${sha256(at('x.npy'))}, run.json says ${sha256(at('w.npz'))} (w.npz)`,
    );
    // its numbers are compared
    const without = await saved();
    expect(await recordedIn({ values: without.path, input: at('x.npy') })).not.to.equal(undefined);
    const gradients = await saved({ graph: 'gradients', input: at('x.npy'), dropout: 'none' });
    expect(await refusal(() => recordedIn({ values: gradients.path }))).to.match(/give it with --input$/);
    const two = await saved({ input: [at('x.npy'), `y=${at('w.npz')}`] });
    expect(two.run.files.slice(2).map(({ file }: { file: string }) => file)).to.deep.equal([
      'x.npy',
      'w.npz',
    ]);
    expect(await refusal(() => recordedIn({ values: two.path, input: at('x.npy') }))).to.match(/w\.npz/);
    const model = await saved({ model: at('m.onnx') });
    expect(await refusal(() => recordedIn({ values: model.path }))).to.match(/give it as the model$/);
    expect(
      await refusal(() => recordedIn({ values: model.path, model: at('m.onnx'), weights: at('w.npz') })),
    ).to.match(/w\.npz: the run was not of this weights: .* run\.json says that there was none$/);
  });

  it('a record that is none is one line', async () => {
    const { path, run: right } = await saved();
    const options = (more: object) => ({ ...right, options: { ...right.options, ...more } });
    const file = (more: object) => ({
      ...right,
      files: [{ ...right.files[0], ...more }, ...right.files.slice(1)],
    });
    const { files: _, ...filesless } = right;
    const wrong: [content: unknown, said: RegExp][] = [
      ['', /the file is empty/],
      ['{', /it is not the record of a run/],
      ['null', /it is not the record/],
      ['[]', /it is not the record/],
      [`{}${' '.repeat(2 ** 24)}`, /it is not the record/],
      [{ name: 'other' }, /it is not the record/],
      [{ ...right, version: 2 }, /of version 2, of a later alexnet-oracle/],
      [filesless, /run.json must be an object with files/],
      [{ ...right, files: [] }, /it names no device.npz/],
      [{ ...right, files: {} }, /must be an object with files/],
      [{ ...right, device: 'tpu' }, /must be an object with device/],
      [{ ...right, verdict: HOSTILE }, /must be an object with verdict/],
      [{ ...right, types: { conv1: 'int8' } }, /must be an object with types/],
      [{ ...right, versions: { node: 20 } }, /must be an object with versions/],
      [{ ...right, options: null }, /must be an object with options/],
      [options({ model: '/etc/passwd' }), /run\.json: unknown option 'model'/],
      [options({ weights: 'other.npz' }), /unknown option 'weights'/],
      [options({ network: { name: 'x' } }), /network must be a text/],
      [options({ seed: -1 }), /seed must be an integer/],
      [options({ batch: 1e300 }), /batch must be an integer/],
      [options({ graph: 'both' }), /graph must be one of/],
      [
        JSON.stringify(right).replace('"options":{', '"options":{"__proto__":{"device":"cuda"},'),
        /unknown option '__proto__'/,
      ],
      [file({ sha256: 'abc' }), /must be an object with files/],
      [file({ role: 'values' }), /must be an object with files/],
      [file({ sha256: '0'.repeat(64) }), /device.npz: it was changed/],
    ];
    for (const [content, said] of wrong) {
      const text = typeof content === 'string' ? content : JSON.stringify(content);
      writeFileSync(join(path, 'run.json'), text);
      expect(await refusal(() => recordedIn({ values: path })), text.slice(0, 200)).to.match(said);
    }
    writeFileSync(join(path, 'run.json'), JSON.stringify(right));
    expect(await recordedIn({ values: path })).not.to.equal(undefined);
    writeFileSync(join(path, 'oracle.npz'), 'x');
    expect(await refusal(() => recordedIn({ values: path }))).to.match(
      /oracle\.npz: it was changed after it was saved/,
    );
  });
});
