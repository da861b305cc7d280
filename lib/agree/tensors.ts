/** Tensors as other people's tests have them: ndarrays, onnxruntime's tensors, typed arrays with a shape. */
import { fromFloat16 } from '../../export/float16.ts';
import { type Shape, sizeOf, type Tensor, tensor } from '../../reference/tensor.ts';
import { dtypeOfArray, type TypedArray } from '../array/dtype.ts';
import { toRowMajor } from '../array/value.ts';
import { InputError } from '../errors.ts';

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

type Numbers = ArrayLike<number> | ArrayLike<bigint>;

export interface Plain {
  /** float32, float64, float16, int64 …; null for an ordinary array of numbers. */
  readonly dtype: string | null;
  readonly shape: Shape;
  /** Row-major. */
  readonly values: Numbers;
}

/** Throws InputError, beginning with `name`, for what is not a tensor in the CPU's memory. */
export function plainOf(like: TensorLike, name: string): Plain {
  if (typeof like !== 'object' || like === null)
    throw new InputError(`${name} is ${like}: a tensor is needed`);
  if (like.location !== undefined && !/^cpu/.test(like.location)) {
    throw new InputError(`${name}: its data are in ${like.location}: await tensor.getData(true) first`);
  }
  const shape = like.shape ?? like.dims;
  const { data } = like;
  if (!Array.isArray(shape) || !isNumbers(data)) {
    throw new InputError(`${name} is not a tensor: it needs data (an array of numbers) and shape or dims`);
  }
  const { stride, offset } = like;
  const strided = stride !== undefined && offset !== undefined;
  const values = strided ? rowMajor(data as TypedArray, shape, stride, offset) : data;
  if (values.length !== sizeOf(shape)) {
    throw new InputError(`${name}: shape [${shape}] needs ${sizeOf(shape)} values, it has ${values.length}`);
  }
  const dtype = like.type ?? dtypeOfArray(data);
  if (dtype === 'float16' && data instanceof Uint16Array) {
    return { dtype, shape, values: fromFloat16(values as ArrayLike<number>) };
  }
  return { dtype, shape, values };
}

/** Copied only where the values do not lie in that order. */
function rowMajor(data: TypedArray, shape: Shape, stride: readonly number[], offset: number): TypedArray {
  const inOrder = shape.every((n, axis) => n === 1 || stride[axis] === sizeOf(shape.slice(axis + 1)));
  if (!inOrder || !ArrayBuffer.isView(data)) return toRowMajor(data, shape, stride, offset);
  return data.subarray(offset, offset + sizeOf(shape));
}

function isNumbers(data: unknown): data is Numbers {
  if (ArrayBuffer.isView(data)) return !(data instanceof DataView);
  return Array.isArray(data) && data.every((value) => typeof value === 'number' || typeof value === 'bigint');
}

/** As the oracle takes it: float64 where it was, else float32; not copied. Throws InputError for integers. */
export function floatTensor(like: TensorLike, name: string): Tensor {
  const { dtype, shape, values } = plainOf(like, name);
  if (dtype !== null && !dtype.startsWith('float')) throw new InputError(`${name} is ${dtype}, not a float`);
  const Kind = dtype === 'float64' ? Float64Array : Float32Array;
  return tensor(values instanceof Kind ? values : Kind.from(values as ArrayLike<number>), shape);
}
