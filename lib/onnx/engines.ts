/** The two engines that tests run on, behind one face: the oracle's evaluator, and onnxruntime on a device. */
import { type DType, isNumeric } from '../array/dtype.ts';
import type { Value } from '../array/value.ts';
import { InputError, Unsupported } from '../errors.ts';
import { hostApart } from '../runtime/apart.ts';
import type { Place } from '../runtime/devices.ts';
import type { Device, Session } from '../runtime/session.ts';
import { fromSession, toSession } from '../runtime/values.ts';
import { evaluateGraph } from './evaluate.ts';
import { wholeModel } from './files.ts';
import type { Model, ValueInfo } from './model.ts';
import { readModel } from './read.ts';
import { unsupported } from './registry.ts';

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
    let model: Model;
    try {
      model = await readModel(path);
      const [first] = unsupported(model);
      if (first) return { unsupported: first.reason };
    } catch (error) {
      if (error instanceof Unsupported) return { unsupported: error.message.replace(`${path}: `, '') };
      throw error;
    }
    return {
      inputs: model.graph.inputs,
      outputs: model.graph.outputs.map(({ name }) => name),
      run: async (feeds) => evaluateGraph(model, feeds),
      close: async () => {},
    };
  },
};

/** A model runs in a process of its own: one that ends it is an error of its own (Died). */
export const onnxruntimeEngine = ({ device, gpu }: Place): Engine => ({
  name: 'onnxruntime',
  device,
  async open(path) {
    const host = hostApart();
    let session: Session | undefined;
    const close = async () => {
      await session?.release();
      await host[Symbol.asyncDispose]();
    };
    try {
      const opened = await host.open(wholeModel(path), device, { name: path, gpu });
      session = opened;
      const reason = strangeType(opened);
      if (reason) throw new InputError(reason);
      return {
        inputs: opened.inputs.map(({ name, type, shape }) => ({ name, dtype: type as DType, shape })),
        outputs: opened.outputs.map(({ name }) => name),
        async run(feeds) {
          const given = new Map([...feeds].map(([name, value]) => [name, toSession(name, value)]));
          const results = await opened.run(given);
          return new Map([...results].map(([name, value]) => [name, fromSession(value)]));
        },
        close,
      };
    } catch (error) {
      await close();
      if (error instanceof InputError) return { unsupported: error.message.replace(`${path}: `, '') };
      throw error;
    }
  },
});

/** Why a model's values cannot be fed or read here: handing over an int4 output ends the process. */
function strangeType({ inputs, outputs }: Session): string | null {
  const input = inputs.find(({ type }) => !isNumeric(type) || type === 'bfloat16');
  const output = outputs.find(({ type }) => !isNumeric(type));
  if (input) return `the input '${input.name}' is ${input.type}, which is not fed to onnxruntime here`;
  return output ? `the output '${output.name}' is ${output.type}, which is not read here` : null;
}

/** 0, 1/n, 2/n … of a declared shape; free extents are 1. */
export function ramp({ name, dtype, shape }: ValueInfo): Value {
  if (dtype !== 'float32' || !shape) throw new Error(`the input '${name}' must be float32 of a known shape`);
  const extents = shape.map((extent) => (typeof extent === 'number' ? extent : 1));
  const n = extents.reduce((a, b) => a * b, 1);
  return { dtype, shape: extents, data: new Float32Array(n).map((_, i) => i / n) };
}
