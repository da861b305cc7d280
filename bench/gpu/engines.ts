/** The engines that the GPU check times, ours and PyTorch, each held against the oracle first, and their images. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { dataTypes } from '../../export/dtypes.ts';
import { joined, type ModelFile } from '../../export/index.ts';
import { modelFile } from '../../export/write.ts';
import { fromTensor, type NumericValue } from '../../lib/array/value.ts';
import { operations } from '../../lib/fast/index.ts';
import { modelOf } from '../../lib/networks/modelfile.ts';
import { type Device, lrnOf, openSession } from '../../lib/runtime/session.ts';
import { asTensor, type SessionValue } from '../../lib/runtime/values.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { forward } from '../../reference/oracle.ts';
import { streamOf, words } from '../../reference/random.ts';
import { dense, sizeOf, type Tensor, tensor } from '../../reference/tensor.ts';
import { initialise } from '../../reference/training/init.ts';
import { writeNpz } from '../../spec/support/tensor-bytes.ts';
import type { Question } from './parts.ts';

type How = Pick<Question, 'precision' | 'input' | 'tf32'>;

/** The network in a session; a run checks the first image's output against the oracle's, then times. */
export async function ours(
  net: Network,
  device: Device,
  { precision = 'float32', input = 'float32', tf32 }: How,
) {
  const weights = initialise(net, 0, 'kaiming');
  const lrn = lrnOf(device);
  const file = modelOf(net, weights, { source: 'seed 0', precision, lrn, passing: true });
  const session = await openSession(joined((input === 'uint8' ? takingBytes(file) : file).chunks()), device);
  const image = pixels(net, 1);
  const expected = dense(forward(net, weights, image, { operations }));
  const fed = new Map<number, SessionValue>();
  const feedOf = (batch: number): SessionValue => {
    const x = repeated(image, batch);
    const value = input === 'uint8' ? { dtype: 'uint8', shape: x.shape, data: Uint8Array.from(dense(x)) } : x;
    return value as unknown as SessionValue;
  };
  return {
    async run(batch: number): Promise<number> {
      const known = fed.get(batch);
      const x = known ?? feedOf(batch);
      fed.set(batch, x);
      const start = performance.now();
      const results = await session.run(new Map([['input', x]]));
      const passed = performance.now() - start;
      const [[name, y]] = results;
      if (!known)
        mustAgree(dense(asTensor(y, name)), expected, precision === 'float16' || tf32 ? 2 ** -5 : 2 ** -10);
      return passed;
    },
    close: () => session.release(),
  };
}

/** The model with uint8 pixels as its input, cast to float32 on the device. */
function takingBytes({ model }: ModelFile): ModelFile {
  const graph = model.graph!;
  const [input] = graph.input;
  const pixelsIn = {
    ...input,
    type: { tensorType: { ...input.type!.tensorType!, elemType: dataTypes.uint8 } },
  };
  const cast = {
    name: 'pixels/cast',
    opType: 'Cast',
    domain: '',
    docString: '',
    input: ['input'],
    output: ['input/float32'],
    attribute: [
      {
        name: 'to',
        type: 2,
        i: dataTypes.float32,
        ints: [],
        floats: [],
        strings: [],
        tensors: [],
        graphs: [],
      },
    ],
  } as unknown as (typeof graph.node)[number];
  const node = graph.node.map((n) => ({
    ...n,
    input: n.input.map((name) => (name === 'input' ? 'input/float32' : name)),
  }));
  return modelFile({ ...model, graph: { ...graph, input: [pixelsIn], node: [cast, ...node] } });
}

/** PyTorch's forward pass (bench/engines/torchforward.py), whose output must agree with the oracle's first. */
export async function pytorch(
  net: Network,
  device: string,
  python: string,
  keepTf32: boolean,
  batch: number,
) {
  const folder = mkdtempSync(join(tmpdir(), 'alexnet-torch-'));
  const weights = initialise(net, 0, 'kaiming');
  const image = pixels(net, 1);
  const arrays: [string, NumericValue][] = [...weights].map(([name, t]) => [name, fromTensor(t)]);
  arrays.push(['image', fromTensor(image)]);
  writeFileSync(join(folder, 'network.json'), JSON.stringify({ layers: net.layers }));
  writeFileSync(join(folder, 'data.npz'), writeNpz(arrays));
  const script = fileURLToPath(new URL('../engines/torchforward.py', import.meta.url));
  const argv = [script, folder, device, `${batch}`, keepTf32 ? 'tf32' : 'float32'];
  const child = spawn(python, argv, { stdio: ['pipe', 'pipe', 'inherit'] });
  const gone = new Promise<never>((_, reject) => {
    child.on('error', reject).on('exit', (code) => reject(new Error(`PyTorch ended with ${code}`)));
  });
  gone.catch(() => {});
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const answer = async () => JSON.parse((await Promise.race([lines.next(), gone])).value);
  const { name, y } = await answer();
  rmSync(folder, { recursive: true });
  const expected = dense(forward(net, weights, image, { operations }));
  mustAgree(Float32Array.from(y), expected, keepTf32 ? 2 ** -5 : 2 ** -10);
  return {
    name: name as string,
    async run(): Promise<number> {
      child.stdin!.write('\n');
      return 1000 * (await answer()).seconds;
    },
    close: () => void child.kill(),
  };
}

/**
 * Throws unless every image's output is the oracle's, as a vector. 2⁻¹⁰ and 2⁻⁵: a batch that is mixed up or a layer
 * that is wrong moves it by its whole length; rounding is judged by `right`, layer by layer.
 */
function mustAgree(got: ArrayLike<number>, expected: ArrayLike<number>, limit: number): void {
  for (let n = 0; n * expected.length < got.length; n++) {
    let error = 0;
    let norm = 0;
    for (let k = 0; k < expected.length; k++) {
      error += (got[n * expected.length + k] - expected[k]) ** 2;
      norm += expected[k] ** 2;
    }
    const apart = Math.sqrt(error / norm);
    if (!(apart <= limit)) throw new Error(`image ${n} differs from the oracle by ${apart.toPrecision(2)}`);
  }
}

// ---- Images

/** Whole numbers from 0 to 255, so that float32 and uint8 inputs are the same. */
function pixels({ input }: Network, batch: number): Tensor {
  const drawn = words(0, streamOf('bench.gpu.pixels'), batch * sizeOf(input));
  return tensor(
    Float32Array.from(drawn, (word) => word >>> 24),
    [batch, ...input],
  );
}

function repeated(x: Tensor, batch: number): Tensor {
  const size = dense(x).length;
  const data = new Float32Array(batch * (size / x.shape[0]));
  for (let at = 0; at < data.length; at += size)
    data.set(dense(x).subarray(0, Math.min(size, data.length - at)), at);
  return tensor(data, [batch, ...x.shape.slice(1)]);
}
