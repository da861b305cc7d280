import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { type Conformance, conform } from '../../lib/conform/index.ts';
import { shared } from '../support/shared.ts';

/** Operators that the evaluator does not have, and how many tests need them. */
const missing: Record<string, number> = {
  Bernoulli: 3,
  CenterCropPad: 6,
  ImageDecoder: 9,
  RandomUniformLike: 3,
  Resize: 39,
};

/** Its row in docs/conformance.md, which `npm run conformance` writes. */
const isDocumented = ({ passed, failed, unsupported, tests }: Conformance): boolean => {
  const doc = readFileSync(new URL('../../docs/conformance.md', import.meta.url), 'utf8');
  const bounds = tests.filter(({ bound }) => bound !== undefined).length;
  return doc.includes(` | ${passed} | ${failed} | ${unsupported} | ${bounds} |`);
};

describe("ONNX's conformance tests", function () {
  this.timeout(300_000);

  it('the oracle passes all 699 of 759 whose operators it has', async function () {
    const result = await conform([shared(this, 'onnx-backend-tests')]);
    const { tests, passed, failed, unsupported } = result;
    expect(tests.filter(({ status }) => status === 'failed')).to.deep.equal([]);
    const operators: Record<string, number> = {};
    for (const { status, reason = '' } of tests) {
      const op = /\((\w+), opset/.exec(reason)?.[1] ?? reason;
      if (status === 'unsupported') operators[op] = (operators[op] ?? 0) + 1;
    }
    expect(operators).to.deep.equal(missing);
    expect([passed, failed, unsupported]).to.deep.equal([699, 0, 60]);
    expect(tests.filter(({ bound }) => bound !== undefined).length).to.be.above(50);
    expect(isDocumented(result)).to.equal(true);
  });

  it("onnxruntime's CPU fails where it is known to, and keeps every derived bound", async function () {
    const folder = shared(this, 'onnx-backend-tests');
    const result = await conform([folder], { engine: 'onnxruntime' });
    const { tests, passed } = result;
    expect(tests.filter(({ status }) => status === 'failed').map(({ name }) => name)).to.deep.equal([
      'test_maxunpool_export_with_output_shape',
      'test_resize_downsample_scales_cubic_align_corners',
      'test_resize_downsample_scales_linear_align_corners',
      'test_training_dropout',
      'test_training_dropout_default',
      'test_training_dropout_default_mask',
      'test_training_dropout_mask',
    ]);
    expect(passed).to.equal(708);
    expect(isDocumented(result)).to.equal(true);
  });
});
