/**
 * The weights in an ONNX model: initialisers, raw, typed or external, of the nodes that have weights (Conv,
 * Gemm, MatMul).
 *
 *   ModelProto    ir_version = 1, graph = 7, metadata_props = 14 {key = 1, value = 2}
 *   GraphProto    node = 1, initializer = 5
 *   NodeProto     input = 1, op_type = 4, attribute = 5 {name = 1, i = 3}
 *   TensorProto   dims = 1, data_type = 2, float_data = 4, int32_data = 5, name = 8, raw_data = 9,
 *                 double_data = 10,
 *                 external_data = 13 {key = 1, value = 2}, data_location = 14
 * Source: onnx/onnx.proto. Read here and not through onnx-proto, so that 244 MB of initialisers stay in the
 * file.
 *
 * External data lie in a file beside the model; a location that leads out of its folder, by '..', absolute
 * or through a symbolic link, is refused.
 */
import { realpathSync } from 'node:fs';
import { dirname, isAbsolute, relative, resolve } from 'node:path';
import { bytesOf, dtypeOfOnnx, type NumericDType, viewAs } from '../array/dtype.ts';
import { byteSize, type LazyValue, type NumericValue } from '../array/value.ts';
import { cursor } from './cursor.ts';
import { countFixed, type Field, fields, integers, readFixed, text, varint } from './protobuf.ts';
import { bad, describe, openFile, type Source } from './source.ts';

export interface OnnxWeights {
  readonly tensors: ReadonlyMap<string, LazyValue>;
  readonly metadata: ReadonlyMap<string, string>;
  /** Weights of Gemm without transB and of MatMul: (in, out). */
  readonly inOut: ReadonlySet<string>;
}

const inside = (source: Source, { start, length }: Field) => fields(source, start, start + length);

/** The weights and biases in the order of the nodes that use them, values unread. Throws InputError. */
export function openOnnx(source: Source): OnnxWeights {
  const metadata = new Map<string, string>();
  const initializers = new Map<string, Field>();
  const used = new Set<string>();
  const inOut = new Set<string>();
  for (const field of fields(source)) {
    if (field.wire !== 2) continue;
    if (field.number === 14) {
      const [key, value] = pair(source, field);
      metadata.set(key, value);
    } else if (field.number === 7) readGraph(source, field, initializers, used, inOut);
  }
  if (initializers.size === 0) throw bad(source, 'the ONNX model has no initialisers');
  const names = used.size > 0 ? [...used].filter((name) => initializers.has(name)) : [...initializers.keys()];
  if (names.length === 0)
    throw bad(source, 'no Conv, Gemm or MatMul of this model has its weights in the file');
  const tensors = new Map<string, LazyValue>();
  for (const name of names) tensors.set(name, openTensor(source, initializers.get(name) as Field, name));
  return { tensors, metadata, inOut };
}

function pair(source: Source, message: Field): [string, string] {
  let [key, value] = ['', ''];
  for (const field of inside(source, message)) {
    if (field.number === 1) key = text(source, field);
    else if (field.number === 2) value = text(source, field);
  }
  return [key, value];
}

function readGraph(
  source: Source,
  graph: Field,
  initializers: Map<string, Field>,
  used: Set<string>,
  inOut: Set<string>,
): void {
  for (const field of inside(source, graph)) {
    if (field.wire !== 2) continue;
    if (field.number === 1) readNode(source, field, used, inOut);
    if (field.number !== 5) continue;
    const name = tensorName(source, field);
    if (initializers.has(name)) throw bad(source, `two initialisers are called '${name}'`);
    initializers.set(name, field);
  }
}

function tensorName(source: Source, tensor: Field): string {
  let name = '';
  for (const field of inside(source, tensor)) if (field.number === 8) name = text(source, field);
  return name;
}

function readNode(source: Source, node: Field, used: Set<string>, inOut: Set<string>): void {
  const inputs: string[] = [];
  let [type, transB] = ['', 0];
  for (const field of inside(source, node)) {
    if (field.number === 1) inputs.push(text(source, field));
    else if (field.number === 4) type = text(source, field);
    else if (field.number === 5 && field.wire === 2) transB = attribute(source, field) ?? transB;
  }
  if (!['Conv', 'Gemm', 'MatMul'].includes(type)) return;
  for (const name of inputs.slice(1, 3)) if (name !== '') used.add(name);
  if (inputs[1] && (type === 'MatMul' || (type === 'Gemm' && transB === 0))) inOut.add(inputs[1]);
}

function attribute(source: Source, message: Field): number | undefined {
  let [name, value] = ['', 0];
  for (const field of inside(source, message)) {
    if (field.number === 1) name = text(source, field);
    else if (field.number === 3 && field.wire === 0) value = field.value;
  }
  return name === 'transB' ? value : undefined;
}

interface TensorFields {
  shape: number[];
  type: number;
  raw: Field | null;
  external: Map<string, string>;
  location: number;
}

function openTensor(source: Source, tensor: Field, name: string): LazyValue {
  const found: TensorFields = { shape: [], type: 0, raw: null, external: new Map(), location: 0 };
  for (const field of inside(source, tensor)) {
    if (field.number === 1) integers(source, field, found.shape);
    else if (field.number === 2 && field.wire === 0) found.type = field.value;
    else if (field.number === 9 && field.wire === 2) found.raw = field;
    else if (field.number === 13 && field.wire === 2) found.external.set(...pair(source, field));
    else if (field.number === 14 && field.wire === 0) found.location = field.value;
  }
  const label = `initialiser '${name.slice(0, 80)}'`;
  const dtype = dtypeOfOnnx(found.type);
  if (!dtype || dtype === 'string')
    throw bad(source, `${label}: values of ONNX type ${found.type} are not read`);
  const { shape } = found;
  const size = byteSize(dtype, shape);
  const bytes = bytesSource(source, tensor, found, dtype, size, label);
  const read = (): NumericValue => ({ dtype, shape, data: viewAs(dtype, bytes()) });
  return { dtype, shape, read };
}

/** Checks that the values are all there, and gives what reads them. */
function bytesSource(
  source: Source,
  tensor: Field,
  { shape, raw, external, location }: TensorFields,
  dtype: NumericDType,
  size: number,
  label: string,
): () => Uint8Array<ArrayBuffer> {
  const wrong = (there: number | string) =>
    bad(source, `${label}: shape [${shape}] of ${dtype} needs ${size} bytes, ${there} are there`);
  if (location === 1) {
    if (!(size <= Number.MAX_SAFE_INTEGER)) throw wrong('fewer');
    return () => readExternal(source, external, size, label);
  }
  if (raw) {
    if (raw.length !== size) throw wrong(raw.length);
    return () => source.read(raw.start, size);
  }
  const [number, width] = dtype === 'float64' ? ([10, 8] as const) : ([4, 4] as const);
  if (dtype === 'float64' || dtype === 'float32') {
    if (countFixed(source, tensor, number, width) * width !== size) throw wrong('other');
    return () => readFixed(source, tensor, number, width, size);
  }
  const values = countVarints(source, tensor, dtype);
  if (values * bytesOf(dtype) !== size) throw wrong(values * bytesOf(dtype));
  return () => readVarints(source, tensor, dtype, values);
}

const typedField = (dtype: NumericDType): number =>
  dtype === 'int64' ? 7 : dtype.startsWith('uint32') || dtype === 'uint64' ? 11 : 5;

function* varints(source: Source, tensor: Field, dtype: NumericDType): Generator<bigint> {
  for (const field of inside(source, tensor)) {
    if (field.number !== typedField(dtype)) continue;
    if (field.wire === 0) yield BigInt(field.value);
    else {
      const c = cursor(source, field.start, field.start + field.length);
      while (c.at < c.end) yield varint(c);
    }
  }
}

function countVarints(source: Source, tensor: Field, dtype: NumericDType): number {
  let count = 0;
  for (const _ of varints(source, tensor, dtype)) count++;
  return count;
}

/** Integers and the bits of halves, one varint each. */
function readVarints(
  source: Source,
  tensor: Field,
  dtype: NumericDType,
  count: number,
): Uint8Array<ArrayBuffer> {
  const width = bytesOf(dtype);
  const bytes = Buffer.alloc(count * width);
  let at = 0;
  for (const value of varints(source, tensor, dtype)) {
    const bits = BigInt.asUintN(8 * width, value);
    for (let i = 0; i < width; i++) bytes[at++] = Number((bits >> BigInt(8 * i)) & 255n);
  }
  return new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length);
}

function readExternal(source: Source, external: ReadonlyMap<string, string>, size: number, label: string) {
  const location = external.get('location') ?? '';
  const path = besides(source, location, label);
  const file = openFile(path);
  try {
    const offset = Number(external.get('offset') ?? 0);
    const length = Number(external.get('length') ?? size);
    if (length !== size)
      throw bad(source, `${label}: its external data have ${length} bytes, ${size} are due`);
    return file.read(offset, size);
  } finally {
    file.close();
  }
}

/** The path of a file in the model's folder. Throws InputError for one that is not. */
function besides(source: Source, location: string, label: string): string {
  const shown = JSON.stringify(location.slice(0, 120));
  const folder = dirname(source.name);
  const refuse = () =>
    bad(source, `${label}: its external data ${shown} lie outside the model's folder: refused`);
  if (location === '' || location.includes('\0') || isAbsolute(location) || location.includes('\\'))
    throw refuse();
  const within = (base: string, path: string) => {
    const way = relative(base, path);
    return way !== '' && !way.startsWith('..') && !isAbsolute(way);
  };
  const path = resolve(folder, location);
  if (!within(resolve(folder), path)) throw refuse();
  try {
    if (!within(realpathSync(folder), realpathSync(path))) throw refuse();
  } catch (error) {
    if (!(error as NodeJS.ErrnoException).code) throw error;
    throw bad(source, `${label}: its external data ${shown}: ${describe(error)}`);
  }
  return path;
}
