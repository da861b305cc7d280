/**
 * A bug report in a folder: the smallest graph that shows the fault (one layer's nodes), its inputs, what
 * should come of it, what the device made of it, the versions, and a program that repeats it with
 * onnxruntime-node alone.
 */
import { readFile } from 'node:fs/promises';
import { arch, cpus, platform, release } from 'node:os';
import { basename, join } from 'node:path';
import { encodeModel, type GraphProto, type ModelProto, type NodeProto } from '../../export/proto.ts';
import { type Tensor, tensor } from '../../reference/tensor.ts';
import { isFloat } from '../array/dtype.ts';
import { fromTensor, type NumericValue, toTensor, type Value } from '../array/value.ts';
import { type Guard, makeFolder, type Target } from '../disk/target.ts';
import { writeTogether } from '../disk/write.ts';
import { writeNpy } from '../format/npy.ts';
import { installation } from '../runtime/installation.ts';
import { version } from '../version.ts';

/** The layer that failed, as the device met it. */
export interface Evidence {
  readonly layer: string;
  readonly device: string;
  /** Null where the values were computed elsewhere: they cannot be computed again here. */
  readonly engine: 'onnxruntime-node' | null;
  readonly model: ModelProto;
  /** The values that the layer reads and what was fed, by their names in the model. */
  readonly inputs: ReadonlyMap<string, Value>;
  /** Name of the layer's value in the model. */
  readonly output: string;
  /** What the device computed, ŷ in float64, and the bound of each element. */
  readonly y: Tensor;
  readonly exact: Tensor;
  readonly bound: Float64Array;
}

const ABOUT = 'bundle.json';
/** The files of every bundle; inputs come to them. */
const fixed = ['model.onnx', 'expected.npy', 'bound.npy', 'device.npy', 'repro.mjs', ABOUT];

/**
 * The files of a bundle, those of `inputs` too. Arrays bear no mark, and the model is somebody else's: an earlier
 * bundle is recognised by its bundle.json, which names its files.
 */
export async function bundleTargets(
  folder: string,
  inputs: readonly string[] = [],
): Promise<readonly Target[]> {
  const earlier = await earlierFiles(folder);
  return [...inputs, ...fixed].map((name) => ({
    path: join(folder, name),
    mark: null,
    option: '--bundle',
    own: earlier.includes(name),
  }));
}

async function earlierFiles(folder: string): Promise<readonly string[]> {
  try {
    const { versions, inputs } = JSON.parse(await readFile(join(folder, ABOUT), 'utf8'));
    if (typeof versions['alexnet-oracle'] !== 'string') return [];
    return [...fixed, ...inputs.map(({ file }: { file: unknown }) => file)];
  } catch {
    return [];
  }
}

/** Makes the folder and writes the bundle, the whole or nothing of it. Rejects as `writeTogether` does. */
export async function writeBundle(folder: string, evidence: Evidence, guard: Guard = {}): Promise<void> {
  const { layer, device, engine, inputs, output, y, exact, bound } = evidence;
  const part = partOf(evidence.model, [...inputs.keys()], output);
  const names = part.graph!.input.map(({ name }) => name);
  const about = {
    engine,
    layer,
    device,
    inputs: names.map((name, i) => ({ name, file: `input_${i}.npy` })),
    output,
    versions: {
      'alexnet-oracle': version,
      'onnxruntime-node': installation()?.version ?? null,
      node: process.versions.node,
      system: `${platform()} ${release()} ${arch()}`,
      processor: cpus()[0]?.model ?? null,
    },
  };
  const files = new Map<string, Uint8Array | string>([
    ['model.onnx', encodeModel(part)],
    ...names.map((name, i) => [`input_${i}.npy`, writeNpy(stored(inputs.get(name) as Value))] as const),
    ['expected.npy', writeNpy(fromTensor(exact))],
    ['bound.npy', writeNpy(fromTensor(tensor(bound, exact.shape)))],
    ['device.npy', writeNpy(fromTensor(y))],
    [ABOUT, `${JSON.stringify(about, null, 2)}\n`],
    ['repro.mjs', REPRO],
  ]);
  await makeFolder(folder);
  const targets = await bundleTargets(
    folder,
    about.inputs.map(({ file }) => file),
  );
  const outputs = targets.map((target) => ({ ...target, content: files.get(basename(target.path))! }));
  await writeTogether(outputs, guard);
}

/** Floats as the numbers that they are, everything else as it is. */
const stored = (value: Value): NumericValue =>
  isFloat(value.dtype) ? fromTensor(toTensor(value as NumericValue)) : (value as NumericValue);

/** The part of a model between values and one that they lead to, with the constants and those inputs that it reads. */
export function partOf(model: ModelProto, inputs: readonly string[], output: string): ModelProto {
  const graph = model.graph as GraphProto;
  const producer = new Map(graph.node.flatMap((node) => node.output.map((name) => [name, node] as const)));
  const constants = new Set(graph.initializer.map(({ name }) => name ?? ''));
  const kept = new Set<NodeProto>();
  const read = new Set<string>();
  const queue = [output];
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    read.add(name);
    const node = inputs.includes(name) && !constants.has(name) ? undefined : producer.get(name);
    if (!node || kept.has(node)) continue;
    kept.add(node);
    queue.push(...node.input);
  }
  const described = new Map(
    [...graph.input, ...graph.valueInfo, ...graph.output].map((info) => [info.name, info]),
  );
  const port = (name: string) => described.get(name) ?? { name, type: { tensorType: { elemType: 1 } } };
  return {
    ...model,
    graph: {
      ...graph,
      node: graph.node.filter((node) => kept.has(node)),
      initializer: graph.initializer.filter(({ name }) => read.has(name ?? '')),
      input: inputs.filter((name) => read.has(name) && !constants.has(name)).map(port),
      output: [port(output)],
      valueInfo: [],
    },
  };
}

const REPRO = `// Repeats the fault with onnxruntime-node alone: npm install onnxruntime-node && node repro.mjs
// Of values that another engine computed it repeats the comparison: let that engine run model.onnx in computed().
import { readFileSync } from 'node:fs';

const here = (name) => new URL(name, import.meta.url);
const { engine, layer, device, inputs, output } = JSON.parse(readFileSync(here('bundle.json'), 'utf8'));

const types = {
  f4: ['float32', Float32Array],
  f8: ['float64', Float64Array],
  i4: ['int32', Int32Array],
  i8: ['int64', BigInt64Array],
  u1: ['uint8', Uint8Array],
  b1: ['bool', Uint8Array],
};

/** A .npy file of version 1, row-major. */
function npy(name) {
  const bytes = readFileSync(here(name));
  const start = 10 + bytes.readUInt16LE(8);
  const header = bytes.toString('latin1', 10, start);
  const [type, Type] = types[/'descr': '[<|](..)'/.exec(header)[1]];
  const shape = /'shape': \\(([^)]*)\\)/.exec(header)[1].split(',').filter((s) => s.trim()).map(Number);
  return { type, data: new Type(new Uint8Array(bytes.subarray(start)).buffer), shape };
}

async function computed() {
  if (engine === null) return npy('device.npy').data;
  const ort = await import(engine);
  const feeds = {};
  for (const { name, file } of inputs) {
    const { type, data, shape } = npy(file);
    feeds[name] = new ort.Tensor(type, data, shape);
  }
  const session = await ort.InferenceSession.create(readFileSync(here('model.onnx')), {
    executionProviders: [device],
    graphOptimizationLevel: 'disabled',
  });
  return (await session.run(feeds))[output].data;
}

const data = await computed();
const expected = npy('expected.npy').data;
const bound = npy('bound.npy').data;
let worst = 0;
let at = 0;
let beyond = 0;
for (let i = 0; i < expected.length; i++) {
  const error = Math.abs(data[i] - expected[i]);
  const ratio = error === 0 ? 0 : error / bound[i];
  if (!(ratio <= 1)) beyond++;
  if (!(ratio <= worst)) [worst, at] = [Number.isNaN(ratio) ? Infinity : ratio, i];
}
console.log(\`\${layer} on \${engine === null ? 'another engine' : device}: \${beyond} of \${expected.length} values beyond their bound\`);
console.log(\`worst: value \${at} is \${data[at]}, expected \${expected[at]} within \${bound[at]}\`);
process.exit(beyond > 0 ? 1 : 0);
`;
