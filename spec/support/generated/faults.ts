/** One wrong node in a right graph: another operator, another attribute, an operand that is missing. */
import { type AttributeProto, decodeModel, encodeModel, type NodeProto } from '../../../export/proto.ts';
import type { Value } from '../../../lib/array/value.ts';
import { InputError } from '../../../lib/errors.ts';
import { relativeDifference } from '../../../lib/judge/judge.ts';
import { evaluateGraph, evaluateNode } from '../../../lib/onnx/evaluate.ts';
import { readModel } from '../../../lib/onnx/read.ts';
import { asTensor } from '../../../lib/onnx/value.ts';
import { noiseFor, verifyGraph } from '../../../lib/verify/nodes.ts';
import type { Verification } from '../../../lib/verify/verification.ts';
import { attribute } from '../onnx.ts';

/** The device is given one file, and judged by another. */
export async function verified(device: Uint8Array, oracle = device): Promise<Verification> {
  const model = await readModel(oracle, 'generated.onnx');
  return verifyGraph({ bytes: device, model, feeds: await feedsOf(oracle), device: 'cpu' });
}

async function feedsOf(bytes: Uint8Array): Promise<Map<string, Value>> {
  const { inputs } = (await readModel(bytes, 'generated.onnx')).graph;
  return new Map(inputs.map((input) => [input.name, noiseFor(input, 1)]));
}

const instead: Readonly<Record<string, string>> = {
  Relu: 'Abs',
  Abs: 'Relu',
  Neg: 'Identity',
  Identity: 'Neg',
  Tanh: 'Sigmoid',
  Sigmoid: 'Tanh',
  Add: 'Sub',
  Sub: 'Add',
  Mul: 'Add',
  Div: 'Mul',
  Max: 'Min',
  Min: 'Max',
  Sum: 'Mean',
  Mean: 'Sum',
  ReduceMean: 'ReduceMax',
  ReduceSum: 'ReduceSumSquare',
  ReduceMax: 'ReduceMin',
  ReduceMin: 'ReduceMax',
  Softmax: 'LogSoftmax',
  LogSoftmax: 'Softmax',
  GlobalAveragePool: 'GlobalMaxPool',
  GlobalMaxPool: 'GlobalAveragePool',
  Sqrt: 'Log',
  Log: 'Sqrt',
  Exp: 'Tanh',
  Dropout: 'Neg',
  Reciprocal: 'Sqrt',
};
const factors: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  LRN: { alpha: 2, beta: 1.25, bias: 1.5, size: 3 },
  BatchNormalization: { epsilon: 100 },
  LeakyRelu: { alpha: 4 },
  Gemm: { alpha: 1.5, beta: 1.5 },
};
const defaults: Readonly<Record<string, number>> = { alpha: 1, beta: 1, epsilon: 1e-5 };

/** The wrong nodes that can stand for a right one; some compute the same, or nothing. */
function wrongNodes(node: NodeProto): NodeProto[] {
  const given = (name: string): AttributeProto | undefined => node.attribute.find((a) => a.name === name);
  const having = (...changed: readonly AttributeProto[]): NodeProto => ({
    ...node,
    attribute: [...node.attribute.filter(({ name }) => !changed.some((c) => c.name === name)), ...changed],
  });
  const wrong: NodeProto[] = [];
  const other = instead[node.opType];
  if (other) {
    const kept = node.attribute.filter(({ name }) => name !== 'seed');
    wrong.push({
      ...node,
      opType: other,
      attribute: kept,
      ...(node.opType === 'Dropout' && { input: node.input.slice(0, 1) }),
    });
  }
  for (const [name, factor] of Object.entries(factors[node.opType] ?? {})) {
    const old = given(name);
    wrong.push(
      having(
        name === 'size'
          ? attribute(name, (old?.i ?? 1) + 2)
          : attribute(name, { float: (old?.f ?? defaults[name]) * factor }),
      ),
    );
  }
  const pads = given('pads')?.ints.map(Number);
  if (pads)
    wrong.push(
      having(attribute('pads', [...pads.slice(pads.length / 2), ...pads.slice(0, pads.length / 2)])),
    );
  const auto = new TextDecoder().decode(given('auto_pad')?.s ?? new Uint8Array());
  if (auto.startsWith('SAME'))
    wrong.push(having(attribute('auto_pad', auto === 'SAME_UPPER' ? 'SAME_LOWER' : 'SAME_UPPER')));
  if (node.opType === 'AveragePool')
    wrong.push(having(attribute('count_include_pad', given('count_include_pad') ? 0 : 1)));
  if (node.opType === 'TopK') wrong.push(having(attribute('largest', 0)));
  if (node.opType === 'Softmax' || node.opType === 'LogSoftmax')
    wrong.push(having(attribute('axis', given('axis')?.i === 0 ? -1 : 0)));
  if (node.opType === 'Pad')
    wrong.push(having(attribute('mode', given('mode')?.s?.[0] === 101 ? 'constant' : 'edge')));
  if (['Conv', 'Gemm'].includes(node.opType) && node.input.length > 2)
    wrong.push({ ...node, input: node.input.slice(0, 2) });
  if (['Concat', 'Sub', 'Clip', 'MatMul', 'Slice'].includes(node.opType))
    wrong.push({ ...node, input: [node.input[0], ...node.input.slice(1)].reverse() });
  return wrong;
}

/** How a fault was met. 'equal': it changes its node's values by less than a hundredth, or the graph cannot be run. */
export type Met = 'noticed' | 'missed' | 'equal';

/** Plants the fault that `seed` picks, and verifies the device's run of it against the right graph. */
export async function planted(bytes: Uint8Array, seed: number): Promise<{ met: Met; fault: string }> {
  const proto = decodeModel(bytes);
  const nodes = proto.graph!.node;
  const faults = nodes.flatMap((node, at) => wrongNodes(node).map((wrong) => ({ wrong, at })));
  if (faults.length === 0) return { met: 'equal', fault: 'none' };
  const { wrong, at } = faults[(seed * 7919) % faults.length];
  const file = encodeModel({
    ...proto,
    graph: { ...proto.graph!, node: nodes.map((node, i) => (i === at ? wrong : node)) },
  });
  const right = nodes[at];
  const fault = `${right.opType} → ${wrong.opType}(${wrong.input.join()}) ${wrong.attribute.map(({ name, i, f, ints }) => `${name} ${i ?? f ?? ints}`).join(' ')}`;
  if (!(await differs(bytes, file, right.output[0]))) return { met: 'equal', fault };
  try {
    const { verdict } = await verified(file, bytes);
    return { met: verdict === 'fail' ? 'noticed' : 'missed', fault };
  } catch (error) {
    if (error instanceof InputError) return { met: 'equal', fault }; // onnxruntime does not take it
    throw error;
  }
}

/**
 * Whether the wrong node's value, from the right one's operands, is of the same shape and differs by a hundredth: a
 * choice of faults, not a tolerance. Twenty of float16's unit roundoffs (2⁻¹¹) are more than rounding moves a vector
 * by, so each such fault has to be noticed.
 */
async function differs(bytes: Uint8Array, file: Uint8Array, name: string): Promise<boolean> {
  const feeds = await feedsOf(bytes);
  const model = await readModel(bytes, 'right.onnx');
  const values = new Map<string, Value>([...feeds, ...model.graph.initializers]);
  const trace = (_: unknown, outputs: ReadonlyMap<string, Value>) => {
    for (const [key, value] of outputs) values.set(key, value);
  };
  evaluateGraph(model, feeds, { trace });
  try {
    const other = await readModel(file, 'wrong.onnx');
    const node = other.graph.nodes.find(({ outputs }) => outputs[0] === name)!;
    const y = evaluateNode(other, node, values).get(name)!;
    evaluateGraph(other, feeds);
    const own = values.get(name)!;
    return y.shape.join() === own.shape.join() && relativeDifference(asTensor(y), asTensor(own)) > 0.01;
  } catch {
    return false;
  }
}
