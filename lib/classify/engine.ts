/**
 * A network with its weights that computes: inputs in, probabilities out, by onnxruntime on a device or by
 * the oracle.
 */
import { joined } from '../../export/index.ts';
import type { Network } from '../../reference/networks/layers.ts';
import * as softmax from '../../reference/ops/softmax.ts';
import { forward } from '../../reference/oracle.ts';
import { dense, type Storage, type Tensor } from '../../reference/tensor.ts';
import { among, type Checks } from '../checks.ts';
import { operations } from '../fast/index.ts';
import { classCount, classNames, readClassNames } from '../labels/labels.ts';
import { modelOf } from '../networks/modelfile.ts';
import type { Chosen } from '../networks/resolve.ts';
import { type Choice, chooseDevice, type DeviceWord, deviceWord, type Place } from '../runtime/devices.ts';
import { lrnOf, openSession } from '../runtime/session.ts';
import { withoutTf32 } from '../runtime/tf32.ts';
import { asTensor } from '../runtime/values.ts';

export interface EngineOptions {
  /** Of onnxruntime; default auto: the first of CUDA, WebGPU and CPU that works. */
  readonly device?: DeviceWord;
  /** onnxruntime on the device (default), or the oracle, which needs no native code. */
  readonly engine?: 'onnxruntime' | 'oracle';
}

export const engineChecks: Checks<EngineOptions> = {
  device: deviceWord,
  engine: among(['onnxruntime', 'oracle']),
};

export interface Engine {
  /** null where the oracle computes. */
  readonly device: Choice | null;
  /** (N,K), row-major, of N inputs (N,C,H,W); of logits their softmax. */
  probabilities(x: Tensor): Promise<Storage>;
  close(): Promise<void>;
}

type Computable = Pick<Chosen, 'network' | 'weights' | 'source'>;

/** Throws EnvironmentError for a device that does not work. */
export async function openEngine(model: Computable, options: EngineOptions = {}): Promise<Engine> {
  const { network, weights } = model;
  if (options.engine === 'oracle') {
    return {
      device: null,
      probabilities: async (x) => asProbabilities(network, forward(network, weights, x, { operations })),
      close: async () => {},
    };
  }
  const device = await chooseDevice(options.device ?? 'auto');
  withoutTf32(device.device);
  return { device, ...(await onDevice(model, device)) };
}

/** The same on a device that is known to work. */
export async function onDevice(model: Computable, { device, gpu }: Place): Promise<Omit<Engine, 'device'>> {
  const { network, weights, source } = model;
  const session = await openSession(
    joined(modelOf(network, weights, { source, lrn: lrnOf(device), passing: true }).chunks()),
    device,
    { gpu },
  );
  const input = session.inputs[0].name;
  const output = session.outputs[0].name;
  return {
    async probabilities(x) {
      const results = await session.run(new Map([[input, x]]));
      return asProbabilities(network, asTensor(results.get(output)!, output));
    },
    close: () => session.release(),
  };
}

const asProbabilities = ({ layers }: Network, y: Tensor): Storage =>
  dense(layers.at(-1)?.kind === 'softmax' ? y : softmax.forward([y]));

/** The names in a file, else those that came with the weights, else the usual ones of such a network. */
export async function classNamesOf(model: Chosen, file: string | undefined): Promise<readonly string[]> {
  const K = classCount(model.network);
  if (file !== undefined) return readClassNames(file, K);
  return model.classes ?? classNames(model.network.name, K);
}
