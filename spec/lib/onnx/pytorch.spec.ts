import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { conform } from '../../../lib/conform/index.ts';

/** Exported and computed by PyTorch 1.13; see the script in the folder. */
const folder = fileURLToPath(new URL('../../../fixtures/onnx/pytorch', import.meta.url));

describe('files that PyTorch exports', () => {
  for (const engine of ['oracle', 'onnxruntime'] as const) {
    it(`give PyTorch's values on ${engine === 'oracle' ? 'the oracle' : engine}`, async () => {
      const { tests } = await conform([folder], { engine });
      expect(tests.map(({ name, status, reason }) => [name, status, reason])).to.deep.equal(
        [
          'test_pytorch_alexnet_batchnorm_dynamic',
          'test_pytorch_alexnet_opset13',
          'test_pytorch_alexnet_opset16',
          'test_pytorch_alexnet_opset9',
          'test_pytorch_around_opset11',
          'test_pytorch_around_opset14',
        ].map((name) => [name, 'passed', undefined]),
      );
    });
  }
});
