/** Classifies pictures: one session, reused, behind `alexnet predict` and for other people's programs. */

import { joined } from '../export/index.ts';
import * as softmax from '../reference/ops/softmax.ts';
import { forward } from '../reference/oracle.ts';
import { dense, type Tensor } from '../reference/tensor.ts';
import { InputError } from './errors.ts';
import type { Decoder } from './image/decode.ts';
import { eachImage, type Failure, type Loaded } from './image/load.ts';
import { classNames, readClassNames } from './labels/labels.ts';
import { modelOf } from './model.ts';
import { type Choice, type Chosen, resolve } from './resolve.ts';
import { chooseDevice, type Device, type Choice as DeviceChoice } from './runtime/devices.ts';
import { openSession, type Session } from './runtime/session.ts';
import { asTensor } from './runtime/values.ts';

export interface ClassifierOptions extends Choice {
  readonly device?: 'auto' | Device;
  /** onnxruntime on the device (default), or the oracle, which needs no native code. */
  readonly engine?: 'onnxruntime' | 'oracle';
  /** 1: the centre; 10: corners, centre and their mirrors, probabilities averaged (paper, section 4.1). */
  readonly views?: 1 | 10;
  /** How many classes to name; default 5. */
  readonly top?: number;
  /** File with one class name a line; default: ImageNet's for 1000 classes. */
  readonly classNames?: string;
  /** Mean image in place of the mean colour: (C,H,W), as the network's preprocessing says. */
  readonly meanImage?: Tensor;
  readonly decoder?: Decoder;
}

export interface Guess {
  /** Class number, from 0. */
  readonly class: number;
  readonly name: string;
  /** Probability, 0 to 1. */
  readonly probability: number;
}

export type Prediction =
  | { readonly image: string; readonly guesses: readonly Guess[] }
  | { readonly image: string; readonly error: string };

export class Classifier implements AsyncDisposable {
  readonly model: Chosen;
  /** null where the oracle computes. */
  readonly device: DeviceChoice | null;
  readonly #session: Session | null;
  readonly #names: readonly string[];
  readonly #options: ClassifierOptions;

  private constructor(
    model: Chosen,
    names: readonly string[],
    session: Session | null,
    device: DeviceChoice | null,
    options: ClassifierOptions,
  ) {
    this.model = model;
    this.device = device;
    this.#session = session;
    this.#names = names;
    this.#options = options;
  }

  /** Throws InputError for weights or names that do not fit, EnvironmentError for a device that does not work. */
  static async open(options: ClassifierOptions = {}): Promise<Classifier> {
    const model = await resolve(options);
    const { network, weights, source } = model;
    if (network.preprocess.meanImage === 'required' && !options.meanImage) {
      throw new InputError(`${network.name} needs a mean image: give it with --mean FILE (.npy)`);
    }
    const classes = classCount(model);
    const names = options.classNames
      ? await readClassNames(options.classNames, classes)
      : classNames(network.name, classes);
    if (options.engine === 'oracle') return new Classifier(model, names, null, null, options);
    const device = await chooseDevice(options.device ?? 'auto');
    const lrn = device.device === 'webgpu' ? 'decomposed' : 'native';
    const session = await openSession(
      joined(modelOf(network, weights, { source, lrn }).chunks()),
      device.device,
    );
    return new Classifier(model, names, session, device, options);
  }

  /**
   * One prediction a picture, in order. A picture is a file, a folder (all pictures in it) or a file's bytes. One that cannot
   * be read does not stop the others.
   */
  async classify(pictures: string | Uint8Array | readonly (string | Uint8Array)[]): Promise<Prediction[]> {
    const { top = 5 } = this.#options;
    const predictions: Prediction[] = [];
    const list = typeof pictures === 'string' || pictures instanceof Uint8Array ? [pictures] : pictures;
    for (const picture of list) {
      for await (const loaded of this.#load(picture)) {
        if ('message' in loaded) predictions.push({ image: loaded.path, error: loaded.message });
        else {
          const probabilities = await this.probabilities(loaded.tensor);
          predictions.push({ image: loaded.path, guesses: best(probabilities, this.#names, top) });
        }
      }
    }
    return predictions;
  }

  #load(picture: string | Uint8Array): AsyncIterable<Loaded | Failure> {
    const { views = 1, meanImage, decoder } = this.#options;
    return eachImage([picture], this.model.preprocess, { views, meanImage, decoder });
  }

  /** Probabilities (K) of one picture, averaged over its views (N,C,H,W). */
  async probabilities(views: Tensor): Promise<Float64Array> {
    const y = await this.#forward(views);
    const isProbability = this.model.network.layers.at(-1)?.kind === 'softmax';
    const each = dense(isProbability ? y : softmax.forward(y).y);
    const [N] = views.shape;
    const K = each.length / N;
    const mean = new Float64Array(K);
    for (let i = 0; i < each.length; i++) mean[i % K] += each[i] / N;
    return mean;
  }

  async #forward(x: Tensor): Promise<Tensor> {
    const { network, weights } = this.model;
    if (!this.#session) return forward(network, weights, x);
    const output = this.#session.outputs[0].name;
    const results = await this.#session.run(new Map([[this.#session.inputs[0].name, x]]));
    return asTensor(results.get(output)!, output);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session?.release();
  }

  /** The same as `await using` does at the end of its block. */
  close(): Promise<void> {
    return this[Symbol.asyncDispose]();
  }
}

/** K of the last layer that has weights. */
function classCount({ network, weights }: Chosen): number {
  const last = network.layers.findLast(({ kind }) => kind === 'linear' || kind === 'conv2d');
  return weights.get(`${last?.name}.bias`)?.shape[0] ?? 0;
}

/** The `top` most probable classes, the first of equals first. */
export function best(probabilities: Float64Array, names: readonly string[], top: number): Guess[] {
  const order = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a] || a - b);
  return order.slice(0, top).map((k) => ({ class: k, name: names[k], probability: probabilities[k] }));
}
