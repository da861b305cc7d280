/** Tensors as other people's tests have them: ndarrays, onnxruntime's tensors, typed arrays with a shape. */
import { fromFloat16 } from '../export/float16.ts';
import { type Shape, sizeOf, type Tensor, tensor } from '../reference/tensor.ts';

type Numbers = ArrayLike<number> | ArrayLike<bigint>;

/** An ndarray; onnxruntime's Tensor; or values in row-major order with their shape (or dims). */
export interface TensorLike {
  readonly data: unknown;
  readonly shape?: readonly number[];
  readonly dims?: readonly number[];
  /** ndarray: steps between neighbours along each axis, and where the first element lies. */
  readonly stride?: readonly number[];
  readonly offset?: number;
  /** onnxruntime's word for the type; else the array's own type counts. */
  readonly type?: string;
  /** onnxruntime: where the data are. */
  readonly location?: string;
}

export interface Plain {
  /** float32, float64, float16, int64 …; null for an ordinary array of numbers. */
  readonly dtype: string | null;
  readonly shape: Shape;
  /** Row-major. */
  readonly values: Numbers;
}

const dtypes = new Map<unknown, string>([
  [Float32Array, 'float32'],
  [Float64Array, 'float64'],
  [Int8Array, 'int8'],
  [Int16Array, 'int16'],
  [Int32Array, 'int32'],
  [BigInt64Array, 'int64'],
  [Uint8Array, 'uint8'],
  [Uint8ClampedArray, 'uint8'],
  [Uint16Array, 'uint16'],
  [Uint32Array, 'uint32'],
  [BigUint64Array, 'uint64'],
]);

/** Throws TypeError, beginning with `name`, for what is no tensor in the CPU's memory. */
export function plainOf(like: TensorLike, name: string): Plain {
  if (typeof like !== 'object' || like === null)
    throw new TypeError(`${name} is ${like}: a tensor is needed`);
  if (like.location !== undefined && !/^cpu/.test(like.location)) {
    throw new TypeError(`${name}: its data are in ${like.location}: await tensor.getData(true) first`);
  }
  const shape = like.shape ?? like.dims;
  const { data } = like;
  if (!Array.isArray(shape) || !isNumbers(data)) {
    throw new TypeError(`${name} is no tensor: it needs data (an array of numbers) and shape or dims`);
  }
  const strided = like.stride !== undefined && like.offset !== undefined;
  const values = strided ? gather(data, shape, like.stride!, like.offset!) : data;
  if (values.length !== sizeOf(shape)) {
    throw new TypeError(`${name}: shape [${shape}] needs ${sizeOf(shape)} values, it has ${values.length}`);
  }
  const dtype = like.type ?? dtypes.get(data.constructor) ?? halfName(data);
  if (dtype === 'float16' && data instanceof Uint16Array) {
    return { dtype, shape, values: fromFloat16(values as ArrayLike<number>) };
  }
  return { dtype, shape, values };
}

/** Float16Array exists in newer engines alone. */
const halfName = (data: Numbers): string | null =>
  data.constructor?.name === 'Float16Array' ? 'float16' : null;

function isNumbers(data: unknown): data is Numbers {
  if (ArrayBuffer.isView(data)) return !(data instanceof DataView);
  return Array.isArray(data) && data.every((value) => typeof value === 'number' || typeof value === 'bigint');
}

function gather(data: Numbers, shape: Shape, stride: readonly number[], offset: number): Numbers {
  const result = new Array<number | bigint>(sizeOf(shape));
  for (let i = 0; i < result.length; i++) {
    let [rest, at] = [i, offset];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += (rest % shape[axis]) * stride[axis];
      rest = Math.floor(rest / shape[axis]);
    }
    result[i] = data[at];
  }
  return result as Numbers;
}

/** As the oracle takes it: float64 where it was, else float32. Throws TypeError for integers. */
export function floatTensor(like: TensorLike, name: string): Tensor {
  const { dtype, shape, values } = plainOf(like, name);
  if (dtype !== null && !dtype.startsWith('float')) throw new TypeError(`${name} is ${dtype}, not a float`);
  const numbers = values as ArrayLike<number>;
  return tensor(dtype === 'float64' ? Float64Array.from(numbers) : Float32Array.from(numbers), shape);
}
