/** Any ONNX graph's first failing node taken apart: as the layer that it is, where it is one. */
import { decodeModel } from '../../export/proto.ts';
import { isFloat } from '../array/dtype.ts';
import type { Value } from '../array/value.ts';
import { classes, type Requirement } from '../bounds/arithmetic.ts';
import type { Bounds } from '../bounds/bounds.ts';
import { nodeBounds } from '../bounds/onnx.ts';
import { type Why, why } from '../judge/why.ts';
import { evaluateNode } from '../onnx/evaluate.ts';
import { layerOf } from '../onnx/layer.ts';
import type { Node } from '../onnx/model.ts';
import { asTensor } from '../onnx/value.ts';
import type { Evidence } from './bundle.ts';
import type { GraphSettings } from './graph.ts';
import type { Values } from './graphruns.ts';
import type { LayerReport } from './walk.ts';

/** `why` and `evidence` of the first node that failed, from the device's values; null where none did. */
export function takenApart(
  { bytes, model, device }: GraphSettings,
  nodes: readonly Node[],
  layers: readonly LayerReport[],
  onDevice: Values,
  required: Requirement,
): { why: Why | null; evidence: Evidence | null } {
  const at = layers.findIndex(({ verdict, introduced }) => verdict === 'fail' && introduced !== null);
  if (at < 0) return { why: null, evidence: null };
  const node = nodes[at];
  const [output] = node.outputs;
  const exact = evaluateNode(model, node, onDevice, 'float64').get(output) as Value;
  const context = { model, node, values: onDevice, exact, device, operands: classes[required] };
  const { bound } = nodeBounds(context) as Bounds;
  const worst = layers[at].introduced?.worst;
  const read = node.inputs.filter((name) => {
    const value = onDevice.get(name);
    return value && isFloat(value.dtype) && !model.graph.initializers.has(name);
  });
  const inputs = new Map(read.map((name) => [name, asTensor(onDevice.get(name) as Value)]));
  const y = asTensor(onDevice.get(output) as Value);
  const found = layerOf(
    model,
    node,
    node.inputs.map((name) => onDevice.get(name)),
  );
  const suspect = { y, exact: asTensor(exact), bound };
  const evidence = { layer: output, device, model: decodeModel(bytes), inputs, output, ...suspect };
  return {
    why: found && worst ? why(found.layer, found.inputs, suspect, found.weights, worst) : null,
    evidence,
  };
}
