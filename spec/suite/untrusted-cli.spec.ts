/**
 * What is wrong with a file that someone else made ends `alexnet` in one line with exit code 2, whichever way
 * the file is read.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { joined } from '../../export/index.ts';
import { decodeModel, encodeModel, type ModelProto, tensorProto } from '../../export/proto.ts';
import { fromTensor } from '../../lib/array/value.ts';
import { writeNpy } from '../../lib/format/npy.ts';
import { modelOf } from '../../lib/networks/modelfile.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import { dense, type Tensor, tensor, zeros } from '../../reference/tensor.ts';
import { initialise } from '../../reference/training/init.ts';
import { runHere } from '../support/child.ts';
import { narrow, random } from '../support/models.ts';
import { writeNpz, writeSafetensors } from '../support/tensor-bytes.ts';

const NETWORK = 'cifar10-full';

const network = narrow(networkNamed(NETWORK));
const weights = initialise(network, 1, 'kaiming');
const model = joined(modelOf(network, weights, { source: 'seed 1, kaiming' }).chunks());
const changed = (change: (model: ModelProto) => void): Uint8Array => {
  const copy = decodeModel(model);
  change(copy);
  return encodeModel(copy);
};
const withNaN = (t: Tensor): Tensor => {
  const values = Float32Array.from(dense(t));
  values[3] = Number.NaN;
  return tensor(values, t.shape);
};
const npz = (of: (t: Tensor, name: string) => Tensor): Uint8Array =>
  writeNpz([...weights].map(([name, t]) => [name, fromTensor(of(t, name))]));

/** A length-delimited field of ModelProto (its graph) that claims 2 GB. */
const HUGE_FIELD = Uint8Array.of(0x08, 9, 0x3a, 0xff, 0xff, 0xff, 0xff, 0x07, 1, 2, 3);
/** A safetensors header of 2 GB. */
const HUGE_HEADER = Uint8Array.of(0, 0, 0, 0x80, 0, 0, 0, 0, 0x7b, 0x7d);
/** A .npy of 2²⁹ numbers with none of them. */
const HUGE_ARRAY = Buffer.concat([
  Buffer.from('\x93NUMPY\x01\x00\x76\x00', 'latin1'),
  Buffer.from("{'descr': '<f4', 'fortran_order': False, 'shape': (536870912,), }".padEnd(117), 'latin1'),
  Buffer.from('\n'),
]);

const models: Record<string, readonly [Uint8Array, RegExp]> = {
  'a NaN among its weights': [
    changed(({ graph }) => {
      const [first] = graph!.initializer;
      first.rawData = new Uint8Array(first.rawData!);
      new DataView(first.rawData.buffer).setFloat32(8, Number.NaN, true);
    }),
    /NaN/,
  ],
  'its second half missing': [model.subarray(0, model.length >> 1), /not a valid protobuf/],
  'a cyclic graph': [
    changed(({ graph }) => {
      const [conv] = graph!.node;
      conv.input[0] = graph!.node.at(-2)!.output[0];
    }),
    /cycl|loop|order|depend/,
  ],
  'a field of 2 GB': [HUGE_FIELD, /length|bytes|cut|end/],
  'a tensor of 2³¹ numbers': [
    changed(({ graph }) => {
      graph!.initializer[0].dims = [2 ** 31];
    }),
    /bytes|values|size|length/,
  ],
  'external data that is missing': [
    changed(({ graph }) => {
      const [first] = graph!.initializer;
      graph!.initializer[0] = {
        ...tensorProto({ dims: first.dims, dataType: 1 }),
        name: first.name,
        dataLocation: 1,
        externalData: [{ key: 'location', value: 'nothing.bin' }],
      };
    }),
    /nothing\.bin/,
  ],
  'an opset that it does not declare': [
    changed((copy) => {
      copy.opsetImport = [{ domain: 'com.example', version: 1 }];
    }),
    /opset/,
  ],
};

describe('files that cannot be trusted: exit 2, one line', function () {
  this.timeout(180_000);
  let folder: string;
  const path = (name: string): string => join(folder, name);
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-untrusted-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const alexnet = (args: readonly string[]) => runHere(args, folder);

  async function refuses(args: readonly string[], reason: RegExp): Promise<void> {
    const run = await alexnet(args);
    const lines = run.err.trim().split('\n');
    expect(run.status, run.err).to.equal(2);
    // notes about device and input may come first
    expect(lines.filter((line) => line.startsWith('alexnet: '))).to.have.lengthOf(1);
    expect(lines.at(-1))
      .to.match(/^alexnet: /)
      .and.match(reason);
    expect(run.err).to.not.match(/^\s+at /m);
  }

  for (const [what, [bytes, reason]] of Object.entries(models)) {
    it(`a model with ${what}, as a network`, async () => {
      writeFileSync(path('m.onnx'), bytes);
      await refuses(['verify', 'm.onnx', '--network', NETWORK, '--device', 'cpu'], reason);
    });
    it(`a model with ${what}, as any graph`, async () => {
      const nameless = what.startsWith('a field') || what.startsWith('its second') ? bytes : anonymous(bytes);
      writeFileSync(path('m.onnx'), nameless);
      await refuses(['verify', 'm.onnx', '--device', 'cpu'], reason);
    });
  }

  const arrays = new Map([...weights].map(([name, t]) => [name, fromTensor(t)]));
  const tensors = writeSafetensors(arrays);
  const others: Record<string, readonly [string, Uint8Array, readonly string[], RegExp]> = {
    'weights with a NaN': ['w.npz', npz(withNaN), ['--weights', 'w.npz'], /NaN/],
    'weights cut off': [
      'w.safetensors',
      tensors.subarray(0, tensors.length >> 1),
      ['--weights', 'w.safetensors'],
      /bytes|cut|end/,
    ],
    'weights with a header of 2 GB': [
      'w.safetensors',
      HUGE_HEADER,
      ['--weights', 'w.safetensors'],
      /header|bytes/,
    ],
    'an input with a NaN': [
      'x.npy',
      writeNpy(fromTensor(withNaN(random([1, ...network.input], 1)))),
      ['--input', 'x.npy'],
      /NaN/,
    ],
    'an input of 2 GB that is not there': ['x.npy', HUGE_ARRAY, ['--input', 'x.npy'], /bytes|cut|end/],
  };
  for (const [what, [name, bytes, args, reason]] of Object.entries(others)) {
    it(what, async () => {
      writeFileSync(path(name), bytes);
      await refuses(['verify', '--network', NETWORK, '--device', 'cpu', ...args], reason);
    });
  }

  it('weights that make every output the same: the verdict is UNTESTED', async () => {
    writeFileSync(
      path('w.npz'),
      npz((t) => zeros(t.shape)),
    );
    const { status, out } = await alexnet([
      'verify',
      '--network',
      NETWORK,
      '--device',
      'cpu',
      '--weights',
      'w.npz',
    ]);
    expect(status).to.equal(2);
    expect(out.trimEnd().split('\n').at(-1)).to.match(
      /^UNTESTED: .* of the output: \w+: constant in the oracle/,
    );
  });
});

/** The same model without the metadata that names its network. */
function anonymous(bytes: Uint8Array): Uint8Array {
  const copy = decodeModel(bytes);
  copy.metadataProps = [];
  return encodeModel(copy);
}
