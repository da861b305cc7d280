/**
 * A model whose state stays in the GPU's memory between runs: outputs NAME.next are the next run's inputs NAME. WebGPU
 * alone keeps outputs there (preferredOutputLocation: 'gpu-buffer'; onnxruntime-node ignores it on other devices).
 *
 * What comes back to the CPU goes through a second model that multiplies by 1: asking such a tensor for its
 * data ends the process (onnxruntime-node 1.30).
 */
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { GraphBuilder } from '../../export/graph.ts';
import { joined, producer } from '../../export/index.ts';
import { type ModelFile, modelFile } from '../../export/write.ts';
import type { Tensor } from '../../reference/tensor.ts';
import { guarded, inTurn, loadOnnxruntime, type Onnxruntime } from './onnxruntime.ts';
import { asTensor, fromOrt, type SessionValue, toOrt } from './values.ts';

interface Resident {
  /** One run; returns the outputs that are no state. */
  run(feeds: ReadonlyMap<string, SessionValue>): Promise<Map<string, SessionValue>>;
  /** The state, copied to the CPU. */
  state(): Promise<Map<string, Tensor>>;
  release(): Promise<void>;
}

/**
 * `state`: the first values of the inputs that are kept; those without an output NAME.next stay as they are.
 * Rejects with InputError if the model cannot be used, with EnvironmentError if the device cannot.
 */
export async function openResident(
  file: ModelFile,
  device: 'webgpu',
  state: ReadonlyMap<string, Tensor>,
): Promise<Resident> {
  const ort = await loadOnnxruntime();
  const outputs = file.model.graph!.output.map(({ name }) => name);
  const moving = [...state.keys()].filter((name) => outputs.includes(next(name)));
  const kept = new Set(moving.map(next));
  const location = Object.fromEntries(
    outputs.map((name) => [name, kept.has(name) ? 'gpu-buffer' : 'cpu'] as const),
  );
  const session = await guarded(device, WHAT, () => create(ort, joined(file.chunks()), device, location));
  const copier = await guarded(device, WHAT, () => create(ort, copierOf(state, moving), device));
  const held = new Map([...state].map(([name, value]) => [name, toOrt(ort, value)]));
  const copy = async (): Promise<Record<string, OrtTensor>> => {
    const given = Object.fromEntries(moving.map((name, i) => [`x${i}`, held.get(name)!]));
    return (await guarded(device, WHAT, () => copier.run(given))) as Record<string, OrtTensor>;
  };

  return {
    async run(feeds) {
      const given: Record<string, OrtTensor> = Object.fromEntries(held);
      for (const [name, value] of feeds) given[name] = toOrt(ort, value);
      const results = (await guarded(device, WHAT, () => session.run(given))) as Record<string, OrtTensor>;
      for (const name of moving) {
        held.get(name)?.dispose();
        held.set(name, results[next(name)]);
      }
      const others = outputs.filter((name) => !kept.has(name));
      return new Map(others.map((name) => [name, fromOrt(results[name], name)]));
    },
    async state() {
      const copies = await copy();
      const found = new Map(state);
      for (const [i, name] of moving.entries()) {
        found.set(name, asTensor(fromOrt(copies[`y${i}`], name), name));
      }
      return found;
    },
    async release() {
      for (const value of held.values()) value.dispose();
      held.clear();
      for (const one of [copier, session]) await inTurn(device, () => one.release());
    },
  };
}

const WHAT = 'the training step: onnxruntime cannot run it';

const next = (name: string): string => `${name}.next`;

const create = (
  ort: Onnxruntime,
  model: Uint8Array,
  device: 'webgpu',
  location?: Record<string, 'gpu-buffer' | 'cpu'>,
): Promise<InferenceSession> =>
  ort.InferenceSession.create(model, {
    executionProviders: [device],
    graphOptimizationLevel: 'all',
    logSeverityLevel: 4,
    ...(location ? { preferredOutputLocation: location } : {}),
  });

/** y = 1·x for each of the values: its outputs lie in the CPU's memory. */
function copierOf(state: ReadonlyMap<string, Tensor>, names: readonly string[]): Uint8Array {
  const g = new GraphBuilder({ precision: 'float32', batch: 1, lrn: 'decomposed' });
  const one = g.scalar('one', 1);
  for (const [i, name] of names.entries()) {
    g.output(g.node('Mul', [g.input(`x${i}`, state.get(name)!.shape), one], `y${i}`));
  }
  const model = {
    irVersion: 8,
    opsetImport: [{ domain: '', version: 18 }],
    producerName: producer.name,
    producerVersion: producer.version,
    docString: 'copies values out of the device',
    graph: g.build('copy', 'y = 1·x'),
    metadataProps: [],
    functions: [],
  };
  return joined(modelFile(model).chunks());
}
