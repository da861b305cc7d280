/**
 * How many wrong kernels (lib/judge/mistakes/) a set of test vectors tells from the right ones.
 *
 * A mutant is killed by a vector where its result, rounded to float32, has another shape than expected, or
 * values beyond the test's tolerance (rtol 1e-3, atol 1e-7) or, where derived bounds are used, beyond the
 * bound. A mutant that throws is not killed by that vector: the mistake makes no sense there.
 */
import { readFileSync } from 'node:fs';
import { decodeTensor } from '../../export/proto.ts';
import type { Value } from '../../lib/array/value.ts';
import { classes } from '../../lib/bounds/arithmetic.ts';
import { boundsOf } from '../../lib/bounds/operations.ts';
import { readCases } from '../../lib/conform/cases.ts';
import { firstDifference } from '../../lib/conform/compare.ts';
import { findTests, type TestFolder } from '../../lib/conform/layout.ts';
import { vectorOf } from '../../lib/conform/vectors.ts';
import { type Mutant, mutants } from '../../lib/judge/mistakes/index.ts';
import type { NamedCall } from '../../lib/judge/mistakes/tools.ts';
import { valueFrom } from '../../lib/onnx/graph.ts';
import { layerOf } from '../../lib/onnx/layer.ts';
import type { Model, Node } from '../../lib/onnx/model.ts';
import { Attributes } from '../../lib/onnx/ops/kernel.ts';
import { readModel } from '../../lib/onnx/read.ts';
import { asTensor } from '../../lib/onnx/value.ts';
import type { Layer } from '../../reference/networks/layers.ts';
import { dense, type Tensor, tensor } from '../../reference/tensor.ts';
import { operations } from './operations.ts';

/** One test of an operation. */
export interface Probe {
  readonly name: string;
  readonly operation: string;
  readonly call: NamedCall;
  readonly expected: Tensor;
}

// ---- this project's own vectors

/** The cases that `alexnet conform --write` writes. */
export const ownProbes = (): Probe[] =>
  readCases().flatMap((test) => {
    const vector = vectorOf(test);
    if (typeof vector === 'string') return [];
    const float32 = ({ shape, data }: (typeof test.inputs)[string]): Tensor =>
      tensor(Float32Array.from(data, Number), shape);
    const inputs = Object.fromEntries(Object.entries(test.inputs).map(([name, t]) => [name, float32(t)]));
    const { shape, data } = test.expected.y;
    const expected = tensor(Float64Array.from(data, Number), shape);
    return [
      {
        name: vector.name,
        operation: test.operation,
        call: { inputs, attributes: test.attributes },
        expected,
      },
    ];
  });

// ---- ONNX's tests

/** Those of ONNX's tests whose model is one node that does what an operation of the reference does. */
export async function onnxProbes(folders: readonly string[]): Promise<Probe[]> {
  const probes: Probe[] = [];
  for (const test of await findTests(folders)) {
    const probe = await probeOf(test).catch(() => null);
    if (probe) probes.push(probe);
  }
  return probes;
}

async function probeOf(test: TestFolder): Promise<Probe | null> {
  const model = await readModel(test.model);
  const [node] = model.graph.nodes;
  const [set] = test.sets;
  if (model.graph.nodes.length !== 1 || !set || set.inputs === 'ramp') return null;
  const read = (path: string): Value => valueFrom(decodeTensor(readFileSync(path)));
  const values = new Map(model.graph.initializers);
  for (const [i, { name }] of model.graph.inputs.entries()) values.set(name, read(set.inputs[i]));
  const inputs = node.inputs.map((name) => values.get(name));
  const call = callOf(model, node, inputs);
  return call && { name: test.name, ...call, expected: asTensor(read(set.outputs[0])) };
}

function callOf(
  model: Model,
  node: Node,
  inputs: readonly (Value | undefined)[],
): Pick<Probe, 'operation' | 'call'> | null {
  const [x] = inputs;
  if (x?.dtype !== 'float32') return null;
  const found = layerOf(model, node, inputs);
  if (found) {
    const { layer, weights } = found;
    const w = weights.get(`${layer.name}.weight`);
    const b = weights.get(`${layer.name}.bias`);
    const tensors = { x: found.inputs[0], ...(w && { w }), ...(b && { b }) };
    const attributes = 'attributes' in layer ? layer.attributes : {};
    return { operation: layer.kind, call: { inputs: tensors, attributes } };
  }
  const t = asTensor(x);
  const axis = new Attributes(node).int('axis', 1);
  switch (node.op) {
    case 'GlobalAveragePool':
      return x.shape.length === 4
        ? { operation: 'adaptiveavgpool', call: { inputs: { x: t }, attributes: { size: [1, 1] } } }
        : null;
    case 'Flatten':
      return axis === 1
        ? { operation: 'flatten', call: { inputs: { x: t }, attributes: { order: 'CHW' } } }
        : null;
    case 'Concat': {
      if (axis !== 1) return null;
      const named = inputs.map((value, i) => [`x${i}`, asTensor(value!)]);
      return { operation: 'concat', call: { inputs: Object.fromEntries(named), attributes: {} } };
    }
    case 'Split': {
      const parts = node.outputs.length;
      const equal =
        axis === 1 && !new Attributes(node).ints('split') && !inputs[1] && x.shape[1] % parts === 0;
      return equal
        ? { operation: 'split', call: { inputs: { x: t }, attributes: { parts, part: 0 } } }
        : null;
    }
    case 'Dropout':
      return inputs.length === 1
        ? {
            operation: 'dropout',
            call: { inputs: { x: t }, attributes: { ratio: 0.5, convention: 'inverted' } },
          }
        : null;
    default:
      return null;
  }
}

// ---- killing

/** The float32 bound of each value (lib/bounds/bounds.ts, IEEE arithmetic) around the expected ones. */
export function boundOf({ operation, call, expected }: Probe): Float64Array {
  const { x, w, b, ...more } = call.inputs;
  const kernel = w?.shape.slice(2);
  const layer = { name: 'y', kind: operation, attributes: call.attributes, channels: w?.shape[0], kernel };
  const weights = new Map<string, Tensor>();
  if (w) weights.set('y.weight', w);
  if (b) weights.set('y.bias', b);
  const context = {
    device: 'cpu',
    operands: classes.float32,
    half: false,
    runningSum: false,
  } as const;
  return boundsOf(layer as unknown as Layer, x ? [x] : Object.values(more), expected, weights, context).bound;
}

const asValue = (t: Tensor): Value => ({
  dtype: 'float32',
  shape: t.shape,
  data: Float32Array.from(dense(t)),
});

/** Why a result is wrong, by the tests' tolerance, or by the bound; null where it is not seen to be. */
export function fault(probe: Probe, result: Tensor, by: 'tolerance' | 'bound'): string | null {
  const seen = firstDifference(asValue(result), asValue(probe.expected));
  if (seen || by === 'tolerance') return seen;
  const y = Float32Array.from(dense(result));
  const e = dense(probe.expected);
  const bound = boundOf(probe);
  for (let i = 0; i < e.length; i++) {
    const same = y[i] === Math.fround(e[i]) || Number.isNaN(e[i]);
    if (!same && Number.isFinite(e[i]) && Math.abs(y[i] - e[i]) > bound[i]) return `value ${i}`;
  }
  return null;
}

/** Name of the first probe that kills a mutant; undefined where it survives. */
export function killer(
  mutant: Mutant,
  probes: readonly Probe[],
  by: 'tolerance' | 'bound',
): string | undefined {
  return probes.find((probe) => {
    if (probe.operation !== mutant.operation) return false;
    try {
      return fault(probe, mutant.run(probe.call), by) !== null;
    } catch {
      return false;
    }
  })?.name;
}

/** Probes on which even the right kernel is found wrong: there must be none. */
export const falseAlarms = (probes: readonly Probe[], by: 'tolerance' | 'bound'): string[] =>
  probes.flatMap((probe) => {
    const why = fault(probe, operations[probe.operation].run(probe.call, 'float32'), by);
    return why ? [`${probe.name}: ${why}`] : [];
  });

export interface Score {
  readonly killed: number;
  readonly survivors: readonly string[];
}

/** Kills among the mutants of one operation. */
export function score(operation: string, probes: readonly Probe[], by: 'tolerance' | 'bound'): Score {
  const survivors = mutants
    .filter((mutant) => mutant.operation === operation && !killer(mutant, probes, by))
    .map(({ name }) => name);
  const all = mutants.filter((mutant) => mutant.operation === operation).length;
  return { killed: all - survivors.length, survivors };
}
