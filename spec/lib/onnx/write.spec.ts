import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { buildModel, joined, type ModelFile } from '../../../export/index.ts';
import { EnvironmentError } from '../../../lib/errors.ts';
import { withExternalData, writeModelFile } from '../../../lib/onnx/files.ts';
import { cifarRelu } from '../../../reference/networks/cifar.ts';
import { narrow, randomWeights } from '../../support/models.ts';

const network = narrow(cifarRelu);
const weights = randomWeights(network, 1);

async function failure(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error('it did not fail');
}

describe('lib/onnx/write', () => {
  let folder: string;
  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'alexnet-'));
  });
  afterEach(() => fs.rmSync(folder, { recursive: true }));

  it('writes the model, and the external data beside it', async () => {
    const target = path.join(folder, 'net.onnx');
    const plain = buildModel(network, weights);
    await writeModelFile(target, plain);
    expect(fs.readFileSync(target).equals(joined(plain.chunks()))).to.equal(true);
    const outside = buildModel(network, weights, { externalData: 'net.data' });
    await writeModelFile(target, outside);
    expect(fs.readFileSync(target).equals(joined(outside.chunks()))).to.equal(true);
    expect(fs.statSync(path.join(folder, 'net.data')).size).to.equal(outside.external!.byteLength);
    expect(fs.readdirSync(folder).sort()).to.deep.equal(['net.data', 'net.onnx']);
    // what a command must not overwrite that reads the model
    const data = path.join(folder, 'net.data');
    expect(new Set(await withExternalData([target])())).to.deep.equal(new Set([target, data]));
  });

  it('leaves the model and the data before, and no other file, when writing fails half-way', async () => {
    const target = path.join(folder, 'net.onnx');
    const before = buildModel(network, weights, { externalData: 'net.data' });
    await writeModelFile(target, before);
    const after = buildModel(network, randomWeights(network, 2), { externalData: 'net.data' });
    const broken: ModelFile = {
      ...after,
      *chunks() {
        yield Uint8Array.of(1, 2, 3);
        throw Object.assign(new Error('write'), { code: 'ENOSPC' });
      },
    };
    const error = await failure(writeModelFile(target, broken));
    expect(error).to.be.instanceOf(EnvironmentError);
    expect(error.message).to.match(/net\.onnx: cannot be written: the disk is full: /);
    expect(fs.readFileSync(target).equals(joined(before.chunks()))).to.equal(true);
    const data = fs.readFileSync(path.join(folder, 'net.data'));
    expect(data.equals(joined(before.external!.chunks()))).to.equal(true);
    expect(fs.readdirSync(folder).sort()).to.deep.equal(['net.data', 'net.onnx']);
  });

  it('refuses a folder, a folder that is not there, a file for a folder, and its own name for the data', async () => {
    const file = buildModel(network, weights);
    const sub = path.join(folder, 'sub');
    fs.mkdirSync(sub);
    const said = async (target: string, model = file) =>
      (await failure(writeModelFile(target, model))).message;
    expect(await said(sub)).to.equal(`${sub}: is a folder; give the name of a file`);
    const nowhere = path.join(folder, 'none', 'net.onnx');
    expect(await said(nowhere)).to.equal(`${nowhere}: cannot be written: its folder does not exist`);
    fs.writeFileSync(path.join(folder, 'text'), '');
    const below = path.join(folder, 'text', 'net.onnx');
    expect(await said(below)).to.equal(`${below}: cannot be written: its folder is a file`);
    const outside = buildModel(network, weights, { externalData: 'net.onnx' });
    expect(await said(path.join(folder, 'net.onnx'), outside)).to.match(/must have another name/);
    const clash = buildModel(network, weights, { externalData: 'sub' });
    expect(await said(path.join(folder, 'net.onnx'), clash)).to.equal(
      `${sub}: is a folder; give the name of a file`,
    );
    expect(fs.readdirSync(folder).sort()).to.deep.equal(['sub', 'text']);
  });
});
