/** Runs a model on a device: every layer's value tapped, or the outputs alone. */
import { fromFloat16 } from '../../export/float16.ts';
import { tap } from '../../export/index.ts';
import { cast, dense, type Tensor, tensor } from '../../reference/tensor.ts';
import { InputError } from '../errors.ts';
import type { Device } from '../runtime/failures.ts';
import type { Placement } from '../runtime/placement.ts';
import { openSession } from '../runtime/session.ts';
import { isTensor, type SessionValue } from '../runtime/values.ts';
import type { Subject } from './subject.ts';

/** onnxruntime's levels of graph optimisation. */
export type Level = 'basic' | 'extended' | 'all';

export interface RunSettings {
  readonly subject: Subject;
  /** (N,C,H,W). */
  readonly input: Tensor;
  readonly device: Device;
  /** Images a run; default: all at once. */
  readonly batch?: number;
  /** How many times; the later ones are only compared with the first. */
  readonly repeat?: number;
}

export interface Run {
  /** Values by layer; those of the outputs alone where nothing was tapped. */
  readonly values: ReadonlyMap<string, Tensor>;
  readonly placement: Placement;
  /** Layers whose values were not the same, bit for bit, in every repetition. */
  readonly unstable: readonly string[];
}

/**
 * Every layer's value: with optimisation off each layer has its own node, with it on nodes are fused around
 * the taps.
 */
export function runTapped(settings: RunSettings, optimise: Level | false): Promise<Run> {
  const { subject } = settings;
  const names = [...new Set(subject.match.values.values())].filter((name) => name !== subject.input);
  return run(settings, tap(subject.model, names), names, optimise);
}

/** The outputs of the model as it is, optimised: what users run. */
export function runUntouched(settings: RunSettings): Promise<Run> {
  const { subject } = settings;
  const outputs = [...subject.match.values.values()].filter((name) => subject.outputs.includes(name));
  return run(settings, subject.model, [...new Set(outputs)], 'all');
}

async function run(
  { subject, input, device, batch = input.shape[0], repeat = 1 }: RunSettings,
  model: Uint8Array,
  names: readonly string[],
  level: Level | false,
): Promise<Run> {
  const optimise = level === 'all' ? true : level;
  await using session = await openSession(model, device, { optimise, profile: true });
  const once = async (): Promise<Map<string, Tensor>> => {
    const parts = new Map<string, Tensor[]>(names.map((name) => [name, []]));
    for (const images of batches(input, batch)) {
      const results = await session.run(new Map([[subject.input, images]]), names);
      for (const [name, value] of results) parts.get(name)?.push(floats(value, name));
    }
    const joined = new Map([...parts].map(([name, tensors]) => [name, join(tensors)]));
    return byLayer(subject, joined.set(subject.input, input));
  };
  const values = await once();
  const unstable = new Set<string>();
  for (let i = 1; i < repeat; i++) {
    for (const [layer, again] of await once()) if (!sameBits(values.get(layer), again)) unstable.add(layer);
  }
  return { values, placement: await session.placement(), unstable: [...unstable] };
}

function byLayer(subject: Subject, values: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  const result = new Map<string, Tensor>();
  for (const [layer, name] of subject.match.values) {
    const value = values.get(name);
    if (value) result.set(layer, value);
  }
  return result;
}

/** Whether two tensors are the same memory, NaN's bits included. */
export function sameBits(a: Tensor | undefined, b: Tensor | undefined): boolean {
  if (!a || !b || a.shape.join() !== b.shape.join()) return false;
  const bytes = (t: Tensor) => {
    const { buffer, byteOffset, byteLength } = dense(t);
    return Buffer.from(buffer, byteOffset, byteLength);
  };
  return bytes(a).equals(bytes(b));
}

/** The images of x, `batch` at a time. */
function* batches(x: Tensor, batch: number): Generator<Tensor> {
  const [N, ...rest] = x.shape;
  const size = dense(x).length / N;
  for (let n = 0; n < N; n += batch) {
    const count = Math.min(batch, N - n);
    yield tensor(dense(x).subarray(n * size, (n + count) * size), [count, ...rest]);
  }
}

/** Tensors one after the other along the batch axis. */
function join(tensors: readonly Tensor[]): Tensor {
  if (tensors.length === 1) return tensors[0];
  const batch = tensors.reduce((sum, t) => sum + t.shape[0], 0);
  const [, ...rest] = tensors[0].shape;
  const data = new Float32Array(tensors.reduce((sum, t) => sum + dense(t).length, 0));
  let at = 0;
  for (const t of tensors) {
    data.set(dense(t), at);
    at += dense(t).length;
  }
  return tensor(data, [batch, ...rest]);
}

/** float16 values widened, which is exact. */
function floats(value: SessionValue, name: string): Tensor {
  if (isTensor(value)) return cast(value, 'float32');
  if (value.dtype === 'float16') return tensor(fromFloat16(value.data as Uint16Array), value.shape);
  throw new InputError(`the model's value '${name}' is ${value.dtype}, not a float`);
}
