/**
 * Training steps on a device. On the CPU and on CUDA several steps are one call of the Loop model; on WebGPU,
 * which has no Loop, each is a call of the step model and the state stays in the GPU's memory. The bits do
 * not depend on how many go into a call.
 */
import { type Augment, buildStep, joined, type ModelFile, type StepOptions } from '../../export/index.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { weightShapes } from '../../reference/oracle.ts';
import { type Tensor, tensor } from '../../reference/tensor.ts';
import type { NumericValue } from '../array/value.ts';
import { openResident } from '../runtime/resident.ts';
import { type Device, openSession, type Session, targetOf } from '../runtime/session.ts';
import { asTensor, type SessionValue } from '../runtime/values.ts';
import type { StepFeed } from './assemble.ts';

/** Parameters and momenta, all by the parameters' names. */
export interface TrainingState {
  readonly weights: ReadonlyMap<string, Tensor>;
  readonly momenta: ReadonlyMap<string, Tensor>;
}

export interface StepperSpec {
  readonly network: Network;
  readonly batch: number;
  readonly augment: Augment;
  readonly dropout: boolean;
  readonly masks: readonly { readonly layer: string; readonly size: number }[];
  readonly rule: NonNullable<StepOptions['rule']>;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly factors: NonNullable<StepOptions['factors']>;
}

export interface StepInput {
  readonly feed: StepFeed;
  readonly labels: Int32Array;
  readonly learningRate: number;
}

/** Of one step, before its update. */
export interface StepResult {
  readonly loss: number;
  /** Images whose label was not first, not among the first five. */
  readonly wrong1: number;
  readonly wrong5: number;
}

export interface Stepper {
  run(steps: readonly StepInput[]): Promise<StepResult[]>;
  state(): Promise<TrainingState>;
  close(): Promise<void>;
}

/** Rejects with InputError or EnvironmentError as openSession does. */
export async function openStepper(spec: StepperSpec, device: Device, state: TrainingState): Promise<Stepper> {
  const { network, batch, augment, dropout, rule, momentum, weightDecay, factors } = spec;
  const target = targetOf(device);
  const options: StepOptions = { batch, augment, dropout, rule, momentum, weightDecay, factors, target };
  const learned = [...weightShapes(network).keys()].filter((name) => factors.get(name)?.rate !== 0);
  if (device === 'webgpu') return openSingle(spec, buildStep(network, options), learned, state);
  const loop = joined(buildStep(network, { ...options, steps: 'dynamic' }).chunks());
  return openLoop(spec, await openSession(loop, device, { memoryPlan: false }), learned, state);
}

function openLoop(
  spec: StepperSpec,
  session: Session,
  learned: readonly string[],
  { weights, momenta }: TrainingState,
): Stepper {
  const now = { weights: new Map(weights), momenta: new Map(momenta) };
  return {
    async run(steps) {
      const feeds = new Map<string, SessionValue>([...now.weights, ...inputsOf(spec, steps, true)]);
      for (const name of learned) feeds.set(`${name}.velocity`, now.momenta.get(name)!);
      const results = await session.run(feeds);
      for (const name of learned) {
        now.weights.set(name, asTensor(results.get(`${name}.next`)!, name));
        now.momenta.set(name, asTensor(results.get(`${name}.velocity.next`)!, name));
      }
      return steps.map((_, k) => resultOf(results, k));
    },
    state: async () => ({ weights: new Map(now.weights), momenta: new Map(now.momenta) }),
    close: () => session.release(),
  };
}

async function openSingle(
  spec: StepperSpec,
  model: ModelFile,
  learned: readonly string[],
  { weights, momenta }: TrainingState,
): Promise<Stepper> {
  const velocity = (name: string) => `${name}.velocity`;
  const held = new Map<string, Tensor>([
    ...weights,
    ...learned.map((name) => [velocity(name), momenta.get(name)!] as const),
  ]);
  const session = await openResident(model, 'webgpu', held);
  return {
    async run(steps) {
      const results: StepResult[] = [];
      for (const step of steps)
        results.push(resultOf(await session.run(new Map(inputsOf(spec, [step], false))), 0));
      return results;
    },
    async state() {
      const found = await session.state();
      const both = { weights: new Map(weights), momenta: new Map(momenta) };
      for (const name of learned) {
        both.weights.set(name, found.get(name)!);
        both.momenta.set(name, found.get(velocity(name))!);
      }
      return both;
    },
    close: () => session.release(),
  };
}

function resultOf(results: ReadonlyMap<string, SessionValue>, k: number): StepResult {
  const at = (name: string) => asTensor(results.get(name)!, name).data[k];
  return { loss: at('loss'), wrong1: at('wrong1'), wrong5: at('wrong5') };
}

/** The inputs that change from step to step; `stacked`: with a leading axis of all the steps. */
function inputsOf(
  spec: StepperSpec,
  steps: readonly StepInput[],
  stacked: boolean,
): [string, SessionValue][] {
  const { batch, augment, masks, dropout } = spec;
  const lead = stacked ? [steps.length] : [];
  const bytes = (shape: readonly number[], parts: readonly Uint8Array[]): NumericValue => ({
    dtype: 'uint8',
    shape: [...lead, ...shape],
    data: parts.length === 1 ? parts[0] : Buffer.concat(parts),
  });
  const integers = (shape: readonly number[], parts: readonly Int32Array[]): NumericValue => ({
    dtype: 'int32',
    shape: [...lead, ...shape],
    data: parts.length === 1 ? parts[0] : gathered(Int32Array, parts),
  });
  const floats = (shape: readonly number[], parts: readonly Float32Array[]): Tensor =>
    tensor(parts.length === 1 ? parts[0] : gathered(Float32Array, parts), [...lead, ...shape]);
  const feeds = steps.map(({ feed }) => feed);
  const values: [string, SessionValue][] = [
    [
      'images',
      bytes(
        [batch, 3, augment.side, augment.side],
        feeds.map(({ images }) => images),
      ),
    ],
    [
      'offsets',
      integers(
        [batch, 2],
        feeds.map(({ offsets }) => offsets),
      ),
    ],
    [
      'mirrored',
      bytes(
        [batch],
        feeds.map(({ mirrored }) => mirrored),
      ),
    ],
    [
      'labels',
      integers(
        [batch],
        steps.map(({ labels }) => labels),
      ),
    ],
    ['learningRate', floats([], [Float32Array.from(steps, ({ learningRate }) => learningRate)])],
  ];
  if (augment.how.lighting !== 'none')
    values.push([
      'light',
      floats(
        [batch, 3],
        feeds.map(({ light }) => light),
      ),
    ]);
  if (!dropout) return values;
  for (const [m, { layer, size }] of masks.entries())
    values.push([
      `${layer}.mask`,
      bytes(
        [batch, size / batch],
        feeds.map((feed) => feed.masks[m]),
      ),
    ]);
  return values;
}

function gathered<T extends Int32Array | Float32Array>(
  Type: new (length: number) => T,
  parts: readonly T[],
): T {
  const all = new Type(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
