/**
 * What training has a device do: the steps, and the validation after an epoch. On the CPU and on CUDA several steps
 * are one call of the Loop model; on WebGPU, which has no Loop, each is a call of the step model and the state stays
 * in the GPU's memory. The bits do not depend on how many go into a call.
 */
import { type BuildStepOptions, buildStep, joined, type ModelFile } from '../../export/index.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { type Weights, weightShapes } from '../../reference/oracle.ts';
import { type Tensor, tensor } from '../../reference/tensor.ts';
import { onDevice } from '../classify/engine.ts';
import { inGroups, openPipeline } from '../classify/pipeline.ts';
import type { Split } from '../data/dataset.ts';
import { openPool } from '../data/pool.ts';
import { counter } from '../evaluate/tally.ts';
import { classCount } from '../labels/labels.ts';
import type { Place } from '../runtime/devices.ts';
import { openResident } from '../runtime/resident.ts';
import { openSession, type Session, targetOf } from '../runtime/session.ts';
import { inOrder } from '../runtime/threads.ts';
import { asTensor, type SessionValue } from '../runtime/values.ts';
import { firstNotFinite } from '../weights/fitted.ts';
import type { EpochRecord, TrainingState } from './checkpoint.ts';
import type { MaskSpec, StepFeed } from './feed.ts';
import type { Unread } from './unread.ts';

export interface StepperSpec
  extends Required<
    Pick<BuildStepOptions, 'augment' | 'dropout' | 'rule' | 'momentum' | 'weightDecay' | 'factors'>
  > {
  readonly network: Network;
  readonly batch: number;
  readonly masks: readonly Pick<MaskSpec, 'layer' | 'size'>[];
}

interface StepInput {
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
export async function openStepper(
  spec: StepperSpec,
  { device, gpu }: Place,
  state: TrainingState,
): Promise<Stepper> {
  const { network, masks: _, ...how } = spec;
  const options: BuildStepOptions = { ...how, target: targetOf(device) };
  const learned = [...weightShapes(network).keys()].filter((name) => spec.factors.get(name)?.rate !== 0);
  if (device === 'webgpu') return openSingle(spec, buildStep(network, options), learned, state);
  const loop = joined(buildStep(network, { ...options, steps: 'dynamic' }).chunks());
  return openLoop(spec, await openSession(loop, device, { memoryPlan: false, gpu }), learned, state);
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
      for (const step of steps) results.push(resultOf(await session.run(inputsOf(spec, [step], false)), 0));
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
): Map<string, SessionValue> {
  const { batch, augment, masks, dropout } = spec;
  const values = new Map<string, SessionValue>();
  const input = (name: string, shape: readonly number[], partOf: (step: StepInput) => Part): void => {
    const data = gathered(steps.map(partOf));
    const dims = stacked ? [steps.length, ...shape] : shape;
    if (data instanceof Float32Array) values.set(name, tensor(data, dims));
    else if (data instanceof Int32Array) values.set(name, { dtype: 'int32', shape: dims, data });
    else values.set(name, { dtype: 'uint8', shape: dims, data });
  };
  input('images', [batch, 3, augment.side, augment.side], ({ feed }) => feed.images);
  input('offsets', [batch, 2], ({ feed }) => feed.offsets);
  input('mirrored', [batch], ({ feed }) => feed.mirrored);
  input('labels', [batch], ({ labels }) => labels);
  input('learningRate', [], ({ learningRate }) => Float32Array.of(learningRate));
  if (augment.how.lighting !== 'none') input('light', [batch, 3], ({ feed }) => feed.light);
  for (const [m, { layer, size }] of (dropout ? masks : []).entries()) {
    input(`${layer}.mask`, [batch, size / batch], ({ feed }) => feed.masks[m]);
  }
  return values;
}

type Part = Uint8Array | Int32Array | Float32Array;

/** Arrays of one type, one behind the other. */
function gathered(parts: readonly Part[]): Part {
  const [first] = parts;
  if (parts.length === 1) return first;
  const all = new (first.constructor as new (length: number) => Part)(
    parts.reduce((sum, { length }) => sum + length, 0),
  );
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/**
 * Loss and errors on the validation images, centre view, by the graph that `alexnet export` writes; null where the
 * network gives a probability that is not a number. Pictures that cannot be read do not count: rejects with InputError
 * where that ends the run, and where no picture is left.
 */
export async function validate(
  network: Network,
  weights: Weights,
  { split, unread }: { readonly split: Split; readonly unread: Unread },
  device: Place,
  threads?: number,
): Promise<EpochRecord['validation']> {
  await using pool = openPool({ form: 'input', preprocess: network.preprocess }, { threads });
  const engine = await onDevice({ network, weights, source: 'training' }, device);
  try {
    const batch = network.input[1] <= 64 ? 128 : 16;
    const pipeline = openPipeline(network, [engine], pool, { maxBatch: batch });
    const { add, tally } = counter(classCount(network), 5);
    const readable = Array.from({ length: split.count }, (_, i) => i).filter(
      (i) => !unread.has('validation', i),
    );
    const results = inOrder(inGroups(readable, batch), pipeline.ahead, async (group) => ({
      group,
      outcomes: await pipeline.classify(group.map(split.picture)),
    }));
    for await (const { group, outcomes } of results) {
      for (const [n, p] of outcomes.entries()) {
        if ('error' in p) unread.add({ part: 'validation', index: group[n], error: p.error });
        else if (firstNotFinite(p) >= 0) return null;
        else add(p, split.label(group[n]));
      }
    }
    const { count, loss, top1, topK } = tally;
    return { loss: loss / count, error1: (count - top1) / count, error5: (count - topK) / count };
  } finally {
    await engine.close();
  }
}
