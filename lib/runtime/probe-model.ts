/**
 * The model that a device is probed with: y = relu(x·w) for 2×3 times 3×2, as ONNX bytes (IR 8, opset 13).
 *
 * All numbers are small integers, so that the answer is exact in float32, TF32, float16 and in any order of
 * terms. Field numbers: onnx.proto3 (ModelProto, GraphProto, NodeProto, TensorProto, ValueInfoProto). It is
 * written here and not by export/ so that a probe needs nothing but onnxruntime.
 */

export const PROBE_X = [1, 2, 3, 4, 5, 6];
const W = [1, 2, 3, -4, 5, -6];
/** relu([22 -24; 49 -48]). */
export const PROBE_Y = [22, 0, 49, 0];

type Field = number | string | readonly number[];

/** A protobuf field: varints for numbers, length-delimited for text and bytes. */
function field(number: number, value: Field): number[] {
  if (typeof value === 'number') return [...varint(number << 3), ...varint(value)];
  const bytes = typeof value === 'string' ? [...Buffer.from(value)] : value;
  return [...varint((number << 3) | 2), ...varint(bytes.length), ...bytes];
}

const varint = (value: number): number[] =>
  value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)];

const message = (...fields: readonly [number, Field][]): number[] =>
  fields.flatMap(([number, value]) => field(number, value));

const FLOAT = 1;

const valueInfo = (name: string, shape: readonly number[]): number[] => {
  const dimensions = shape.map((extent): [number, Field] => [1, message([1, extent])]);
  return message([1, name], [2, message([1, message([1, FLOAT], [2, message(...dimensions)])])]);
};

const node = (op: string, inputs: readonly string[], output: string): number[] =>
  message(...inputs.map((name): [number, Field] => [1, name]), [2, output], [3, output], [4, op]);

/** The model's bytes: input x (2,3), output y (2,2). */
export function probeModel(): Uint8Array {
  const raw = [...new Uint8Array(new Float32Array(W).buffer)];
  const graph = message(
    [1, node('MatMul', ['x', 'w'], 'product')],
    [1, node('Relu', ['product'], 'y')],
    [2, 'probe'],
    [5, message([1, 3], [1, 2], [2, FLOAT], [8, 'w'], [9, raw])],
    [11, valueInfo('x', [2, 3])],
    [12, valueInfo('y', [2, 2])],
  );
  return Uint8Array.from(message([1, 8], [7, graph], [8, message([1, ''], [2, 13])]));
}
