/**
 * A session in a thread of its own. onnxruntime-node computes on the thread that calls it and blocks it for as long:
 * an application's own thread must stay free. Threads of CPU and CUDA run beside each other; those of WebGPU take
 * turns (onnxruntime.ts).
 */
import type { InferenceSession } from 'onnxruntime-node';
import { EnvironmentError } from '../errors.ts';
import type { Place } from './devices.ts';
import { guarded, inTurn, withoutTelemetry } from './onnxruntime.ts';
import { discard, fileIn, prepared } from './prepared.ts';
import { type SessionOptions, settingsOf } from './session.ts';
import { cudaIsLoaded } from './tf32.ts';
import { startThread } from './threads.ts';
import { awaitAtExit, type Flag, newFlag } from './undisturbed.ts';

export interface ThreadData {
  readonly flag: Flag;
  readonly settings: InferenceSession.SessionOptions;
}

/** One behind the other the values of an input, float32 or uint8. */
export type Pieces = readonly (Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>)[];

export type Call =
  | { readonly what: 'open'; readonly model: Uint8Array | string }
  | {
      readonly what: 'run';
      readonly pieces: Pieces;
      readonly shape: readonly number[];
    }
  | { readonly what: 'release' };

export interface Answer {
  readonly values?: Float32Array<ArrayBuffer>;
  readonly milliseconds?: number;
  readonly error?: { readonly name: string; readonly message: string };
}

export interface SessionThread {
  /** One run of a model with one input and one output. The input's values come in pieces, which are handed over. */
  run(
    pieces: Pieces,
    shape: readonly number[],
  ): Promise<{ readonly values: Float32Array<ArrayBuffer>; readonly milliseconds: number }>;
  /** After what is under way. */
  close(): Promise<void>;
}

const WHAT = 'the model: onnxruntime cannot run it';

/** The model is made while the thread starts. Rejects as `openSession` does. */
export async function openInThread(
  { device, gpu }: Place,
  make: () => Uint8Array,
  { threads }: Pick<SessionOptions, 'threads'> = {},
): Promise<SessionThread> {
  if (device === 'cuda') cudaIsLoaded();
  const thread = start({ flag: newFlag(), settings: settingsOf(device, { gpu, threads }) });
  try {
    const {
      names: { untapped, original },
      folder,
    } = await prepared(make(), {});
    const call = { what: 'open', model: folder ? fileIn(folder, false) : untapped } as const;
    const opening = guarded(device, WHAT, () => thread.ask(call, folder ? [] : [untapped.buffer]), original);
    // Windows keeps a file that is mapped until the process ends; the next run removes it
    await opening.finally(() => folder && discard(folder).catch(() => {}));
    return {
      async run(pieces, shape) {
        const memory = pieces.map(({ buffer }) => buffer);
        const call = { what: 'run', pieces, shape } as const;
        const { values, milliseconds } = await guarded(
          device,
          WHAT,
          () => thread.ask(call, memory),
          original,
        );
        return { values: values!, milliseconds: milliseconds! };
      },
      close: () => thread.end(device),
    };
  } catch (error) {
    await thread.end(device);
    throw error;
  }
}

/** Calls are answered in the order in which they come; the process waits for those that are under way. */
function start(data: ThreadData) {
  withoutTelemetry();
  const worker = startThread('./session-worker', import.meta.url, data);
  const forget = awaitAtExit(data.flag);
  const waiting: { resolve(answer: Answer): void; reject(error: Error): void }[] = [];
  let death: Error | undefined;
  worker.unref();
  worker.on('message', ({ error, ...answer }: Answer) => {
    const { resolve, reject } = waiting.shift()!;
    if (waiting.length === 0) worker.unref();
    if (!error) resolve(answer);
    else
      reject(
        error.name === 'EnvironmentError' ? new EnvironmentError(error.message) : new Error(error.message),
      );
  });
  let reason = 'it is closed';
  worker.on('error', ({ message }: Error) => {
    [reason] = message.split('\n');
  });
  const gone = new Promise<void>((resolve) => {
    worker.on('exit', () => {
      forget();
      death = new EnvironmentError(`the thread in which onnxruntime runs has ended: ${reason}`);
      for (const { reject } of waiting.splice(0)) reject(death);
      resolve();
    });
  });
  const ask = (call: Call, memory: ArrayBuffer[] = []): Promise<Answer> =>
    new Promise((resolve, reject) => {
      if (death) return reject(death);
      waiting.push({ resolve, reject });
      worker.ref();
      worker.postMessage(call, memory);
    });
  return {
    ask,
    async end(device: Place['device']) {
      if (!death) await inTurn(device, () => ask({ what: 'release' })).catch(() => {});
      worker.ref();
      await gone;
    },
  };
}
