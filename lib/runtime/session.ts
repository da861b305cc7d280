/**
 * One onnxruntime session on one device. Nothing here falls back to another device: a device that does not
 * work is an error with its reason, and `placement()` tells which nodes the device left to the CPU.
 */
import { randomUUID } from 'node:crypto';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { InferenceSession } from 'onnxruntime-node';
import type { TrainingTarget } from '../../export/graph.ts';
import { forget, orFull, remember, temporaryFolder } from '../disk/temporary.ts';
import { EnvironmentError, InputError } from '../errors.ts';
import { type Device, deviceFailure } from './failures.ts';
import { loadOnnxruntime, type Onnxruntime, reasonOf } from './onnxruntime.ts';
import { type Placement, parseProfile } from './placement.ts';
import { fromOrt, type SessionValue, toOrt } from './values.ts';

export type { Device } from './failures.ts';

/** What the graphs that train are laid out for. */
export const targetOf = (device: Device): TrainingTarget => (device === 'cpu' ? 'cpu' : 'gpu');

export interface SessionOptions {
  /** onnxruntime's graph optimisations: all of them (default), none, or a level between: fusion can cause a fault. */
  readonly optimise?: boolean | 'basic' | 'extended';
  /** Threads inside one operator on the CPU; default: onnxruntime's own choice, one a core. */
  readonly threads?: number;
  /**
   * Lay the memory of all values out in one piece from the second run on (default). Without, a full-size training step
   * needs 1 GB less and takes no longer.
   */
  readonly memoryPlan?: boolean;
  /** Record which provider runs each node, for `placement()`. */
  readonly profile?: boolean;
}

/** Name, element type and shape of an input or output; a dimension with a name is free. */
export interface Port {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly (number | string)[];
}

export interface Session {
  readonly device: Device;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /**
   * Runs the model; `outputs` are the names to fetch, all by default. InputError for feeds that do not fit.
   */
  run(
    feeds: ReadonlyMap<string, SessionValue>,
    outputs?: readonly string[],
  ): Promise<Map<string, SessionValue>>;
  /** Which provider ran each node so far. Ends the recording; only with `profile`, after a run. */
  placement(): Promise<Placement>;
  release(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Opens a model file or its bytes on one device.
 * InputError: the model cannot be used. EnvironmentError: onnxruntime or the device cannot.
 */
export async function openSession(
  model: string | Uint8Array,
  device: Device,
  options: SessionOptions = {},
): Promise<Session> {
  const label = typeof model === 'string' ? model : 'the model';
  if (typeof model === 'string') await mustBeFile(model);
  else if (model.length === 0) throw new InputError('the model is empty');
  const ort = await loadOnnxruntime();
  const profiles = options.profile ? await temporaryFolder('alexnet-profile-') : undefined;
  if (profiles) remember(profiles);
  try {
    const session = await create(ort, model, settings(device, options, profiles));
    return new OpenSession(ort, session, device, label, profiles);
  } catch (error) {
    if (profiles) await discard(profiles);
    const failure = deviceFailure(device, reasonOf(error));
    if (failure) throw new EnvironmentError(`${device}: ${failure}`);
    throw new InputError(`${label}: onnxruntime cannot use it: ${reasonOf(error)}`);
  }
}

async function discard(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  forget(folder);
}

async function mustBeFile(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (!found) throw new InputError(`${path}: there is no such file`);
  if (!found.isFile()) throw new InputError(`${path} is not a file: name a model (.onnx)`);
  if (found.size === 0) throw new InputError(`${path} is empty`);
}

const create = (ort: Onnxruntime, model: string | Uint8Array, options: InferenceSession.SessionOptions) =>
  typeof model === 'string'
    ? ort.InferenceSession.create(model, options)
    : ort.InferenceSession.create(model, options);

function settings(
  device: Device,
  { optimise = true, threads, profile, memoryPlan = true }: SessionOptions,
  folder?: string,
): InferenceSession.SessionOptions {
  return {
    executionProviders: [device],
    graphOptimizationLevel: optimise === true ? 'all' : optimise || 'disabled',
    logSeverityLevel: 4,
    ...(memoryPlan ? {} : { enableMemPattern: false }),
    ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
    ...(profile && folder ? { enableProfiling: true, profileFilePrefix: join(folder, randomUUID()) } : {}),
  };
}

class OpenSession implements Session {
  readonly device: Device;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly #ort: Onnxruntime;
  readonly #label: string;
  #session: InferenceSession | undefined;
  #profiles: string | undefined;

  constructor(ort: Onnxruntime, session: InferenceSession, device: Device, label: string, profiles?: string) {
    this.device = device;
    this.inputs = session.inputMetadata.map(port);
    this.outputs = session.outputMetadata.map(port);
    this.#ort = ort;
    this.#session = session;
    this.#label = label;
    this.#profiles = profiles;
  }

  async run(
    feeds: ReadonlyMap<string, SessionValue>,
    outputs?: readonly string[],
  ): Promise<Map<string, SessionValue>> {
    const session = this.#open();
    this.#check('input', [...feeds.keys()], this.inputs);
    if (outputs) this.#check('output', outputs, this.outputs);
    for (const { name } of this.inputs) {
      if (!feeds.has(name)) throw new InputError(`${this.#label}: its input '${name}' is not given`);
    }
    const given = Object.fromEntries([...feeds].map(([name, value]) => [name, toOrt(this.#ort, value)]));
    const results = await this.#guarded(() =>
      outputs ? session.run(given, [...outputs]) : session.run(given),
    );
    const values = new Map<string, SessionValue>();
    for (const [name, value] of Object.entries(results)) values.set(name, fromOrt(value, name));
    return values;
  }

  async placement(): Promise<Placement> {
    const session = this.#open();
    const folder = this.#profiles;
    if (!folder) throw new Error('session: placement() once, on a session opened with profile: true');
    this.#profiles = undefined;
    try {
      session.endProfiling();
      const [file] = await readdir(folder);
      return parseProfile(await readFile(join(folder, file), 'utf8'));
    } catch (error) {
      throw await orFull(folder, error);
    } finally {
      await discard(folder);
    }
  }

  async release(): Promise<void> {
    const [session, folder] = [this.#session, this.#profiles];
    this.#session = this.#profiles = undefined;
    try {
      if (folder) session?.endProfiling();
      await session?.release();
    } finally {
      if (folder) await discard(folder);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  #open(): InferenceSession {
    if (!this.#session) throw new Error('session: it is released already');
    return this.#session;
  }

  #check(what: string, names: readonly string[], ports: readonly Port[]): void {
    for (const name of names) {
      if (ports.some((p) => p.name === name)) continue;
      const known = ports.map((p) => p.name).join(', ');
      throw new InputError(`${this.#label}: it has no ${what} '${name}' (it has ${known})`);
    }
  }

  async #guarded<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      const failure = deviceFailure(this.device, reasonOf(error));
      if (failure) throw new EnvironmentError(`${this.device}: ${failure}`);
      throw new InputError(`${this.#label}: onnxruntime cannot run it: ${reasonOf(error)}`);
    }
  }
}

const port = (metadata: InferenceSession.ValueMetadata): Port =>
  metadata.isTensor
    ? { name: metadata.name, type: metadata.type, shape: metadata.shape }
    : { name: metadata.name, type: 'not a tensor', shape: [] };
