/**
 * Builds an ONNX graph node by node and refuses what would only be found out when it runs: an unknown value, a second
 * producer, an attribute that is missing or unknown, element types that do not mix, a shape that disagrees.
 *
 * Names: a layer's value and its last node are called as the layer, what lies between 'norm1/square'.
 */
import { dense, type Shape, type Tensor } from '../reference/tensor.ts';
import { dataTypeName, dataTypes } from './dtypes.ts';
import { fittingFloat16 } from './float16.ts';
import { type Attributes, type Dims, type Operator, operators } from './operators.ts';
import {
  type AttributeProto,
  attributeTypes,
  type GraphProto,
  type NodeProto,
  nodeProto,
  type TensorProto,
  tensorProto,
  type ValueInfoProto,
} from './proto.ts';

export type FloatType = 'float32' | 'float16';

/** Whose kernels a training graph is laid out for; gpu: CUDA's. */
export const trainingTargets = ['cpu', 'gpu', 'webgpu'] as const;
export type TrainingTarget = (typeof trainingTargets)[number];

/**
 * native: the operator LRN; decomposed: AveragePool and arithmetic, for devices without that operator; band: the
 * window's sum as a product with a matrix, for devices that would move every value to pool over channels.
 */
export const lrnForms = ['native', 'decomposed', 'band'] as const;
export type LrnForm = (typeof lrnForms)[number];

export interface GraphSettings {
  /** Element type of weights and of the values between layers. */
  readonly precision: FloatType;
  /** Batch size, or 'dynamic' for a dimension called N. */
  readonly batch: number | 'dynamic';
  readonly lrn: LrnForm;
  /** Of graphs that train; default cpu. */
  readonly target?: TrainingTarget;
}

type ElementType = keyof typeof dataTypes;

/** The inputs of Slice, in its order. */
interface Bounds {
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  readonly axes: readonly number[];
  readonly steps?: readonly number[];
}

interface Known {
  readonly type: number;
  readonly dims: Dims;
  /** Values of an int64 initializer. */
  readonly integers?: readonly number[];
}

const absent: Known = { type: 0, dims: [] };

export class GraphBuilder {
  readonly settings: GraphSettings;
  readonly #known = new Map<string, Known>();
  readonly #nodes: NodeProto[] = [];
  readonly #initializers: TensorProto[] = [];
  readonly #inputs: string[] = [];
  readonly #outputs: string[] = [];
  readonly #computed: string[] = [];

  constructor(settings: GraphSettings) {
    this.settings = settings;
  }

  /** A graph input, of float32 values unless said otherwise. */
  input(name: string, dims: Dims, type: ElementType = 'float32'): string {
    this.#add(name, { type: dataTypes[type], dims });
    this.#inputs.push(name);
    return name;
  }

  /** An initializer in the graph's precision (or in the one given). Weights are viewed, not copied, in float32. */
  initializer(name: string, value: Tensor, precision: FloatType = this.settings.precision): string {
    const values = dense(value);
    const data = precision === 'float16' ? fittingFloat16(name, values) : toFloat32(values);
    return this.#store(name, dataTypes[precision], value.shape, bytesOf(data));
  }

  /** A scalar in the graph's precision (or in the one given). */
  scalar(name: string, value: number, precision: FloatType = this.settings.precision): string {
    const data = precision === 'float16' ? fittingFloat16(name, [value]) : Float32Array.of(value);
    return this.#store(name, dataTypes[precision], [], bytesOf(data));
  }

  /** A vector of int64, as shapes and pads are given. */
  integers(name: string, values: readonly number[]): string {
    const data = BigInt64Array.from(values, BigInt);
    return this.#store(name, dataTypes.int64, [values.length], bytesOf(data), values);
  }

  /**
   * A node whose name is that of its value; returns it. `doc` is its doc string; `given`: its shape, where values of
   * the inputs decide it. An input that is left out is ''.
   */
  node(
    opType: string,
    inputs: readonly string[],
    output: string,
    attributes: Attributes = {},
    doc = '',
    given?: Dims,
  ): string {
    const fail = (what: string): never => {
      throw new RangeError(`${output}: ${opType}: ${what}`);
    };
    const operator = operators[opType] ?? fail('no such operator is written here');
    const [fewest, most] = operator.inputs;
    if (inputs.length < fewest || inputs.length > most) fail(`${inputs.length} inputs`);
    const known = inputs.map((name) =>
      name === '' ? absent : (this.#known.get(name) ?? fail(`there is no value '${name}' yet`)),
    );
    const lead = operator.lead ?? 0;
    for (const [index, { type }] of known.entries()) {
      if (type !== known[lead].type && !operator.mixed?.includes(index))
        fail(
          `'${inputs[index]}' is ${dataTypeName(type)}, '${inputs[lead]}' is ${dataTypeName(known[lead].type)}`,
        );
    }
    for (const [name, kind] of Object.entries(operator.attributes)) {
      if (kind.endsWith('!') && attributes[name] === undefined) fail(`the attribute ${name} is missing`);
    }
    const attribute = Object.entries(attributes).map(([name, value]) =>
      attributeProto(name, value, operator.attributes[name] ?? fail(`it has no attribute ${name}`)),
    );
    const integers = (i: number): readonly number[] => {
      const values = known[i].integers;
      if (!values) throw new RangeError(`'${inputs[i]}' must be an int64 initializer`);
      return values;
    };
    const shapes = known.map((value) => value.dims);
    let dims: Dims = [];
    try {
      dims = given ?? operator.shape(shapes, attributes, integers);
    } catch (error) {
      fail((error as Error).message);
    }
    this.#add(output, { type: resultType(operator, attributes, known[lead].type), dims });
    this.#computed.push(output);
    const docString = doc === '' ? {} : { docString: doc };
    this.#nodes.push({ ...nodeProto(opType, [...inputs], [output], attribute), ...docString });
    return output;
  }

  /** A tensor of int32, as labels and counters are. */
  counters(name: string, values: Iterable<number>, dims: Shape): string {
    return this.#store(name, dataTypes.int32, dims, bytesOf(Int32Array.from(values)));
  }

  /** `x` under another shape: 0 keeps the dimension in that place, −1 takes what is left. */
  reshape(x: string, dims: readonly number[], output: string, shape = `${output}/shape`): string {
    return this.node('Reshape', [x, this.integers(shape, dims)], output);
  }

  /** factor·x in float32; `constant` is what the factor is called. */
  scaled(x: string, factor: number, constant: string, output: string): string {
    return this.node('Mul', [x, this.scalar(constant, factor, 'float32')], output);
  }

  transpose(x: string, perm: readonly number[], output: string): string {
    return this.node('Transpose', [x], output, { perm });
  }

  /** The sum along `axes`, which are gone from the result unless `keepdims` is 1. */
  sum(x: string, axes: readonly number[], output: string, name = `${output}/axes`, keepdims = 0): string {
    return this.node('ReduceSum', [x, this.integers(name, axes)], output, { keepdims });
  }

  /** `x` with zeros around it: `pads` are those before each axis, then those after each. */
  pad(x: string, pads: readonly number[], prefix: string, output = `${prefix}/padded`): string {
    const amounts = [this.integers(`${prefix}/pads`, pads), this.scalar(`${prefix}/zero`, 0)];
    return this.node('Pad', [x, ...amounts], output, { mode: 'constant' });
  }

  /** Of `x` what lies between bounds; they are called `<prefix>/starts` and so on. */
  slice(x: string, bounds: Bounds, prefix: string, output = prefix, doc = ''): string {
    const inputs = Object.entries(bounds).map(([name, values]) => this.integers(`${prefix}/${name}`, values));
    return this.node('Slice', [x, ...inputs], output, {}, doc);
  }

  /** `x` in another element type, under the name `output`. */
  cast(x: string, output: string, type: ElementType): string {
    return this.node('Cast', [x], output, { to: dataTypes[type] });
  }

  /** Makes a value a graph output, of float32: a float16 value is renamed 'name/float16' and cast. */
  output(name: string): void {
    const { type, dims } = this.#known.get(name) ?? { type: 0, dims: this.dims(name) };
    if (type === dataTypes.float16) this.#rename(name, `${name}/float16`, { type, dims });
    this.#outputs.push(name);
  }

  /** Whether there is a value of that name yet. */
  has(name: string): boolean {
    return this.#known.has(name);
  }

  /** The shape of a value. Throws if there is none of that name. */
  dims(name: string): Dims {
    const known = this.#known.get(name);
    if (!known) throw new RangeError(`there is no value '${name}'`);
    return known.dims;
  }

  /** Throws where a value's inferred shape is not the one given: (batch, …). */
  expect(name: string, dims: Dims): void {
    const inferred = this.dims(name);
    if (inferred.join() !== dims.join())
      throw new RangeError(`${name}: its shape in ONNX is [${inferred}], in the oracle [${dims}]`);
  }

  /** The graph, with the shape of every value in it. */
  build(name: string, docString: string): GraphProto {
    const info = (value: string): ValueInfoProto => {
      const { type, dims } = this.#known.get(value)!;
      const dim = dims.map((d) => (typeof d === 'number' ? { dimValue: d } : { dimParam: d }));
      return { name: value, type: { tensorType: { elemType: type, shape: { dim } } } };
    };
    const ends = new Set([...this.#inputs, ...this.#outputs]);
    return {
      name,
      docString,
      node: this.#nodes,
      initializer: this.#initializers,
      input: this.#inputs.map(info),
      output: this.#outputs.map(info),
      valueInfo: this.#computed.filter((value) => !ends.has(value)).map(info),
      sparseInitializer: [],
      quantizationAnnotation: [],
    };
  }

  #rename(name: string, narrow: string, known: Known): void {
    const renamed = (names: string[]) => names.map((value) => (value === name ? narrow : value));
    for (const node of this.#nodes) {
      if (node.output.includes(name)) node.name = narrow;
      node.input = renamed(node.input);
      node.output = renamed(node.output);
    }
    this.#add(narrow, known);
    this.#known.delete(name);
    this.#computed[this.#computed.indexOf(name)] = narrow;
    this.cast(narrow, name, 'float32');
  }

  #add(name: string, known: Known): void {
    if (name === '') throw new RangeError('a value must have a name');
    if (this.#known.has(name)) throw new RangeError(`${name}: there is a value of that name already`);
    this.#known.set(name, known);
  }

  #store(name: string, type: number, dims: Shape, rawData: Uint8Array, integers?: readonly number[]): string {
    this.#add(name, { type, dims, integers });
    this.#initializers.push(tensorProto({ name, dataType: type, dims: [...dims], rawData }));
    return name;
  }
}

const resultType = ({ makes }: Operator, { to }: Attributes, type: number): number =>
  makes ? dataTypes[makes] : ((to as number | undefined) ?? type);

const toFloat32 = (values: Float32Array | Float64Array): Float32Array =>
  values instanceof Float32Array ? values : new Float32Array(values);

/** One int64, as files hold it. */
export const int64Bytes = (value: number): Uint8Array => bytesOf(BigInt64Array.of(BigInt(value)));

/** The memory of a typed array, little-endian as files are. */
function bytesOf(data: Float32Array | Uint16Array | Int32Array | BigInt64Array): Uint8Array {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (new Uint8Array(Uint16Array.of(1).buffer)[0] === 1) return bytes;
  const swapped = Uint8Array.from(bytes);
  const step = data.BYTES_PER_ELEMENT;
  for (let at = 0; at < swapped.length; at += step) swapped.subarray(at, at + step).reverse();
  return swapped;
}

/** An attribute of a kind that the operator's table names: int, float, ints or string. */
export function attributeProto(name: string, value: Attributes[string], kind: string): AttributeProto {
  const lists = { floats: [], ints: [], strings: [], tensors: [], graphs: [] };
  const none = { ...lists, typeProtos: [], sparseTensors: [] };
  switch (kind.replace('!', '')) {
    case 'float':
      return { name, type: attributeTypes.FLOAT, f: value as number, ...none };
    case 'ints':
      return { name, type: attributeTypes.INTS, ...none, ints: [...(value as readonly number[])] };
    case 'string':
      return { name, type: attributeTypes.STRING, s: new TextEncoder().encode(value as string), ...none };
    default:
      return { name, type: attributeTypes.INT, i: value as number, ...none };
  }
}

/** The oracle's shape for this batch, or for so many views of each picture in it: its first dimension replaced. */
export const withBatch = (shape: Shape, batch: GraphSettings['batch'], views = 1): Dims => [
  batch === 'dynamic' ? (views === 1 ? 'N' : `N*${views}`) : batch * views,
  ...shape.slice(1),
];
