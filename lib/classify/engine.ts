/**
 * A network with its weights that computes: inputs in, probabilities out, by onnxruntime on a device or by
 * the oracle.
 */
import { joined, type ModelFile } from '../../export/index.ts';
import { type Pixels, pictureSide, pixelSteps } from '../../reference/input/pixels.ts';
import type { Views } from '../../reference/input/preprocess.ts';
import type { Network } from '../../reference/networks/layers.ts';
import * as softmax from '../../reference/ops/softmax.ts';
import { forward } from '../../reference/oracle.ts';
import { dense, type Shape, type Storage, sizeOf, tensor } from '../../reference/tensor.ts';
import { among, type Check, type Checks, either, listOf } from '../checks.ts';
import { operations } from '../fast/index.ts';
import type { Mean } from '../image/mean.ts';
import { readClassNames } from '../labels/file.ts';
import { classCount, classNames } from '../labels/labels.ts';
import { modelOf } from '../networks/modelfile.ts';
import type { Chosen } from '../networks/resolve.ts';
import {
  type Choice,
  chooseDevice,
  DEVICE_WORDS,
  type DeviceWord,
  deviceWord,
  type Place,
} from '../runtime/devices.ts';
import { lrnOf } from '../runtime/session.ts';
import { openInThread, type Pieces, type SessionThread } from '../runtime/session-thread.ts';
import { withoutTf32 } from '../runtime/tf32.ts';

export interface EngineOptions {
  /**
   * Of onnxruntime; default auto: the first of CUDA, WebGPU and CPU that works. Several share the work: ['cuda:0',
   * 'cuda:1'].
   */
  readonly device?: DeviceWord | readonly DeviceWord[];
  /** onnxruntime on the device (default), or the oracle, which needs no native code. */
  readonly engine?: 'onnxruntime' | 'oracle';
}

const devices: Check = (value) =>
  Array.isArray(value) && value.length > 0 ? listOf('devices', deviceWord)(value) : 'devices';

export const engineChecks: Checks<EngineOptions> = {
  device: either(`one of ${DEVICE_WORDS}, or a list of them`, deviceWord, devices),
  engine: among(['onnxruntime', 'oracle']),
};

export interface Engine {
  /** null where the oracle computes. */
  readonly device: Choice | null;
  /** Rejects with EnvironmentError where it cannot compute, as `probabilities` does then. */
  readonly ready: Promise<unknown>;
  /** Milliseconds in which it has computed so far. */
  busy(): number;
  /**
   * (N,K), row-major, of N inputs (C,H,W) in pieces, which are handed over; of logits their softmax. Of N pictures, a
   * piece each, where the model was opened with `pixels`: of ten views their mean.
   */
  probabilities(inputs: Pieces): Promise<Storage>;
  /** When what is under way is done. */
  close(): Promise<void>;
}

interface Computable extends Pick<Chosen, 'network' | 'weights' | 'source'> {
  /** It also takes pictures, and preprocesses them in its graph. */
  readonly pixels?: Pixels;
}

/**
 * Preprocessing for the graph, where it does all that is asked: fewer bytes go to the device, and onnxruntime is
 * faster at it than JavaScript. Not for the oracle.
 */
export function pixelsFor(
  { network, preprocess }: Pick<Chosen, 'network' | 'preprocess'>,
  { views, mean, engine }: { views: Views; mean: Mean | null } & Pick<EngineOptions, 'engine'>,
): Pixels | undefined {
  if (engine === 'oracle' || views === 2) return undefined;
  const pixels = { preprocess, views, meanImage: mean?.image };
  const [, side] = network.input;
  try {
    pixelSteps(pixels);
    return (views === 10 ? preprocess.crop.size : pictureSide(pixels)) === side ? pixels : undefined;
  } catch {
    return undefined; // said where it is done outside
  }
}

/** Throws EnvironmentError for a device that does not work; the engines are still opening, one for each device. */
export async function startEngines(
  model: Computable,
  { engine, device: asked = 'auto', cpuThreads }: EngineOptions & { readonly cpuThreads?: number },
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
      const shape = shapeOf(inputs, network.input);
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
  { network, weights, source, pixels }: Computable,
  place: Place,
  threads?: number,
  before?: Promise<unknown>,
): Omit<Engine, 'device'> {
  const form = { source, lrn: lrnOf(place.device), passing: true };
  const open = (make: () => ModelFile): Promise<SessionThread> => {
    const first = Promise.resolve(before);
    const session = first.then(() => openInThread(place, () => joined(make().chunks()), { threads }));
    session.catch(() => {}); // whoever computes is told
    return session;
  };
  const ofNumbers = () => open(() => modelOf(network, weights, form));
  const ofPictures = ({ preprocess, ...how }: Pixels) =>
    open(() => modelOf({ ...network, preprocess }, weights, { ...form, ...how, input: 'uint8' }));
  const pictures = pixels && { session: ofPictures(pixels), side: pictureSide(pixels) };
  let numbers = pictures ? undefined : ofNumbers();
  let busy = 0;
  async function run(session: Promise<SessionThread>, inputs: Pieces, shape: readonly number[]) {
    const { values, milliseconds } = await (await session).run(inputs, shape);
    busy += milliseconds;
    return values;
  }
  return {
    ready: pictures?.session ?? numbers!,
    busy: () => busy,
    async probabilities(inputs) {
      if (pictures && inputs[0] instanceof Uint8Array) {
        const { session, side } = pictures;
        const shape = shapeOf(inputs, [side, side, 3]);
        const p = await run(session, inputs, shape);
        return pixels?.views === 10 ? p : asProbabilities(network, p, shape);
      }
      numbers ??= ofNumbers();
      const shape = shapeOf(inputs, network.input);
      return asProbabilities(network, await run(numbers, inputs, shape), shape);
    },
    async close() {
      for (const session of [pictures?.session, numbers])
        await (await session?.catch(() => undefined))?.close();
    },
  };
}

const shapeOf = (pieces: Pieces, one: Shape): number[] => [
  pieces.reduce((sum, { length }) => sum + length, 0) / sizeOf(one),
  ...one,
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
