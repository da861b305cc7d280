/** The function behind `alexnet verify`, with the command's own words as options. */
import { decodeModel } from '../../export/proto.ts';
import type { Precision } from '../../reference/tensor.ts';
import { InputError } from '../errors.ts';
import { type Given, readInput } from '../input.ts';
import { bytesOf, modelOf, readModelFile } from '../model.ts';
import { type Choice, resolve, resolveNetwork } from '../resolve.ts';
import { chooseDevice, type Device, describeChoice, LABELS } from '../runtime/devices.ts';
import { TF32_VARIABLE, tf32IsOn } from '../runtime/tf32.ts';
import type { Requirement } from './arithmetic.ts';
import { inferNetwork, metadataOf, type Subject, subjectOf } from './subject.ts';
import { type Verification, verifySubject } from './verify.ts';

export interface VerifyOptions extends Choice {
  /** An ONNX file; default: the network as `exportOnnx` writes it. */
  readonly model?: string;
  /** Files or numbers; default: noise. */
  readonly input?: Given;
  readonly batch?: number;
  readonly device?: 'auto' | Device;
  readonly strictDevice?: boolean;
  readonly lrn?: 'native' | 'decomposed';
  readonly require?: Requirement;
  readonly precision?: Precision;
  readonly plain?: boolean;
  /** Runs of each kind, compared bit by bit; default 1. */
  readonly repeat?: number;
  readonly tf32?: boolean;
  /** Called with each line of what is being done. */
  readonly log?: (line: string) => void;
}

export interface VerifyResult extends Verification {
  /** Path of the model, or null where the network was exported for the occasion. */
  readonly model: string | null;
  readonly weights: string;
  readonly inputSource: string;
}

/**
 * Runs the model on the device, every value tapped, and compares each layer with the oracle.
 * Throws InputError for what cannot be read or does not fit, EnvironmentError for a device that does not work.
 */
export async function verify(options: VerifyOptions = {}): Promise<VerifyResult> {
  const { log = () => {} } = options;
  const choice = await chooseDevice(options.device ?? 'auto');
  const { device } = choice;
  const { subject, weights, notes } = options.model
    ? await fromFile(options.model, options)
    : await fromNetwork(options, device);
  const input = await readInput(subject.network, { from: options.input, seed: options.seed });
  log(
    `network: ${subject.network.name}, weights: ${weights}${options.model ? `, model: ${options.model}` : ''}`,
  );
  log(`input: ${input.source}`);
  const [chosen, ...refused] = describeChoice(choice);
  for (const line of [`device: ${chosen}`, ...refused]) log(line);
  for (const note of notes) log(note);
  if (tf32IsOn(device) && options.require !== 'tf32') {
    log(`TF32 is on: set ${TF32_VARIABLE}=0 before the process starts to switch it off`);
  }
  const result = await verifySubject({ ...options, subject, input: input.tensor, device });
  return { ...result, model: options.model ?? null, weights, inputSource: input.source };
}

interface Prepared {
  readonly subject: Subject;
  readonly weights: string;
  readonly notes: readonly string[];
}

async function fromNetwork(options: VerifyOptions, device: Device): Promise<Prepared> {
  const { network, weights, source, notes } = await resolve(options);
  const hasLrn = network.layers.some((layer) => layer.kind === 'lrn');
  const lrn = options.lrn ?? (device === 'webgpu' ? 'decomposed' : 'native');
  const bytes = bytesOf(modelOf(network, weights, { source, lrn }));
  const said =
    hasLrn && lrn === 'decomposed' && options.lrn === undefined
      ? [`LRN is decomposed: ${LABELS[device]} has no kernel for it`]
      : [];
  return {
    subject: subjectOf(bytes, decodeModel(bytes), network, weights),
    weights: source,
    notes: [...notes, ...said],
  };
}

async function fromFile(path: string, options: VerifyOptions): Promise<Prepared> {
  const { bytes, model } = await readModelFile(path);
  return naming(path, async () => {
    const named = options.network ?? metadataOf(model, 'network');
    if (options.weights !== undefined || options.seed !== undefined || options.init !== undefined) {
      const { network, weights, source, notes } = await resolve({ ...options, network: named });
      return { subject: subjectOf(bytes, model, network, weights), weights: source, notes };
    }
    const network = named === undefined ? inferNetwork(bytes, model) : resolveNetwork(named);
    const source = metadataOf(model, 'weights.source');
    const weights = source === undefined ? "the file's own" : `the file's own (${source})`;
    return { subject: subjectOf(bytes, model, network), weights, notes: [] };
  });
}

/** Puts the file's name in front of an error about what is in it. */
async function naming<T>(path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof InputError && !error.message.startsWith(path))
      throw new InputError(`${path}: ${error.message}`);
    throw error;
  }
}
