/**
 * How a test judges a value. It is compared with the expected one as ONNX's test runner does,
 * numpy.testing.assert_allclose: type and shape must be the same, |y − expected| ≤ atol + rtol·|expected|, NaN equals
 * NaN, infinities must agree. Integers, bools and strings must be equal, where the runner would allow them the
 * tolerance too.
 *
 * Where the model is one node that the reference has as a layer, the derived bound (lib/bounds/operations.ts) is held
 * against ŷ as well, the oracle's unrounded result from the test's inputs: so a kernel is found that 1e-3 lets pass.
 */

import { dense, type Tensor } from '../../reference/tensor.ts';
import { isFloat } from '../array/dtype.ts';
import type { Value } from '../array/value.ts';
import { classes } from '../bounds/arithmetic.ts';
import { boundsOf } from '../bounds/operations.ts';
import type { Engine } from '../onnx/engines.ts';
import { evaluateGraph } from '../onnx/evaluate.ts';
import { layerOf } from '../onnx/layer.ts';
import type { Model } from '../onnx/model.ts';
import { asTensor, elements, floatData } from '../onnx/value.ts';

export interface TestTolerance {
  readonly rtol: number;
  readonly atol: number;
}

/** Hard-coded in onnx/backend/test/case/node/__init__.py for all tests. */
export const ONNX_TOLERANCE: TestTolerance = { rtol: 1e-3, atol: 1e-7 };

/** In words the first disagreement of a value; null where it agrees. */
export function firstDifference(
  got: Value | undefined,
  expected: Value,
  tolerance = ONNX_TOLERANCE,
): string | null {
  if (!got) return 'it is missing';
  if (got.dtype !== expected.dtype) return `its type is ${got.dtype}, not ${expected.dtype}`;
  if (got.shape.join() !== expected.shape.join())
    return `its shape is [${got.shape}], not [${expected.shape}]`;
  const y = elements(got.data);
  const e = elements(expected.data);
  const close = isFloat(got.dtype)
    ? (i: number): boolean => within(y[i], e[i], tolerance)
    : (i: number): boolean => y[i] === e[i];
  let wrong = 0;
  let first = -1;
  for (let i = 0; i < e.length; i++) {
    if (close(i)) continue;
    wrong++;
    if (first < 0) first = i;
  }
  if (wrong === 0) return null;
  return `${wrong} of ${e.length} values differ, the first at ${first}: ${y[first]}, not ${e[first]}`;
}

function within(y: number, e: number, { rtol, atol }: TestTolerance): boolean {
  if (y === e || (Number.isNaN(y) && Number.isNaN(e))) return true;
  return Number.isFinite(e) && Math.abs(y - e) <= atol + rtol * Math.abs(e);
}

// ---- the derived bound

/**
 * Checks the first output of a single-node model: `worst` is the largest |y − ŷ| / bound, over 1 a fault. null where
 * there is no bound for it.
 */
export function checkBound(
  model: Model,
  feeds: ReadonlyMap<string, Value>,
  outputs: ReadonlyMap<string, Value>,
  engine: Pick<Engine, 'name' | 'device'>,
) {
  const [node] = model.graph.nodes;
  if (model.graph.nodes.length !== 1 || node.outputs[0] !== model.graph.outputs[0]?.name) return null;
  const values = new Map([...model.graph.initializers, ...feeds]);
  const found = layerOf(
    model,
    node,
    node.inputs.map((name) => values.get(name)),
  );
  const y = outputs.get(node.outputs[0]);
  if (!found || y?.dtype !== 'float32') return null;
  const exact = asTensor(evaluateGraph(model, feeds, { precision: 'float64' }).get(node.outputs[0])!);
  const { bound } = boundsOf(found.layer, found.inputs, exact, found.weights, {
    device: engine.device,
    operands: classes.float32,
    half: false,
    // WebGPU has no LRN kernel: onnxruntime gives the node to the CPU's
    runningSum: engine.name === 'onnxruntime' && engine.device !== 'cuda',
  });
  return worstOf(floatData(y), exact, bound);
}

function worstOf(y: ArrayLike<number>, exact: Tensor, bound: Float64Array) {
  const e = dense(exact);
  let worst = 0;
  let at = -1;
  for (let i = 0; i < e.length; i++) {
    if (y[i] === Math.fround(e[i]) || (Number.isNaN(y[i]) && Number.isNaN(e[i]))) continue;
    // beyond float32, or without a promise: not a matter of rounding
    if (!Number.isFinite(Math.fround(e[i])) || !Number.isFinite(bound[i])) continue;
    const ratio = Math.abs(y[i] - e[i]) / bound[i];
    if (ratio <= worst) continue;
    worst = Number.isNaN(ratio) ? Infinity : ratio;
    at = i;
  }
  const reason = `value ${at} is ${y[at]}, ${worst.toPrecision(3)} times its bound ${bound[at]} from ${e[at]}`;
  return { worst, reason: worst > 1 ? reason : null };
}
