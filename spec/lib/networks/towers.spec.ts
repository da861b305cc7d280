/** `exportTowers`: two files, and what they are refused for. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { decodeModel } from '../../../export/proto.ts';
import { exportTowers } from '../../../lib/index.ts';
import { networkNamed } from '../../../reference/networks/index.ts';
import { parameterCount } from '../../../reference/oracle.ts';
import { narrow, randomWeights } from '../../support/models.ts';

const network = narrow(networkNamed('alexnet2012-as-run'));
const weights = randomWeights(network, 1);

describe('lib/networks/towers', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-towers-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('writes two files, whose parameters are those of the network between them', async () => {
    const found = await exportTowers(join(folder, 'net.onnx'), { network, weights, opset: 17, batch: 2 });
    expect(found.map(({ file, tower }) => [file, tower])).to.deep.equal([
      [join(folder, 'net-tower0.onnx'), 0],
      [join(folder, 'net-tower1.onnx'), 1],
    ]);
    expect(found[0].parameters + found[1].parameters).to.equal(parameterCount(network));
    for (const { file, bytes, parameters } of found) {
      const written = readFileSync(file);
      const { graph, opsetImport } = decodeModel(written);
      const sizes = graph!.initializer
        .filter(({ name }) => /weight|bias/.test(name!))
        .map(({ dims }) => dims);
      expect(sizes.reduce((sum, dims) => sum + dims!.reduce((a, b) => a * Number(b), 1), 0)).to.equal(
        parameters,
      );
      expect(written.length).to.equal(bytes);
      expect(Number(opsetImport[0].version)).to.equal(17);
      expect(graph!.input[0].type!.tensorType!.shape!.dim.map((d) => Number(d.dimValue))).to.deep.equal([
        2, 3, 224, 224,
      ]);
    }
  });

  it('puts weights beside each, and takes a name without an ending', async () => {
    await exportTowers(join(folder, 'net'), { network, weights, externalData: true });
    expect(readdirSync(folder).sort()).to.deep.equal([
      ...['net-tower0', 'net-tower0.data', 'net-tower1', 'net-tower1.data'],
    ]);
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
