/**
 * A network with its weights that computes: inputs in, probabilities out, by onnxruntime on a device or by
 * the oracle.
 */
import { joined } from '../export/index.ts';
import * as softmax from '../reference/ops/softmax.ts';
import { forward } from '../reference/oracle.ts';
import { dense, type Storage, type Tensor } from '../reference/tensor.ts';
import { operations } from './fast/index.ts';
import { modelOf } from './model.ts';
import type { Chosen } from './resolve.ts';
import { type Choice, chooseDevice, type Device } from './runtime/devices.ts';
import { openSession } from './runtime/session.ts';
import { asTensor } from './runtime/values.ts';

export interface EngineOptions {
  readonly device?: 'auto' | Device;
  /** onnxruntime on the device (default), or the oracle, which needs no native code. */
  readonly engine?: 'onnxruntime' | 'oracle';
}

export interface Engine {
  /** null where the oracle computes. */
  readonly device: Choice | null;
  /** (N,K), row-major, of N inputs (N,C,H,W); of logits their softmax. */
  probabilities(x: Tensor): Promise<Storage>;
  close(): Promise<void>;
}

/** Throws EnvironmentError for a device that does not work. */
export async function openEngine(model: Chosen, options: EngineOptions = {}): Promise<Engine> {
  const { network, weights, source } = model;
  const isProbability = network.layers.at(-1)?.kind === 'softmax';
  const finish = (y: Tensor): Storage => dense(isProbability ? y : softmax.forward([y]));
  if (options.engine === 'oracle') {
    return {
      device: null,
      probabilities: async (x) => finish(forward(network, weights, x, { operations })),
      close: async () => {},
    };
  }
  const device = await chooseDevice(options.device ?? 'auto');
  const lrn = device.device === 'webgpu' ? 'decomposed' : 'native';
  const file = modelOf(network, weights, { source, lrn });
  const session = await openSession(joined(file.chunks()), device.device);
  const [input, output] = [session.inputs[0].name, session.outputs[0].name];
  return {
    device,
    async probabilities(x) {
      const results = await session.run(new Map([[input, x]]));
      return finish(asTensor(results.get(output)!, output));
    },
    close: () => session.release(),
  };
}

/** K: the classes of the last layer that has weights. */
export function classCount({ network, weights }: Chosen): number {
  const last = network.layers.findLast(({ kind }) => kind === 'linear' || kind === 'conv2d');
  return weights.get(`${last?.name}.bias`)?.shape[0] ?? 0;
}
