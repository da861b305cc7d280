/**
 * One onnxruntime session on one device. Nothing here falls back to another device: a device that does not
 * work is an error with its reason, and `placement()` tells which nodes the device left to the CPU.
 */
import { randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { InferenceSession } from 'onnxruntime-node';
import type { LrnForm, TrainingTarget } from '../../export/graph.ts';
import type { Renamed } from '../../export/rename.ts';
import { orFull, temporaryFolder } from '../disk/temporary.ts';
import { InputError } from '../errors.ts';
import { type Device, LABELS } from './failures.ts';
import { guarded, inTurn, loadOnnxruntime, type Onnxruntime, providerOf } from './onnxruntime.ts';
import { type Placement, parseProfile } from './placement.ts';
import { discard, fileIn, namesFor, type Prepared, prepared, THE_MODEL } from './prepared.ts';
import { probeModel } from './probe-model.ts';
import { cudaIsLoaded } from './tf32.ts';
import { fromOrt, type SessionValue, toOrt } from './values.ts';

export type { Device } from './failures.ts';

/** What the graphs that train are laid out for. */
export const targetOf = (device: Device): TrainingTarget => (device === 'cuda' ? 'gpu' : device);

/** LRN's form in a graph for that device. CUDA under TF32 would round the squares that a band matrix is fed. */
export const lrnOf = (device: Device): LrnForm => (device === 'webgpu' ? 'band' : 'native');
export const BAND_NOTE = `LRN is a product with a band matrix: ${LABELS.webgpu} has no kernel for it`;

export interface SessionOptions {
  /** onnxruntime's graph optimisations: all of them (default), none, or a level between: fusion can cause a fault. */
  readonly optimise?: boolean | 'basic' | 'extended';
  /** Which of several NVIDIA GPUs, from 0. */
  readonly gpu?: number;
  /** Threads inside one operator on the CPU; default: onnxruntime's own choice, one a core. */
  readonly threads?: number;
  /**
   * Lay the memory of all values out in one piece from the second run on (default). Without, a full-size training step
   * needs 1 GB less and takes no longer.
   */
  readonly memoryPlan?: boolean;
  /** Record which provider runs each node, for `placement()`. */
  readonly profile?: boolean;
  /** Intermediate values that are outputs too. */
  readonly taps?: readonly string[];
  /** What the model is called in messages; default: the model. */
  readonly name?: string;
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
 * Opens a model on one device. onnxruntime never sees the file's names (export/rename.ts).
 * InputError: the model cannot be used. EnvironmentError: onnxruntime or the device cannot.
 */
export const openSession = async (
  model: Uint8Array,
  device: Device,
  options: SessionOptions = {},
): Promise<Session> => openRenamed(namesFor(model, options), device, options);

/** `folder`: where the model lies, with its large weights beside it. */
async function openRenamed(
  names: Renamed,
  device: Device,
  options: SessionOptions,
  folder?: string,
): Promise<Session> {
  const { name: label = THE_MODEL, profile, taps = [] } = options;
  const bytes = taps.length > 0 ? names.bytes : names.untapped;
  const ort = await loadOnnxruntime();
  const profiles = profile ? temporaryFolder('alexnet-profile-') : undefined;
  if (device === 'cuda') cudaIsLoaded();
  try {
    const session = await guarded(
      device,
      `${label}: onnxruntime cannot use it`,
      () => {
        const how = settingsOf(device, options, profiles);
        if (folder) return ort.InferenceSession.create(fileIn(folder, taps.length > 0), how);
        return ort.InferenceSession.create(bytes, how);
      },
      names.original,
    );
    return opened(ort, session, device, label, names, profiles);
  } catch (error) {
    if (profiles) await discard(profiles);
    throw error;
  }
}

/** Where sessions are opened. */
export interface Host extends AsyncDisposable {
  open: typeof openSession;
}

/** A session without its ports. */
export type Runner = Pick<Session, 'run' | 'placement' | 'release'>;

/** Where sessions of one model are opened. */
export interface Opener extends AsyncDisposable {
  open(options: SessionOptions): Promise<Runner>;
}

/**
 * This process, which keeps the device warm and the model at hand while several sessions are opened one after the
 * other: dispose of it when they are done. onnxruntime makes WebGPU's device, with all its compiled shaders, when the
 * first session opens and throws it away when the last one goes: three runs of one network take about half the time
 * so. Throws as `openSession` does.
 */
export async function holdDevice(device: Device): Promise<Host> {
  const held = device === 'webgpu' ? await openSession(probeModel(), device) : undefined;
  let last: ({ model: Uint8Array; taps: readonly string[] } & Prepared) | undefined;
  async function dropLast(): Promise<void> {
    const folder = last?.folder;
    last = undefined; // its memory before the next is made
    // Windows keeps a file that a session maps until the process ends; the next run removes it
    if (folder) await discard(folder).catch(() => {});
  }
  return {
    async open(model, on, options = {}) {
      const { taps = [] } = options;
      const serves = last?.model === model && (taps.length === 0 || taps.join('\0') === last.taps.join('\0'));
      if (!serves) await dropLast();
      last ??= { model, taps, ...(await prepared(model, options)) };
      return openRenamed(last.names, on, options, last.folder);
    },
    async [Symbol.asyncDispose]() {
      await held?.release();
      await dropLast();
    },
  };
}

export function settingsOf(
  device: Device,
  { optimise = true, gpu, threads, profile, memoryPlan = true }: SessionOptions,
  folder?: string,
): InferenceSession.SessionOptions {
  return {
    executionProviders: [providerOf(device, gpu)],
    graphOptimizationLevel: optimise === true ? 'all' : optimise || 'disabled',
    logSeverityLevel: 4,
    ...(memoryPlan ? {} : { enableMemPattern: false }),
    ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
    ...(profile && folder ? { enableProfiling: true, profileFilePrefix: join(folder, randomUUID()) } : {}),
  };
}

/** `profiles`: the folder in which onnxruntime records, until `placement` or `release` has taken it. */
function opened(
  ort: Onnxruntime,
  session: InferenceSession,
  device: Device,
  label: string,
  { valueNames, original }: Renamed,
  profiles: string | undefined,
): Session {
  const port = (metadata: InferenceSession.ValueMetadata): Port => {
    const name = original(metadata.name);
    return metadata.isTensor
      ? { name, type: metadata.type, shape: metadata.shape }
      : { name, type: 'not a tensor', shape: [] };
  };
  const inputs = session.inputMetadata.map(port);
  const outputs = session.outputMetadata.map(port);
  const given = (name: string) => valueNames.get(name)!;
  let open = true;
  let folder = profiles;
  const mustBeOpen = (): void => {
    if (!open) throw new Error('session: it is released already');
  };
  const check = (what: string, names: Iterable<string>, ports: readonly Port[]): void => {
    for (const name of names) {
      if (ports.some((p) => p.name === name)) continue;
      const known = ports.map((p) => p.name).join(', ');
      throw new InputError(`${label}: it has no ${what} '${name}' (it has ${known})`);
    }
  };
  const release = async (): Promise<void> => {
    const taken = folder;
    const wasOpen = open;
    folder = undefined;
    open = false;
    if (!wasOpen) return;
    try {
      if (taken) session.endProfiling();
      await inTurn(device, () => session.release());
    } finally {
      if (taken) await discard(taken);
    }
  };
  return {
    device,
    inputs,
    outputs,
    async run(feeds, wanted) {
      mustBeOpen();
      check('input', feeds.keys(), inputs);
      check('output', wanted ?? [], outputs);
      const missing = inputs.find(({ name }) => !feeds.has(name));
      if (missing) throw new InputError(`${label}: its input '${missing.name}' is not given`);
      const fed = Object.fromEntries([...feeds].map(([name, value]) => [given(name), toOrt(ort, value)]));
      const results = await guarded(
        device,
        `${label}: onnxruntime cannot run it`,
        () => (wanted ? session.run(fed, wanted.map(given)) : session.run(fed)),
        original,
      );
      return new Map(
        Object.entries(results).map(([name, value]) => [original(name), fromOrt(value, original(name))]),
      );
    },
    async placement() {
      mustBeOpen();
      const taken = folder;
      if (!taken) throw new Error('session: placement() once, on a session opened with profile: true');
      folder = undefined;
      try {
        session.endProfiling();
        const [file] = await readdir(taken);
        return parseProfile(await readFile(join(taken, file), 'utf8'), original);
      } catch (error) {
        throw await orFull(taken, error);
      } finally {
        await discard(taken);
      }
    },
    release,
    [Symbol.asyncDispose]: release,
  };
}
