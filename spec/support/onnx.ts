/** Models of a few nodes, encoded as files are, values for them, and what they give or how they fail. */
import { expect } from 'chai';
import { dataTypes } from '../../export/dtypes.ts';
import {
  type AttributeProto,
  attributeTypes,
  encodeModel,
  type GraphProto,
  type ModelProto,
  type TensorProto,
  tensorProto,
  type ValueInfoProto,
} from '../../export/proto.ts';
import type { DType } from '../../lib/array/dtype.ts';
import type { Value } from '../../lib/array/value.ts';
import { InputError } from '../../lib/errors.ts';
import { evaluateGraph } from '../../lib/onnx/evaluate.ts';
import type { Model } from '../../lib/onnx/model.ts';
import { readModel } from '../../lib/onnx/read.ts';
import { sizeOf } from '../../reference/tensor.ts';

export const f32 = (data: readonly number[], shape: readonly number[] = [data.length]): Value => ({
  dtype: 'float32',
  shape,
  data: Float32Array.from(data),
});

export const i64 = (data: readonly number[], shape: readonly number[] = [data.length]): Value => ({
  dtype: 'int64',
  shape,
  data: BigInt64Array.from(data, BigInt),
});

export const bool = (data: readonly number[], shape: readonly number[] = [data.length]): Value => ({
  dtype: 'bool',
  shape,
  data: Uint8Array.from(data),
});

/** A TensorProto of a numeric value. */
export function tensorOf(value: Value, name = ''): TensorProto {
  const { buffer, byteOffset, byteLength } = value.data as Float32Array<ArrayBuffer>;
  return tensorProto({
    name,
    dataType: dataTypes[value.dtype],
    dims: [...value.shape],
    rawData: new Uint8Array(buffer, byteOffset, byteLength),
  });
}

const empty = {
  floats: [],
  ints: [],
  strings: [],
  tensors: [],
  graphs: [],
  typeProtos: [],
  sparseTensors: [],
};

export type AttributeValue = number | readonly number[] | string | Value | GraphProto | { float: number };

/** Whole numbers become ints; { float: 1 } is a float that is whole. */
export function attribute(name: string, value: AttributeValue): AttributeProto {
  const base = { ...empty, name };
  const types = attributeTypes;
  if (typeof value === 'string') return { ...base, type: types.STRING, s: new TextEncoder().encode(value) };
  if (typeof value === 'number') {
    return Number.isInteger(value)
      ? { ...base, type: types.INT, i: value }
      : { ...base, type: types.FLOAT, f: value };
  }
  if (Array.isArray(value)) return { ...base, type: types.INTS, ints: [...value] };
  if ('float' in value) return { ...base, type: types.FLOAT, f: value.float };
  if ('dtype' in value) return { ...base, type: types.TENSOR, t: tensorOf(value) };
  return { ...base, type: types.GRAPH, g: value as GraphProto };
}

export const info = (
  name: string,
  dtype: DType = 'float32',
  shape?: readonly (number | string)[],
): ValueInfoProto => ({
  name,
  type: {
    tensorType: {
      elemType: dataTypes[dtype],
      ...(shape && {
        shape: { dim: shape.map((n) => (typeof n === 'number' ? { dimValue: n } : { dimParam: n })) },
      }),
    },
  },
});

export interface NodeText {
  readonly op: string;
  readonly inputs?: readonly string[];
  readonly outputs?: readonly string[];
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  readonly domain?: string;
  readonly name?: string;
}

export const graph = (
  nodes: readonly NodeText[],
  inputs: readonly ValueInfoProto[],
  outputs: readonly ValueInfoProto[],
  initializers: readonly TensorProto[] = [],
): GraphProto => ({
  name: 'g',
  node: nodes.map(({ op, inputs: i = ['x'], outputs: o = ['y'], attributes = {}, domain, name }) => ({
    opType: op,
    name: name ?? '',
    input: [...i],
    output: [...o],
    attribute: Object.entries(attributes).map(([key, value]) => attribute(key, value)),
    ...(domain !== undefined && { domain }),
  })),
  initializer: [...initializers],
  sparseInitializer: [],
  input: [...inputs],
  output: [...outputs],
  valueInfo: [],
  quantizationAnnotation: [],
});

export const modelBytes = (g: GraphProto, opset = 13, more: Partial<ModelProto> = {}): Uint8Array =>
  encodeModel({
    irVersion: 8,
    opsetImport: [
      { domain: '', version: opset },
      { domain: 'ai.onnx.preview.training', version: 1 },
    ],
    graph: g,
    ...more,
  });

/** A model of one node whose inputs are x0, x1, … and whose outputs are y0, y1, …; undefined is an input not given. */
export function single(
  op: string,
  inputs: readonly (Value | undefined)[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
  { opset = 13, outputs = 1, types = ['float32'] as readonly DType[], domain = '' } = {},
): { bytes: Uint8Array; feeds: Map<string, Value> } {
  const names = inputs.map((value, i) => (value ? `x${i}` : ''));
  const results = Array.from({ length: outputs }, (_, i) => `y${i}`);
  const given = inputs.flatMap((value, i) => (value ? [[names[i], value] as const] : []));
  const g = graph(
    [{ op, inputs: names, outputs: results, attributes, domain, name: 'n' }],
    given.map(([name, { dtype, shape }]) => info(name, dtype, shape)),
    results.map((name, i) => info(name, types[i] ?? types[0])),
  );
  return { bytes: modelBytes(g, opset), feeds: new Map(given) };
}

export const open = (bytes: Uint8Array, name = 'm.onnx'): Promise<Model> => readModel(bytes, name);

/** Deterministic values without a pattern, in (−1, 1), as float32. */
export function noise(shape: readonly number[], seed = 1): Value {
  let state = seed * 2654435761;
  const data = new Float32Array(sizeOf(shape)).map(() => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state / 2 ** 31;
  });
  return { dtype: 'float32', shape, data };
}

export const FLOAT = dataTypes.float32;

/** The first output of a single node. */
export async function run(
  op: string,
  inputs: readonly (Value | undefined)[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
  opset = 13,
  outputs = 1,
): Promise<Value[]> {
  const { bytes, feeds } = single(op, inputs, attributes, { opset, outputs });
  return [...evaluateGraph(await open(bytes), feeds).values()];
}

/** The elements as numbers. */
export const list = (value: Value): number[] => Array.from(value.data as Float32Array, Number);

/** The one-line InputError with which work fails. */
export async function refusal(work: () => Promise<unknown>): Promise<string> {
  const error = await work().then(
    () => new Error('it did not fail'),
    (e: unknown) => e as Error,
  );
  expect(error, error.message).to.be.instanceOf(InputError);
  expect(error.message).not.to.contain('\n');
  return error.message;
}
