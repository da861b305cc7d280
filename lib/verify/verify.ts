/** verify: runs a network on a device with every value tapped, and compares each layer with the oracle. */
import { fromFloat16 } from '../../export/float16.ts';
import { tap } from '../../export/index.ts';
import type { Layer } from '../../reference/networks/layers.ts';
import { forward } from '../../reference/oracle.ts';
import { cast, dense, type Precision, type Shape, type Tensor, tensor } from '../../reference/tensor.ts';
import { InputError } from '../errors.ts';
import type { Device } from '../runtime/failures.ts';
import { assertPlacement, describePlacement, layerDevices, type Placement } from '../runtime/placement.ts';
import { openSession } from '../runtime/session.ts';
import { isTensor, type Value } from '../runtime/values.ts';
import { classes, type Requirement } from './arithmetic.ts';
import type { Context } from './bounds.ts';
import type { Verdict } from './compare.ts';
import type { Subject } from './subject.ts';
import { type LayerReport, termsOf, walk } from './walk.ts';

export interface VerifySettings {
  readonly subject: Subject;
  /** (N,C,H,W). */
  readonly input: Tensor;
  readonly device: Device;
  /** Images a run; default: all at once. */
  readonly batch?: number;
  /** Arithmetic that every convolution and fully connected layer must have; default float32, float16 for a float16 file. */
  readonly require?: Requirement;
  /** Storage of the oracle's own chain; default float32. */
  readonly precision?: Precision;
  /** Throw EnvironmentError where a layer ran elsewhere. */
  readonly strictDevice?: boolean;
}

export interface LayerRow extends LayerReport {
  /** Devices that ran this layer's nodes: CPU, CUDA, WebGPU. */
  readonly devices: readonly string[];
}

export interface Verification {
  readonly network: string;
  readonly input: Shape;
  readonly device: Device;
  /** `norm1 norm2 on CPU, 22 of 24 on WebGPU`. */
  readonly placement: string;
  readonly required: Requirement;
  readonly layers: readonly LayerRow[];
  readonly verdict: Verdict;
  /** First layer that failed. */
  readonly first: string | null;
  /** The device's and the oracle's values by layer, with the input as 'input'. */
  readonly values: {
    readonly device: ReadonlyMap<string, Tensor>;
    readonly oracle: ReadonlyMap<string, Tensor>;
  };
}

/** Throws InputError for an input that is no number, EnvironmentError for a device that does not work. */
export async function verifySubject(settings: VerifySettings): Promise<Verification> {
  const { subject, input, device } = settings;
  const { network, weights, match } = subject;
  mustBeFinite('the input', input);
  for (const [name, t] of weights) mustBeFinite(name, t);
  const required = settings.require ?? (subject.half ? 'float16' : 'float32');
  const { values: onDevice, placement } = await runTapped(settings);
  const chain = new Map<string, Tensor>([['input', input]]);
  const precision = settings.precision ?? 'float32';
  forward(network, weights, input, { precision, trace: (layer, y) => chain.set(layer.name, y) });
  const context = (layer: Layer): Context => ({
    device,
    operands: classes[required],
    half: subject.half,
    // WebGPU has no LRN kernel and leaves it to the CPU's
    runningSum: device !== 'cuda' && match.nativeLrn.has(layer.name),
    terms: termsOf,
  });
  const reports = walk({
    network,
    weights,
    device: (name) => onDevice.get(name),
    oracle: (name) => chain.get(name)!,
    faults: match.faults,
    context,
  });
  const names = network.layers.map((layer) => layer.name);
  if (settings.strictDevice) assertPlacement(placement, device, names);
  const ran = layerDevices(placement, names);
  const layers = reports.map((report) => ({ ...report, devices: ran.get(report.layer) ?? [] }));
  const first = layers.find((layer) => layer.verdict === 'fail')?.layer ?? null;
  return {
    network: network.name,
    input: input.shape,
    device,
    placement: describePlacement(placement, device, names),
    required,
    layers,
    verdict: overall(layers),
    first,
    values: { device: onDevice, oracle: chain },
  };
}

/** fail if any layer does; else untested if the output is, as then nothing was shown; else suspicious if any is. */
function overall(layers: readonly LayerReport[]): Verdict {
  if (layers.some(({ verdict }) => verdict === 'fail')) return 'fail';
  if (layers.at(-1)?.verdict === 'untested') return 'untested';
  return layers.some(({ verdict }) => verdict === 'suspicious') ? 'suspicious' : 'pass';
}

/** Every layer's value on the device, optimisation off so that each layer has its own node. */
async function runTapped(
  settings: VerifySettings,
): Promise<{ values: Map<string, Tensor>; placement: Placement }> {
  const { subject, input, device, batch = input.shape[0] } = settings;
  const names = [...new Set(subject.match.values.values())].filter((name) => name !== subject.input);
  await using session = await openSession(tap(subject.model, names), device, {
    optimise: false,
    profile: true,
  });
  const parts = new Map<string, Tensor[]>(names.map((name) => [name, []]));
  for (const images of batches(input, batch)) {
    const results = await session.run(new Map([[subject.input, images]]), names);
    for (const [name, value] of results) parts.get(name)?.push(floats(value, name));
  }
  const tapped = new Map<string, Tensor>([[subject.input, input]]);
  for (const [name, tensors] of parts) tapped.set(name, join(tensors));
  const values = new Map<string, Tensor>();
  for (const [layer, name] of subject.match.values) values.set(layer, tapped.get(name)!);
  return { values, placement: await session.placement() };
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
function floats(value: Value, name: string): Tensor {
  if (isTensor(value)) return cast(value, 'float32');
  if (value.dtype === 'float16') return tensor(fromFloat16(value.data), value.shape);
  throw new InputError(`the model's value '${name}' is ${value.dtype}, not a float`);
}

function mustBeFinite(name: string, t: Tensor): void {
  const values = dense(t);
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i]))
      throw new InputError(`${name} holds ${values[i]} at position ${i}: nothing can be verified`);
  }
}
