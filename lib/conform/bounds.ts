/**
 * The derived bound (lib/bounds/bounds.ts) of a test whose model is one node that the reference has as a layer.
 *
 * It is held against ŷ, the oracle's unrounded result from the test's inputs, so that a kernel which a
 * tolerance of 1e-3 lets pass is still found.
 */
import { dense, type Tensor } from '../../reference/tensor.ts';
import type { Value } from '../array/value.ts';
import { classes } from '../bounds/arithmetic.ts';
import { boundsOf } from '../bounds/operations.ts';
import type { Engine } from '../onnx/engines.ts';
import { evaluate } from '../onnx/evaluate.ts';
import { layerOf } from '../onnx/layer.ts';
import type { Model } from '../onnx/model.ts';
import { asTensor, floatData } from '../onnx/value.ts';

export interface BoundCheck {
  /** The largest |y − ŷ| / bound; over 1 is a fault. */
  readonly worst: number;
  readonly reason: string | null;
}

/** Checks the first output of a single-node model; null where there is no bound for it. */
export function checkBound(
  model: Model,
  feeds: ReadonlyMap<string, Value>,
  outputs: ReadonlyMap<string, Value>,
  engine: Pick<Engine, 'name' | 'device'>,
): BoundCheck | null {
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
  const exact = asTensor(evaluate(model, feeds, { precision: 'float64' }).get(node.outputs[0])!);
  const { bound } = boundsOf(found.layer, found.inputs, exact, found.weights, {
    device: engine.device,
    operands: classes.float32,
    half: false,
    // WebGPU has no LRN kernel: onnxruntime gives the node to the CPU's
    runningSum: engine.name === 'onnxruntime' && engine.device !== 'cuda',
  });
  return worstOf(floatData(y), exact, bound);
}

function worstOf(y: ArrayLike<number>, exact: Tensor, bound: Float64Array): BoundCheck {
  const e = dense(exact);
  let worst = 0;
  let at = -1;
  for (let i = 0; i < e.length; i++) {
    if (y[i] === Math.fround(e[i]) || (Number.isNaN(y[i]) && Number.isNaN(e[i]))) continue;
    // beyond float32, or without a promise: not a matter of rounding
    if (!Number.isFinite(Math.fround(e[i])) || !Number.isFinite(bound[i])) continue;
    const ratio = Math.abs(y[i] - e[i]) / bound[i];
    if (!(ratio <= worst)) [worst, at] = [Number.isNaN(ratio) ? Infinity : ratio, i];
  }
  const reason = `value ${at} is ${y[at]}, ${worst.toPrecision(3)} times its bound ${bound[at]} from ${e[at]}`;
  return { worst, reason: worst > 1 ? reason : null };
}
