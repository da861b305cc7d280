/** The same tiny weights as other frameworks hold them (fixtures/format/make-weights.py). */

import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { openTensorFile } from '../../../lib/disk/tensors.ts';
import { InputError } from '../../../lib/errors.ts';
import { loadWeights } from '../../../lib/weights/load.ts';
import { networkNamed } from '../../../reference/networks/index.ts';
import { dense } from '../../../reference/tensor.ts';

const folder = fileURLToPath(new URL('../../../fixtures/format/weights/', import.meta.url));
const bvlc = networkNamed('bvlc-alexnet');

const cases: [string, RegExp[]][] = [
  [
    'guerzhoy.npy',
    [/conv1.weight, .*\(H,W,I,O\) transposed/, /fc6.weight: .*flatten order H,W,C to C,H,W \(4×6×6\)/],
  ],
  ['guerzhoy3.npy', [/fc7.weight, fc8.weight: \(in,out\) transposed/]],
  [
    'cuda-convnet.pkl',
    [/conv2: towers conv2a, conv2b joined/, /fc7bb: its inputs are hs1b, hs1a/, /\(C·R·S, K\) transposed/],
  ],
  ['onnx/raw.onnx', []],
  ['onnx/typed.onnx', []],
  ['onnx/typed-float64.onnx', []],
  ['onnx/typed-float16.onnx', []],
  ['onnx/external.onnx', []],
  ['onnx/in-out.onnx', [/fc6.weight, fc7.weight, fc8.weight: \(in,out\) transposed/]],
  ['onnx/unknown-names.onnx', [/order and shape/]],
];

describe('weights of other frameworks', () => {
  for (const [file, notes] of cases) {
    it(`${file} gives the values of tiny.npz, and says what it moved`, async () => {
      const wanted = await loadWeights(`${folder}tiny.npz`, bvlc);
      const found = await loadWeights(`${folder}${file}`, bvlc);
      for (const [own, tensor] of wanted.weights) {
        expect(found.weights.get(own)?.shape, own).to.deep.equal(tensor.shape);
        expect([...dense(found.weights.get(own)!)], own).to.deep.equal([...dense(tensor)]);
      }
      for (const note of notes) expect(found.notes.join('\n')).to.match(note);
      if (notes.length === 0) expect(found.notes).to.deep.equal([]);
    });
  }

  it('takes the newest checkpoint of a cuda-convnet folder, numbers counted', async () => {
    const place = mkdtempSync(join(tmpdir(), 'ConvNet__'));
    for (const name of ['9.100', '10.2']) writeFileSync(join(place, name), 'old');
    copyFileSync(`${folder}cuda-convnet.pkl`, join(place, '10.11'));
    try {
      expect((await loadWeights(place, bvlc)).source).to.include('cuda-convnet');
    } finally {
      rmSync(place, { recursive: true });
    }
  });

  it('takes the network that ONNX metadata name', async () => {
    expect((await loadWeights(`${folder}onnx/raw.onnx`)).network.name).to.equal('bvlc-alexnet');
  });
});

describe('external data of an ONNX model', () => {
  let place = '';
  beforeEach(() => {
    place = mkdtempSync(join(tmpdir(), 'external-'));
    mkdirSync(join(place, 'model'));
    copyFileSync(`${folder}onnx/external.bin`, join(place, 'external.bin'));
  });
  afterEach(() => rmSync(place, { recursive: true }));
  /** The model with another location, of the same length as 'external.bin'. */
  const model = (location: string) => {
    const bytes = readFileSync(`${folder}onnx/external.onnx`)
      .toString('latin1')
      .replaceAll('external.bin', location);
    const path = join(place, 'model', 'm.onnx');
    writeFileSync(path, bytes, 'latin1');
    return path;
  };
  const refused = async (location: string, reason: RegExp) => {
    const error = await openTensorFile(model(location)).then(
      () => new Error('it was opened'),
      (reason) => reason,
    );
    expect(error).to.be.instanceOf(InputError).with.property('message').that.matches(reason);
  };

  it('is read from the folder of the model', async () => {
    copyFileSync(`${folder}onnx/external.bin`, join(place, 'model', 'external.bin'));
    const { weights } = await loadWeights(model('external.bin'), bvlc);
    expect(weights.size).to.equal(16);
  });

  it('is refused outside it: by .., absolute, through a link, or as the folder itself', async () => {
    symlinkSync(join(place, 'external.bin'), join(place, 'model', 'linked-0.bin'));
    await refused('../externals', /must be a path below the model's folder/);
    await refused('a/../../ex.b', /must be a path below the model's folder/);
    await refused('/etc/passwd1', /must be a path below the model's folder/);
    await refused('linked-0.bin', /leads out of the model's folder/);
    await refused('./././././..', /must be a path below the model's folder/);
    await refused('././././././', /leads out of the model's folder/);
    await refused('..\\..\\ab.bin', /must be a path below the model's folder/);
    await refused('external.xxx', /there is no file external.xxx beside the model/);
  });

  it('is refused where the file is too short', async () => {
    writeFileSync(join(place, 'model', 'external.bin'), new Uint8Array(100));
    await refused('external.bin', /external.bin ends at byte 100, before 5808/);
  });
});
