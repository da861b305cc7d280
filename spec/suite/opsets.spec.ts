import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { isFloat } from '../../lib/array/dtype.ts';
import type { Value } from '../../lib/array/value.ts';
import { isRefused, onnxruntimeEngine } from '../../lib/onnx/engines.ts';
import { evaluateGraph } from '../../lib/onnx/evaluate.ts';
import { findOperator, operatorNames } from '../../lib/onnx/registry.ts';
import { elements } from '../../lib/onnx/value.ts';
import * as arithmetic from '../support/forms/arithmetic.ts';
import type { Form } from '../support/forms/form.ts';
import * as layers from '../support/forms/layers.ts';
import * as others from '../support/forms/others.ts';
import { open, single } from '../support/onnx.ts';

const forms = { ...arithmetic.forms, ...layers.forms, ...others.forms };

/**
 * Both engines compute in float32 from values in (−1, 1): sums of at most 64 terms, Σ|terms| ≤ 8, functions
 * within 48u: (64 + 48)·2⁻²⁴·8 < 5.5e-5, relative where |y| > 8.
 */
const allowed = (y: number): number => 5.5e-5 * Math.max(1, Math.abs(y) / 8);

function worst(got: Value, expected: Value): number {
  const [a, b] = [elements(got.data), elements(expected.data)];
  if (!isFloat(got.dtype)) return a.every((v, i) => v === b[i]) ? 0 : Infinity;
  let most = 0;
  for (let i = 0; i < b.length; i++)
    if (a[i] !== b[i]) most = Math.max(most, Math.abs(a[i] - b[i]) / allowed(b[i]));
  return Number.isNaN(most) ? Infinity : most;
}

/** The opset versions in which the operator or its file format changed, inside the form's range. */
function opsetsOf(op: string, { opsets: [first, last] }: Form): number[] {
  const changes = findOperator('', op, 25)!.operator.since.filter((since) => since > first && since <= last);
  return [...new Set([first, ...changes, last])];
}

describe('every operator in every opset form, against onnxruntime', function () {
  this.timeout(120_000);
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-opsets-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  it('has a form of every operator of ai.onnx', () => {
    expect(Object.keys(forms).sort()).to.deep.equal(
      operatorNames()
        .filter((name) => !name.includes('.'))
        .sort(),
    );
  });

  let compared = 0;
  for (const [op, list] of Object.entries(forms)) {
    it(op, async () => {
      for (const form of list) {
        for (const opset of opsetsOf(op, form)) {
          const { inputs, attributes, outputs, types } = form;
          const { bytes, feeds } = single(op, inputs, attributes, { opset, outputs, types });
          const path = join(folder, 'm.onnx');
          const title = `${op}-${opset} ${Object.keys(attributes ?? {})}`;
          writeFileSync(path, bytes);
          const opened = await onnxruntimeEngine({ device: 'cpu' }).open(path);
          // not implemented there, in this version or type
          if (isRefused(opened)) {
            expect(opened.unsupported, title).to.match(/implementation|not a registered|Unrecognized|opset/i);
            continue;
          }
          const expected = await opened.run(feeds);
          await opened.close();
          const got = evaluateGraph(await open(bytes), feeds);
          for (const [name, value] of expected) {
            const own = got.get(name)!;
            expect([own.dtype, [...own.shape]], `${title} ${name}`).to.deep.equal([
              value.dtype,
              [...value.shape],
            ]);
            expect(worst(own, value), `${title} ${name}`).to.be.at.most(1);
          }
          compared++;
        }
      }
    });
  }

  it('compared most of them', () => {
    expect(compared).to.be.above(300);
  });
});
