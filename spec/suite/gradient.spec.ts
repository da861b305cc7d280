/** Gradients of the paper's net at full size, with dropout masks, against PyTorch's in float64. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { operations } from '../../lib/fast/index.ts';
import { alexnet2012 } from '../../reference/networks/alexnet2012.ts';
import type { Weights } from '../../reference/oracle.ts';
import { cast, dense, type Precision } from '../../reference/tensor.ts';
import { backward } from '../../reference/training/gradient.ts';
import { needsPython } from '../support/pytorch.ts';
import { readNpz } from '../support/tensor-bytes.ts';
import { batchOf, difference, initial } from '../support/training.ts';

const python = '/usr/bin/python3';
const script = fileURLToPath(new URL('../../fixtures/training/make.py', import.meta.url));

describe('gradients of alexnet2012 at full size against PyTorch in float64', function () {
  this.timeout(240_000);
  const wanted = new Map<string, Float64Array>();
  let weights: Weights = new Map();

  before(function () {
    needsPython(this, 'torch', 'python3-torch');
    const folder = mkdtempSync(join(tmpdir(), 'gradients-'));
    const made = spawnSync(python, [script, join(folder, 'full.npz')], { encoding: 'utf8' });
    expect(made.status, made.stderr).to.equal(0);
    for (const [name, { data }] of readNpz(readFileSync(join(folder, 'full.npz')))) {
      wanted.set(name, data as Float64Array);
    }
    rmSync(folder, { recursive: true });
    weights = initial('full', alexnet2012, 60);
  });

  // float64: sums of up to 9216 terms, √9216·u a layer and program, over ten layers (measured: 5e-15 at
  // most). float32: 2⁻²⁴ of every value stored, over ten layers forward and ten back, half of them averaged
  // out (measured: 3e-7 at most)
  const allowed = { float64: 1e-12, float32: 1e-5 };
  for (const precision of ['float64', 'float32'] as const satisfies Precision[]) {
    it(`${precision} storage: the loss, every 101st element of every gradient`, () => {
      const stored = new Map([...weights].map(([name, w]) => [name, cast(w, precision)]));
      const batch = batchOf('full', alexnet2012, 60, true);
      const { loss, gradients, dinput } = backward(alexnet2012, stored, batch, { precision, operations });
      const every101st = (values: ArrayLike<number>) =>
        new Float64Array(Math.ceil(values.length / 101)).map((_, i) => values[101 * i]);
      expect(difference([loss], wanted.get('loss')!), 'loss').to.be.below(allowed[precision]);
      expect(gradients.size).to.equal(wanted.size - 2);
      for (const [name, d] of [
        ...[...gradients].map(([k, t]) => [`d${k}`, t] as const),
        ['dinput', dinput!] as const,
      ]) {
        const error = difference(every101st(dense(d)), wanted.get(name)!);
        expect(error, name).to.be.below(allowed[precision]);
      }
    });
  }
});
