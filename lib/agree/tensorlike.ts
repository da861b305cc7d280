/** Tensors as other people's tests have them: ndarrays, onnxruntime's tensors, typed arrays with a shape. */
import { fromFloat16 } from '../../export/float16.ts';
import { type Shape, sizeOf, type Tensor, tensor } from '../../reference/tensor.ts';
import { dtypeOfArray, type TypedArray } from '../array/dtype.ts';
import { toRowMajor } from '../array/value.ts';

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
  const values = strided ? toRowMajor(data as TypedArray, shape, like.stride!, like.offset!) : data;
  if (values.length !== sizeOf(shape)) {
    throw new TypeError(`${name}: shape [${shape}] needs ${sizeOf(shape)} values, it has ${values.length}`);
  }
  const dtype = like.type ?? dtypeOfArray(data);
  if (dtype === 'float16' && data instanceof Uint16Array) {
    return { dtype, shape, values: fromFloat16(values as ArrayLike<number>) };
  }
  return { dtype, shape, values };
}

function isNumbers(data: unknown): data is Numbers {
  if (ArrayBuffer.isView(data)) return !(data instanceof DataView);
  return Array.isArray(data) && data.every((value) => typeof value === 'number' || typeof value === 'bigint');
}

/** As the oracle takes it: float64 where it was, else float32. Throws TypeError for integers. */
export function floatTensor(like: TensorLike, name: string): Tensor {
  const { dtype, shape, values } = plainOf(like, name);
  if (dtype !== null && !dtype.startsWith('float')) throw new TypeError(`${name} is ${dtype}, not a float`);
  const numbers = values as ArrayLike<number>;
  return tensor(dtype === 'float64' ? Float64Array.from(numbers) : Float32Array.from(numbers), shape);
}
