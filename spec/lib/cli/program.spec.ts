/** Wrong command lines: exit 2 and one line that says what to do. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { runHere } from '../../support/child.ts';

const lines: readonly (readonly [words: string, said: RegExp])[] = [
  ['nope', /unknown command 'nope' \(--help lists/],
  ['verify --seed x', /'--seed <n>' argument 'x' is invalid\. It must be an integer of at least 0/],
  ['verify --device cuda:x', /It must be one of auto, cpu, cuda, cuda:N, webgpu/],
  [
    'verify --device webgpu:1',
    /^alexnet: --device webgpu:1: onnxruntime lets WebGPU's driver choose the GPU/m,
  ],
  ['verify a b', /too many arguments for 'verify'/],
  ['verify --batch 0', /an integer of at least 1/],
  ['verify --lrn x', /Allowed choices are native, decomposed, band/],
  ['verify --input', /'--input <file>' argument missing/],
  ['verify --learning-rate abc', /It must be a number/],
  ['verify --network lenet', /unknown network 'lenet' \(there are: alexnet2012/],
  ['verify --tf32 --require float32', /--tf32 is short for --require tf32/],
  ['verify --labels x', /--labels needs --graph/],
  ['verify --save ""', /^alexnet: --save is empty: give it a value, or leave it out$/m],
  ['verify --html ""', /--html is empty/],
  ['verify --input ""', /--input is empty/],
  ['verify ""', /an argument is empty/],
  ['export', /give OUT\.onnx, or --triton DIR, and not both/],
  ['export a.onnx --opset 99', /--opset 99: it must be 13 to 25/],
  ['export a.onnx/', /a\.onnx\/: is a folder; give the name of a file/],
  ['export none/a.onnx', /its folder does not exist/],
  ['run', /required option '--out <file.npz>' not specified/],
  ['run x.onnx --out y.npz', /x\.onnx: .*no such file/],
  ['predict', /missing required argument 'image'/],
  ['predict x.jpg', /predict needs weights: --weights FILE/],
  ['evaluate nowhere', /evaluate needs weights/],
  ['train nowhere', /nowhere: no such file/],
  ['train . --config nope.json', /nope\.json: no such file/],
  ['conform', /name a folder of tests/],
  ['conform nowhere', /nowhere: no such file/],
  ['doctor x', /too many arguments for 'doctor'/],
  ['weights nope', /unknown command 'nope'/],
  ['weights inspect nowhere', /nowhere: no such file/],
  ['weights get nope', /one of torchvision, /],
  ['weights convert a b.xyz', /weights are written as \.safetensors/],
  ['weights diff a b', /a: no such file/],
  ['summary --batch -1', /an integer of at least 1/],
];

describe('wrong command lines', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  for (const [words, said] of lines) {
    it(`alexnet ${words}`, async () => {
      const args = words.split(' ').map((word) => (word === '""' ? '' : word));
      const { status, out, err } = await runHere(args, folder);
      expect(out).to.equal('');
      expect(err)
        .to.match(/^alexnet: [^\n]+\n$/)
        .and.match(said);
      expect(status).to.equal(2);
      expect(readdirSync(folder)).to.deep.equal([]);
    });
  }
});
