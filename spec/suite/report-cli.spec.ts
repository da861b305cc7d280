import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { joined } from '../../export/index.ts';
import { decodeModel, encodeModel } from '../../export/proto.ts';
import { modelOf } from '../../lib/networks/modelfile.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import { initialise } from '../../reference/training/init.ts';
import { runHere } from '../support/child.ts';
import { faults } from '../support/faults.ts';
import { narrow } from '../support/models.ts';

describe('alexnet verify writes reports', () => {
  const network = narrow(networkNamed('bvlc-alexnet'));
  let folder: string;
  const path = (name: string): string => join(folder, name);
  const read = (name: string): string => readFileSync(path(name), 'utf8');
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-'));
    const bytes = joined(
      modelOf(network, initialise(network, 4, 'caffe'), { source: 'seed 4, caffe' }).chunks(),
    );
    writeFileSync(path('right.onnx'), bytes);
    const model = decodeModel(bytes);
    faults[0].plant(model);
    writeFileSync(path('wrong.onnx'), encodeModel(model));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  function verify(model: string, args: readonly string[], more: NodeJS.ProcessEnv = {}) {
    const words = ['verify', path(model), '--network', 'bvlc-alexnet', '--device', 'cpu', ...args];
    return runHere(words, folder, { GITHUB_ACTIONS: undefined, GITHUB_STEP_SUMMARY: undefined, ...more });
  }

  it('a run that passes: exit 0, the files are there, and no other', async () => {
    const names = ['--report-json', 'r.json', '--junit', 'r.xml', '--sarif', 'r.sarif'];
    const args = names.map((word) => (word.startsWith('--') ? word : path(word)));
    const { status, out } = await verify('right.onnx', [...args, '--json']);
    expect(status).to.equal(0);
    expect(readdirSync(folder).sort()).to.deep.equal([
      'r.json',
      'r.sarif',
      'r.xml',
      'right.onnx',
      'wrong.onnx',
    ]);
    expect(JSON.parse(read('r.json'))).to.deep.equal(JSON.parse(out));
    expect(JSON.parse(read('r.sarif')).runs[0].results).to.deep.equal([]);
    expect(read('r.xml')).to.include(`tests="${network.layers.length + 2}" failures="0" errors="0"`);
  });

  it('a run that fails: exit 1, and every report names the layer', async () => {
    const args = ['--junit', path('w.xml'), '--sarif', path('w.sarif')];
    const { status, out } = await verify('wrong.onnx', args, { GITHUB_STEP_SUMMARY: path('summary.md') });
    expect(status).to.equal(1);
    expect(out).to.match(/FAIL/).and.not.to.include('::error');
    expect(read('w.xml')).to.match(/name="norm1">\s*<failure/);
    const [result] = JSON.parse(read('w.sarif')).runs[0].results;
    expect(result).to.include({ ruleId: 'beyond-bound', level: 'error' });
    expect(result.locations[0].logicalLocations[0].name).to.equal('norm1');
    expect(read('summary.md')).to.match(/^### ❌ alexnet verify: FAIL/);
  });

  it('annotations come on stderr in GitHub Actions, so that --json stays JSON', async () => {
    const { out, err } = await verify('wrong.onnx', ['--json'], { GITHUB_ACTIONS: 'true' });
    expect(JSON.parse(out).verdict).to.equal('fail');
    expect(err).to.match(/^::error file=.*wrong\.onnx,title=.*::norm1: /m);
  });

  it('a summary that cannot be written is said and changes nothing else', async () => {
    const { status, err } = await verify('right.onnx', [], { GITHUB_STEP_SUMMARY: folder });
    expect(err).to.match(/^GITHUB_STEP_SUMMARY: .*cannot be written/m);
    expect(status).to.equal(0);
  });

  it('--baseline: exit 0 against itself, exit 1 where bits were lost, exit 2 for what is none', async () => {
    expect((await verify('right.onnx', ['--baseline', path('r.json')])).status).to.equal(0);
    const better = JSON.parse(read('r.json'));
    for (const row of better.layers) if (row.layer === 'conv3') row.introduced.bits += 5;
    writeFileSync(path('better.json'), JSON.stringify(better));
    const { status, out } = await verify('right.onnx', ['--baseline', path('better.json')]);
    expect(status).to.equal(1);
    expect(out).to.match(/conv3: .* effective bits, .* in the baseline[\s\S]*LOST BITS: 1 of/);
    const files = ['--baseline', path('better.json'), '--report-json', path('worse.json')];
    const told = await verify('right.onnx', [...files, '--json']);
    const { baseline, layers } = JSON.parse(told.out);
    expect(JSON.parse(read('worse.json')).baseline).to.deep.equal(baseline);
    expect([told.status, baseline.file, baseline.device]).to.deep.equal([1, path('better.json'), 'cpu']);
    expect([baseline.versions, baseline.lost]).to.deep.equal([better.versions, ['conv3']]);
    expect(baseline.layers).to.have.length(network.layers.length);
    const bitsIn = (rows: typeof layers) =>
      rows.find((row: { layer: string }) => row.layer === 'conv3').introduced.bits;
    const change = baseline.layers.find((row: { layer: string }) => row.layer === 'conv3');
    expect([change.before.bits, change.now.bits]).to.deep.equal([bitsIn(better.layers), bitsIn(layers)]);
    expect((await verify('right.onnx', ['--baseline', path('r.xml')])).status).to.equal(2);
  });

  it('a report is never written over the model: exit 2 before anything runs', async () => {
    const { status, out, err } = await verify('right.onnx', ['--junit', path('right.onnx')]);
    expect([status, out]).to.deep.equal([2, '']);
    expect(err).to.match(/--junit would overwrite an input: name another file\n$/);
  });
});
