/** What is known of the values that a node made, from its own operands: bounds, or what can be said without. */
import { dense } from '../../reference/tensor.ts';
import { isFloat } from '../array/dtype.ts';
import type { Value } from '../array/value.ts';
import { evaluateNode, type Values } from '../onnx/evaluate.ts';
import type { Node } from '../onnx/model.ts';
import { drawsNumbers } from '../onnx/registry.ts';
import { asTensor, elements, only } from '../onnx/value.ts';
import { arithmetic } from './arithmetic.ts';
import { halfStep, inFloat16, type Judged, type OfInput, type Told } from './bounds.ts';
import { drawnDropout } from './elementwise.ts';
import { boundsOfOutput, type NodeCall, readsHalves } from './onnx.ts';

/** What is known of these outputs of a node. */
export function judgedNode(call: NodeCall, outputs: readonly string[]): readonly (Judged | Told)[] {
  const { model, node, values } = call;
  if (drawsNumbers(node)) return outputs.map((name) => givenOutput(call, name));
  if (draws(node, values)) return outputs.map((_, i) => drawnOutput(call, i));
  const exacts = evaluateNode(model, node, values, 'float64');
  return outputs.map((name) => {
    const exact = exacts.get(name) as Value;
    if (!isFloat(exact.dtype)) return selected(values.get(name) as Value, exact, call);
    const bounds = boundsOfOutput({ ...call, exact }, name === node.outputs[0]);
    if (bounds) return { exact: asTensor(exact), bounds };
    return { verdict: 'untested', reason: `no bound is known for ${node.op}: not judged` };
  });
}

/** Whether a node's numbers or its mask are of the device's own generator. */
export function draws(node: Node, values: Values): boolean {
  if (drawsNumbers(node)) return true;
  const { op, inputs } = node;
  const [, ratio, training] = inputs.map((name) => values.get(name));
  return op === 'Dropout' && !!training && only(training) !== 0 && (!ratio || only(ratio) !== 0);
}

/** Numbers that a device draws are what they are; their type and shape are known. */
function givenOutput({ model, node, values }: NodeCall, name: string): Told {
  const given = ({ dtype, shape }: Value) => `${dtype} [${shape}]`;
  const y = given(values.get(name) as Value);
  const right = given(evaluateNode(model, node, values).get(name) as Value);
  if (y === right) return { verdict: 'untested', reason: 'random' };
  return { verdict: 'fail', reason: `${y} on the device, ${right} in the oracle` };
}

/** y is judged by the mask, where there is one, and the mask by its rate. */
function drawnOutput({ node, values, device }: NodeCall, output: number): Judged | Told {
  const [x, ratio] = node.inputs.map((name) => values.get(name));
  const [y, mask] = node.outputs.map((name) => values.get(name));
  const p = ratio ? only(ratio) : Math.fround(0.5);
  const from = asTensor(x as Value);
  const kept = mask?.data as Uint8Array | undefined;
  const { judged, rate } = drawnDropout(from, asTensor(y as Value), kept, p, arithmetic[device]);
  if (output > 0 || rate.verdict === 'fail') return rate;
  const ofInput: OfInput = (i) => halfStep(dense(from)[i]) / (1 - p);
  return y?.dtype === 'float16'
    ? { ...judged, bounds: inFloat16(judged.bounds, judged.exact, ofInput) }
    : judged;
}

/** Integers and bools must be equal. */
function selected(y: Value, exact: Value, call: NodeCall): Told {
  if (y.shape.join() !== exact.shape.join())
    return { verdict: 'fail', reason: `shape [${y.shape}] on the device, [${exact.shape}] in the oracle` };
  const own = elements(y.data);
  const right = elements(exact.data);
  const wrong = own.reduce((count, v, i) => count + Number(v !== right[i]), 0);
  if (wrong === 0) return { verdict: 'pass', reason: '' };
  const reason = `${wrong} of ${own.length} values differ`;
  return readsHalves(call)
    ? { verdict: 'untested', reason: `${reason}: they hang on bits that float16 does not show` }
    : { verdict: 'fail', reason };
}
