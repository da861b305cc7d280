/** `exportTowers`: two files, and what they are refused for. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { decodeModel } from '../../../export/proto.ts';
import { exportTowers, writeTensors } from '../../../lib/index.ts';
import { networkNamed } from '../../../reference/networks/index.ts';
import { parameterCount } from '../../../reference/oracle.ts';
import { runHere } from '../../support/child.ts';
import { narrow, randomWeights } from '../../support/models.ts';

const network = narrow(networkNamed('alexnet2012-as-run'));
const weights = randomWeights(network, 1);

describe('lib/networks/towers', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-towers-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('writes a file a segment, whose parameters are those of the network between them', async () => {
    const found = await exportTowers(join(folder, 'net.onnx'), { network, weights, opset: 17, batch: 2 });
    const names = ['0-1', '0-2', '0-3', '0-4', '0-5', '1-1', '1-2', '1-3', '1-4'].map(
      (part) => `net-tower${part}.onnx`,
    );
    expect(found.map(({ file }) => file)).to.deep.equal(names.map((name) => join(folder, name)));
    expect(readdirSync(folder).sort()).to.deep.equal(names);
    expect(found.reduce((sum, { parameters }) => sum + parameters, 0)).to.equal(parameterCount(network));
    for (const { file, bytes, parameters, tower, segment, layers } of found) {
      const written = readFileSync(file);
      const { graph, opsetImport, metadataProps } = decodeModel(written);
      const sizes = graph!.initializer
        .filter(({ name }) => /weight|bias/.test(name!))
        .map(({ dims }) => dims!);
      expect(sizes.reduce((sum, dims) => sum + dims.reduce((a, b) => a * Number(b), 1), 0)).to.equal(
        parameters,
      );
      expect(written.length).to.equal(bytes);
      expect(Number(opsetImport[0].version)).to.equal(17);
      expect(Number(graph!.input[0].type!.tensorType!.shape!.dim[0].dimValue)).to.equal(2);
      const about = JSON.parse(metadataProps.find(({ key }) => key === 'tower')!.value!);
      expect(about).to.deep.include({ tower, segment: segment - 1, layers });
    }
  });

  it('the command writes them too', async () => {
    await writeTensors(join(folder, 'w.npz'), weights);
    const line = 'export t.onnx --network alexnet2012-as-run --weights w.npz --towers 2 --json';
    const { out, err } = await runHere(line.split(' '), folder);
    const files = JSON.parse(out || err).models.map(({ file }: { file: string }) => file);
    expect(files).to.have.length(9).and.include.members(['t-tower0-1.onnx', 't-tower1-4.onnx']);
  });

  it('refuses in one line, and writes nothing: networks without towers, options that tower files do not have', async () => {
    const refused = async (options: object) =>
      exportTowers(join(folder, 'net.onnx'), options).then(
        String,
        (error: Error) => `${error.name}: ${error.message}`,
      );
    expect(await refused({ network: 'torchvision', seed: 0 })).to.match(
      /^InputError: --towers: torchvision has no two towers that halve its layers \(there are: alexnet2012, /,
    );
    for (const [flag, option] of [
      ['--graph training', { graph: 'training' }],
      ['--input uint8', { input: 'uint8' }],
      ['--views 10', { views: 10 }],
      ['--mean', { mean: 'a.npy' }],
      ['--resize', { resize: true }],
      ['--external-data', { externalData: true }],
      ['--tap', { tap: true }],
      ['--loop', { loop: true }],
      ['--target', { target: 'cpu' }],
    ] as const)
      expect(await refused({ network, weights, ...option })).to.equal(
        `InputError: --towers and ${flag} do not go together: leave one of them out`,
      );
    expect(await refused({ network, weights, opset: 12 })).to.match(
      /^InputError: --opset 12: it must be 13 to 25/,
    );
    expect(readdirSync(folder)).to.deep.equal([]);
  });
});
