/**
 * The model that a device is probed with: y = relu(lrn(conv(x))·w), as ONNX bytes (IR 8, opset 13), so that a
 * convolution and a normalisation (cuDNN's, which CUDA loads when they are first asked for) and a product (cuBLAS's)
 * have run before anything else does.
 *
 * All numbers are small integers, and the normalisation divides by (1 + α·x²)¹ with α = 2⁻¹²⁰ (onnxruntime refuses 0),
 * which rounds to 1, so that the answer is exact in float32, TF32,
 * float16 and in any order of terms. Field numbers: onnx.proto3 (ModelProto, GraphProto, NodeProto, TensorProto,
 * AttributeProto, ValueInfoProto). It is written here and not by export/ so that a probe needs nothing but
 * onnxruntime.
 */

export const PROBE_X = [1, 2, 3, 4, 5, 6];
export const PROBE_SHAPE = [1, 1, 2, 3];
/** Two kernels of 1×3: 22 and 49, −24 and −48. */
const KERNELS = [1, 3, 5, 2, -4, -6];
/** (1,2,2,1): a channel after the other. */
export const PROBE_Y = [22, 49, 0, 0];

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

/** A float attribute (type 1, `f` is field 2, four bytes) or an integer one (type 2, `i` is field 3). */
const attribute = (name: string, kind: 'float' | 'integer', value: number): number[] =>
  kind === 'integer'
    ? message([1, name], [3, value], [20, 2])
    : [
        ...message([1, name]),
        (2 << 3) | 5,
        ...new Uint8Array(new Float32Array([value]).buffer),
        ...field(20, 1),
      ];

const node = (op: string, inputs: readonly string[], output: string, attributes: number[][] = []): number[] =>
  message(
    ...inputs.map((name): [number, Field] => [1, name]),
    [2, output],
    [3, output],
    [4, op],
    ...attributes.map((bytes): [number, Field] => [5, bytes]),
  );

const initializer = (name: string, shape: readonly number[], values: readonly number[]): number[] => {
  const raw = [...new Uint8Array(Float32Array.from(values).buffer)];
  return message(...shape.map((extent): [number, Field] => [1, extent]), [2, FLOAT], [8, name], [9, raw]);
};

/** The model's bytes: input x (1,1,2,3), output y (1,2,2,1). */
export function probeModel(): Uint8Array {
  const lrn = [
    attribute('alpha', 'float', 2 ** -120),
    attribute('beta', 'float', 1),
    attribute('size', 'integer', 1),
  ];
  const graph = message(
    [1, node('Conv', ['x', 'kernels'], 'conv')],
    [1, node('LRN', ['conv'], 'norm', lrn)],
    [1, node('MatMul', ['norm', 'one'], 'product')],
    [1, node('Relu', ['product'], 'y')],
    [2, 'probe'],
    [5, initializer('kernels', [2, 1, 1, 3], KERNELS)],
    [5, initializer('one', [1, 1], [1])],
    [11, valueInfo('x', PROBE_SHAPE)],
    [12, valueInfo('y', [1, 2, 2, 1])],
  );
  return Uint8Array.from(message([1, 8], [7, graph], [8, message([1, ''], [2, 13])]));
}
