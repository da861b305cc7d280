import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { decodeModel } from '../../../export/proto.ts';
import { InputError } from '../../../lib/errors.ts';
import { type ExportOptions, exportOnnx } from '../../../lib/networks/export.ts';
import { openSession } from '../../../lib/runtime/session.ts';

describe('lib/exporttraining', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  const network = 'cifar-alexnet';
  const cases: [ExportOptions, string, readonly (number | string)[], readonly string[]][] = [
    [{ graph: 'gradients', batch: 4 }, 'input', [4, 3, 28, 28], ['loss', 'dconv1.weight', 'dinput']],
    [
      { graph: 'training' },
      'labels',
      [128],
      ['loss', 'wrong1', 'conv1.weight.next', 'fc8.bias.velocity.next'],
    ],
    [{ graph: 'training', loop: true, batch: 8 }, 'learningRate', ['K'], ['loss', 'conv1.weight.next']],
  ];
  for (const [options, input, shape, outputs] of cases) {
    it(`writes a file that onnxruntime opens: ${JSON.stringify(options)}`, async () => {
      const file = join(folder, 'out.onnx');
      const made = await exportOnnx(file, { network, ...options });
      expect(made).to.include({ graph: options.graph, weights: 'inputs', opset: 18, externalData: null });
      expect(made.bytes).to.equal(readFileSync(file).length).and.to.be.below(400_000);
      await using session = await openSession(readFileSync(file), 'cpu');
      expect(session.inputs.find(({ name }) => name === input)!.shape).to.deep.equal(shape);
      expect(session.inputs.map(({ name }) => name)).to.include('fc7.weight');
      expect(session.outputs.map(({ name }) => name)).to.include.members([...outputs]);
      const metadata = decodeModel(readFileSync(file)).metadataProps.map(({ key, value }) => [key, value]);
      expect(Object.fromEntries(metadata)).to.include({ network, graph: options.graph });
    });
  }

  it('refuses, naming it, whatever such a graph does not have', async () => {
    const refused = async (options: ExportOptions, reason: RegExp) => {
      const error = await exportOnnx(join(folder, 'no.onnx'), { network, ...options }).catch((e) => e);
      expect(error).to.be.instanceOf(InputError);
      expect(error.message).to.match(reason);
    };
    await refused({ graph: 'gradients', opset: 17 }, /needs --opset 18 \(= 17\)/);
    await refused({ graph: 'training', batch: 'dynamic' }, /needs a fixed --batch/);
    await refused({ graph: 'training', precision: 'float16' }, /--precision float16 do not go together/);
    await refused({ graph: 'training', lrn: 'native' }, /--lrn native/);
    await refused({ graph: 'training', externalData: true }, /--external-data/);
    await refused({ graph: 'gradients', seed: 0 }, /--seed or --init/);
    await refused({ graph: 'gradients', loop: true }, /^--loop needs --graph training$/);
    await refused({ loop: true }, /^--loop needs --graph training$/);
  });
});
