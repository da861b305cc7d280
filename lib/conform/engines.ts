/** The two engines that tests run on, behind one face: the oracle's evaluator, and onnxruntime on a device. */
import { tensor } from '../../reference/tensor.ts';
import type { DType } from '../array/dtype.ts';
import { fromTensor, type NumericValue, narrowed, type Value, widened } from '../array/value.ts';
import { InputError } from '../errors.ts';
import { evaluate } from '../onnx/evaluate.ts';
import type { ValueInfo } from '../onnx/model.ts';
import { readModel } from '../onnx/read.ts';
import { unsupported } from '../onnx/registry.ts';
import { type Device, openSession } from '../runtime/session.ts';
import { isTensor, type SessionValue } from '../runtime/values.ts';

export interface Opened {
  /** What must be fed, in the graph's order. */
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly string[];
  run(feeds: ReadonlyMap<string, Value>): Promise<ReadonlyMap<string, Value>>;
  close(): Promise<void>;
}

/** A model that the engine cannot run at all, and why. */
export interface Refused {
  readonly unsupported: string;
}

export interface Engine {
  readonly name: 'oracle' | 'onnxruntime';
  readonly device: Device;
  open(path: string): Promise<Opened | Refused>;
}

export const isRefused = (opened: Opened | Refused): opened is Refused => 'unsupported' in opened;

/** Values are stored as their declared types say: float32 storage. */
export const oracleEngine: Engine = {
  name: 'oracle',
  device: 'cpu',
  async open(path) {
    const model = await readModel(path);
    const [first] = unsupported(model);
    if (first) return { unsupported: first.reason };
    return {
      inputs: model.graph.inputs,
      outputs: model.graph.outputs.map(({ name }) => name),
      run: async (feeds) => evaluate(model, feeds),
      close: async () => {},
    };
  },
};

export const onnxruntimeEngine = (device: Device): Engine => ({
  name: 'onnxruntime',
  device,
  async open(path) {
    let session: Awaited<ReturnType<typeof openSession>>;
    try {
      session = await openSession(path, device);
    } catch (error) {
      if (error instanceof InputError) return { unsupported: error.message.replace(`${path}: `, '') };
      throw error;
    }
    return {
      inputs: session.inputs.map(({ name, type, shape }) => ({ name, dtype: type as DType, shape })),
      outputs: session.outputs.map(({ name }) => name),
      async run(feeds) {
        const given = new Map([...feeds].map(([name, value]) => [name, toRuntime(name, value)]));
        const results = await session.run(given);
        return new Map([...results].map(([name, value]) => [name, fromRuntime(value)]));
      },
      close: () => session.release(),
    };
  },
});

/** A value as onnxruntime takes it. Throws for types that it has no array for. */
export function toRuntime(name: string, value: Value): SessionValue {
  const { dtype, shape, data } = value;
  if (dtype === 'float32') return tensor(Float32Array.from(data as Float32Array), shape);
  if (dtype === 'float64') return tensor(Float64Array.from(data as Float64Array), shape);
  if (dtype === 'bfloat16' || dtype === 'string') {
    throw new InputError(`the input '${name}' is ${dtype}, which is not fed to onnxruntime here`);
  }
  return narrowed(value as NumericValue);
}

export function fromRuntime(value: SessionValue): Value {
  if (isTensor(value)) return fromTensor(value);
  return widened(value);
}

/** 0, 1/n, 2/n … of a declared shape; free extents are 1. */
export function ramp({ name, dtype, shape }: ValueInfo): Value {
  if (dtype !== 'float32' || !shape) throw new Error(`the input '${name}' must be float32 of a known shape`);
  const extents = shape.map((extent) => (typeof extent === 'number' ? extent : 1));
  const n = extents.reduce((a, b) => a * b, 1);
  return { dtype, shape: extents, data: Float32Array.from({ length: n }, (_, i) => i / n) };
}
