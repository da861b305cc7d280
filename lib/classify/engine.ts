/**
 * A network with its weights that computes: inputs in, probabilities out, by onnxruntime on a device or by
 * the oracle.
 */
import { joined } from '../../export/index.ts';
import type { Network } from '../../reference/networks/layers.ts';
import * as softmax from '../../reference/ops/softmax.ts';
import { forward } from '../../reference/oracle.ts';
import { dense, type Storage, sizeOf, tensor } from '../../reference/tensor.ts';
import { among, type Checks } from '../checks.ts';
import { operations } from '../fast/index.ts';
import { classCount, classNames, readClassNames } from '../labels/labels.ts';
import { modelOf } from '../networks/modelfile.ts';
import type { Chosen } from '../networks/resolve.ts';
import { type Choice, chooseDevice, type DeviceWord, deviceWord, type Place } from '../runtime/devices.ts';
import { lrnOf } from '../runtime/session.ts';
import { openInThread } from '../runtime/session-thread.ts';
import { withoutTf32 } from '../runtime/tf32.ts';

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

type Pieces = readonly Float32Array<ArrayBuffer>[];

export interface Engine {
  /** null where the oracle computes. */
  readonly device: Choice | null;
  /** Rejects with EnvironmentError where it cannot compute, as `probabilities` does then. */
  readonly ready: Promise<unknown>;
  /** Milliseconds in which it has computed so far. */
  busy(): number;
  /** (N,K), row-major, of N inputs (C,H,W) in pieces, which are handed over; of logits their softmax. */
  probabilities(inputs: Pieces): Promise<Storage>;
  /** When what is under way is done. */
  close(): Promise<void>;
}

type Computable = Pick<Chosen, 'network' | 'weights' | 'source'>;

/** Throws EnvironmentError for a device that does not work. */
export async function openEngine(model: Computable, options: EngineOptions = {}): Promise<Engine> {
  const engines = await startEngines(model, options);
  await opened(engines);
  return engines[0];
}

export interface EnginesOptions extends Omit<EngineOptions, 'device'> {
  /** Several share the work: ['cuda:0', 'cuda:1']. */
  readonly device?: DeviceWord | readonly DeviceWord[];
}

/** Throws EnvironmentError for a device that does not work; the engines are still opening, one for each device. */
export async function startEngines(
  model: Computable,
  { engine, device: asked = 'auto', cpuThreads }: EnginesOptions & { readonly cpuThreads?: number },
): Promise<readonly Engine[]> {
  if (engine === 'oracle') return [oracle(model)];
  const devices: Choice[] = [];
  for (const word of [asked].flat()) devices.push(await chooseDevice(word as DeviceWord));
  for (const { device } of devices) withoutTf32(device);
  const engines: Engine[] = [];
  // one after the other: each needs room for a copy of the weights while it opens
  for (const device of devices)
    engines.push({ device, ...start(model, device, cpuThreads, engines.at(-1)?.ready) });
  return engines;
}

/** When all are open; of several that work none stays open where another one does not. */
export async function opened(engines: readonly Engine[]): Promise<void> {
  try {
    for (const { ready } of engines) await ready;
  } catch (error) {
    for (const engine of engines) await engine.close();
    throw error;
  }
}

/** On the thread that calls it. */
function oracle({ network, weights }: Computable): Engine {
  let busy = 0;
  return {
    device: null,
    ready: Promise.resolve(),
    busy: () => busy,
    async probabilities(inputs) {
      const started = performance.now();
      const shape = shapeOf(inputs, network);
      const x = tensor(new Float32Array(sizeOf(shape)), shape);
      let at = 0;
      for (const piece of inputs) {
        x.data.set(piece, at);
        at += piece.length;
      }
      const y = dense(forward(network, weights, x, { operations }));
      busy += performance.now() - started;
      return asProbabilities(network, y, shape);
    },
    close: async () => {},
  };
}

/** On a device that is known to work, in a thread of its own. */
export async function onDevice(model: Computable, place: Place): Promise<Omit<Engine, 'device'>> {
  const engine = start(model, place);
  await engine.ready;
  return engine;
}

function start(
  { network, weights, source }: Computable,
  place: Place,
  threads?: number,
  before?: Promise<unknown>,
): Omit<Engine, 'device'> {
  const form = { source, lrn: lrnOf(place.device), passing: true };
  const make = (): Uint8Array => joined(modelOf(network, weights, form).chunks());
  const session = Promise.resolve(before).then(() => openInThread(place, make, { threads }));
  session.catch(() => {}); // whoever computes is told
  let busy = 0;
  return {
    ready: session,
    busy: () => busy,
    async probabilities(inputs) {
      const shape = shapeOf(inputs, network);
      const { values, milliseconds } = await (await session).run(inputs, shape);
      busy += milliseconds;
      return asProbabilities(network, values, shape);
    },
    close: async () => (await session.catch(() => undefined))?.close(),
  };
}

const shapeOf = (pieces: Pieces, { input }: Network): number[] => [
  pieces.reduce((sum, { length }) => sum + length, 0) / sizeOf(input),
  ...input,
];

/** Of outputs (N,K) for inputs of shape (N,C,H,W). */
function asProbabilities({ layers }: Network, y: Storage, [N]: readonly number[]): Storage {
  return layers.at(-1)?.kind === 'softmax' ? y : dense(softmax.forward([tensor(y, [N, y.length / N])]));
}

/** The names in a file, else those that came with the weights, else the usual ones of such a network. */
export async function classNamesOf(model: Chosen, file: string | undefined): Promise<readonly string[]> {
  const K = classCount(model.network);
  if (file !== undefined) return readClassNames(file, K);
  return model.classes ?? classNames(model.network.name, K);
}
