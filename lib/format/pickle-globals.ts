/**
 * The names that a pickle of weights may use, and what is made of them. Everything else is data without
 * behaviour.
 *
 *   dictionaries   collections.OrderedDict, defaultdict, Counter; dict, list, tuple, set, frozenset
 *   NumPy          ndarray, dtype, scalar, _reconstruct, _frombuffer; _codecs.encode (bytes from Python 3
 *                  in protocol 2)
 *   PyTorch        tensors, parameters, typed storages, Size, device, dtypes
 *   inert          argparse.Namespace, and cuda-convnet's own option classes: kept as data without behaviour
 */
import { codeOf, dtypeOfCode, isNumeric, type NumericDType } from '../array/dtype.ts';
import * as numpy from './pickle-numpy.ts';
import { type Global, type Globals, isKind, type PickleValue } from './pickle-value.ts';

/** The type that a class of typed storages holds. */
const storageDType = (name: string): NumericDType | undefined =>
  name === 'UntypedStorage' ? 'uint8' : dtypeOfCode(name, 'torch');

/** Where a PyTorch tensor's values lie: a storage by key, in the file. */
export interface StorageRef {
  readonly dtype: NumericDType;
  readonly key: string;
  /** Values in the storage. */
  readonly length: number;
  /** First value, where the storage is a view of another (legacy files). */
  readonly start: number;
}

export interface TensorRef {
  readonly storage: StorageRef;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

const inertModules = ['options', 'python_util.options', 'layer', 'gpumodel', 'python_util.gpumodel'];
const inertNames = 'argparse.Namespace torch.device torch.strided builtins.object builtins.complex'.split(
  ' ',
);
/** One name for what Python 2 and 3, NumPy 1 and 2 call differently. */
const modules: Readonly<Record<string, string>> = {
  __builtin__: 'builtins',
  copy_reg: 'copyreg',
  'numpy._core.multiarray': 'numpy.core.multiarray',
  'numpy._core.numeric': 'numpy.core.numeric',
  'torch.storage': 'torch',
};

type Builder = (args: readonly PickleValue[]) => PickleValue;

const list: Builder = ([items = []]) => {
  if (!Array.isArray(items)) throw new Error('expected a list');
  return items;
};

/** A dict from nothing, from a dict or from a list of pairs. */
const dict: Builder = ([items = []]) => {
  if (items instanceof Map) return new Map(items);
  if (!Array.isArray(items)) throw new Error('expected a list of pairs');
  const arePairs = items.every((pair) => Array.isArray(pair) && pair.length === 2);
  if (!arePairs) throw new Error('expected a list of pairs');
  return new Map(items as [PickleValue, PickleValue][]);
};

const first: Builder = ([value]) => {
  if (value === undefined) throw new Error('an argument is missing');
  return value;
};

/** An object of the class that is the first argument, without behaviour. */
const reconstructor: Builder = ([type]) => {
  if (type === undefined || !isKind(type, 'global')) throw new Error('expected a class');
  return { kind: 'instance', type: type.name, args: [], state: null };
};

const whole = (value: PickleValue | undefined, what: string): number => {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw new Error(`${what} is not a whole number`);
  }
  return value;
};

const wholes = (value: PickleValue | undefined, what: string): number[] => {
  if (Array.isArray(value) && value.length <= 64) return value.map((extent) => whole(extent, what));
  throw new Error(`${what} is not a short list of whole numbers`);
};

/** torch._utils._rebuild_tensor_v2(storage, offset, size, stride, …). */
const rebuildTensor: Builder = ([storage, offset, size, stride]) => {
  if (storage === undefined || !isKind(storage, 'built') || storage.what !== 'storage') {
    throw new Error('expected a storage');
  }
  const shape = wholes(size, 'size');
  const strides = wholes(stride, 'stride');
  if (shape.length !== strides.length) throw new Error('size and stride differ in length');
  const place = { storage: storage.content as StorageRef, offset: whole(offset, 'offset') };
  return { kind: 'built', what: 'tensor', content: { ...place, shape, strides } satisfies TensorRef };
};

const builders: Readonly<Record<string, Builder>> = {
  'collections.OrderedDict': dict,
  'collections.Counter': dict,
  'collections.defaultdict': () => new Map(),
  'builtins.dict': dict,
  'builtins.list': list,
  'builtins.tuple': list,
  'builtins.set': list,
  'builtins.frozenset': list,
  'copyreg._reconstructor': reconstructor,
  'torch.Size': list,
  'torch._utils._rebuild_tensor': rebuildTensor,
  'torch._utils._rebuild_tensor_v2': rebuildTensor,
  'torch._utils._rebuild_parameter': first,
  'torch._utils._rebuild_parameter_with_state': first,
  'torch.nn.parameter.Parameter': first,
  'numpy.core.multiarray._reconstruct': numpy.reconstruct,
  'numpy.core.multiarray.scalar': numpy.scalar,
  'numpy.core.numeric._frombuffer': numpy.fromBuffer,
  'numpy.dtype': numpy.dtype,
  '_codecs.encode': numpy.encode,
};

/** Types that may be named and not called. */
function isType(label: string): boolean {
  const [, name] = /^torch\.(\w+)$/.exec(label) ?? [];
  if (name === undefined) return label === 'numpy.ndarray';
  return storageDType(name) !== undefined || isTorchDType(name);
}

const isTorchDType = (name: string): boolean => isNumeric(name) && codeOf(name, 'torch') !== undefined;

function find(module: string, name: string): Global | undefined {
  const label = `${modules[module] ?? module}.${name}`;
  const inert = inertModules.includes(module) && /^[A-Za-z_]\w*$/.test(name);
  const known = Object.hasOwn(builders, label) || isType(label) || inertNames.includes(label);
  return inert || known ? { kind: 'global', name: label } : undefined;
}

function build(name: string, args: readonly PickleValue[]): PickleValue {
  if (Object.hasOwn(builders, name)) return builders[name](args);
  if (isType(name)) throw new Error('this type cannot be made by a call');
  return { kind: 'instance', type: name, args, state: null };
}

function setState(object: PickleValue, state: PickleValue): PickleValue | undefined {
  if (isKind(object, 'built')) return numpy.setState(object, state);
  if (object instanceof Map || Array.isArray(object) || isKind(object, 'instance')) return undefined;
  throw new Error('damaged pickle: a state for what has none');
}

/** ('storage', type, key, location, length[, view]) as torch.save writes it. */
function storageOf(id: PickleValue): StorageRef {
  if (!Array.isArray(id) || id.length < 5 || id[0] !== 'storage') throw new Error('an unknown persistent id');
  const [, type, key, , length, view] = id;
  const name = isKind(type, 'global') ? type.name.replace(/^torch\./, '') : '';
  const dtype = storageDType(name);
  if (!dtype) throw new Error('a storage of unknown type');
  if (typeof key !== 'string') throw new Error('a storage without a key');
  let start = 0;
  if (Array.isArray(view) && view.length === 3) start = whole(view[1], 'the offset of a view');
  return { dtype, key, length: whole(length, 'the length of a storage'), start };
}

/** For .pth files. `record` hears of every storage. */
export const torchGlobals = (record: (ref: StorageRef) => void = () => {}): Globals => ({
  find,
  build,
  setState,
  persistent(id) {
    const content = storageOf(id);
    record(content);
    return { kind: 'built', what: 'storage', content };
  },
});
/** For pickles without storages: NumPy's object arrays, cuda-convnet. */
export const plainGlobals: Globals = { find, build, setState };
