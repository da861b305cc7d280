/**
 * The parts of the GPU check (bench/gpu-check.ts): each runs in a process of its own and returns what it saw. They need
 * the device alone, except for `peer` and `step`, which compare with PyTorch on the same card.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { dataTypes } from '../../export/dtypes.ts';
import { intermediates, joined, type ModelFile, tap } from '../../export/index.ts';
import { modelFile } from '../../export/write.ts';
import { fromTensor, type NumericValue } from '../../lib/array/value.ts';
import { operations } from '../../lib/fast/index.ts';
import { doctor, verify } from '../../lib/index.ts';
import { modelOf } from '../../lib/networks/modelfile.ts';
import { type Device, openSession, type Session } from '../../lib/runtime/session.ts';
import { asTensor, type SessionValue } from '../../lib/runtime/values.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { forward } from '../../reference/oracle.ts';
import { streamOf, words } from '../../reference/random.ts';
import { dense, sizeOf, type Tensor, tensor } from '../../reference/tensor.ts';
import { initialise } from '../../reference/training/init.ts';
import { writeNpz } from '../../spec/support/tensor-bytes.ts';
import { median } from '../statistics.ts';

/** What a part is asked; each uses what concerns it. */
export interface Question {
  readonly part: keyof typeof parts;
  readonly network?: string;
  readonly device?: Device;
  readonly precision?: 'float32' | 'float16';
  readonly input?: 'float32' | 'uint8';
  readonly graph?: 'gradients' | 'training';
  readonly batches?: readonly number[];
  readonly seconds?: number;
  /** TF32 stays on; the process gets NVIDIA_TF32_OVERRIDE=0 else. */
  readonly tf32?: boolean;
  readonly python?: string;
}

export interface Found {
  /** Whether it is what it should be; null for what is only measured. */
  readonly ok: boolean | null;
  /** One line for the table. */
  readonly says: string;
  readonly figures?: unknown;
}

type Part = (question: Question) => Promise<Found>;

/** The devices that work, and the commands for what is missing. */
const diagnosis: Part = async () => {
  const found = await doctor();
  const states = found.devices.map(({ device, works, reason }) => `${device}: ${works ? 'works' : reason}`);
  return { ok: null, says: states.join('; '), figures: found };
};

/** Every layer of a network at full size, or every gradient or step of training, within its bound. */
const right: Part = async ({ network, device, precision, graph, batches }) => {
  const folder = mkdtempSync(join(tmpdir(), 'alexnet-gpu-'));
  try {
    const model = join(folder, 'm.onnx');
    if (precision === 'float16') {
      const net = networkNamed(network!);
      const options = {
        source: 'seed 0',
        precision,
        lrn: device === 'webgpu' ? 'decomposed' : 'native',
      } as const;
      writeFileSync(model, joined(modelOf(net, initialise(net, 0, 'kaiming'), options).chunks()));
    }
    const found = await verify({
      network,
      device,
      ...(precision === 'float16' ? { model } : {}),
      ...(graph ? { graph, batch: batches?.[0] } : {}),
      ...(graph === 'training' ? { steps: 2 } : {}),
    });
    const compared = found.layers.flatMap(({ introduced }) => introduced ?? []);
    const over = Math.max(...compared.map(({ overBound }) => overBound));
    const bits = Math.min(...compared.map(({ bits }) => bits ?? Number.POSITIVE_INFINITY));
    const wider = found.layers.filter(({ introduced }) => introduced?.named).map(({ layer }) => layer);
    const transform = wider.length > 0 ? `; by a transform's bound: ${wider.join(' ')}` : '';
    const runs = found.runs.map(({ verdict }) => verdict).join(' ');
    const failed = found.first ? `, first ${found.first}: ${whyOf(found.layers, found.first)}` : '';
    return {
      ok: found.verdict === 'pass' || (found.verdict === 'suspicious' && wider.length > 0),
      says: `${found.verdict}${failed}; ${bits.toFixed(1)} bits, error/bound ${over.toPrecision(2)}; ${found.placement}; runs: ${runs}${transform}`,
      figures: { verdict: found.verdict, bits, over, wider, placement: found.placement, first: found.first },
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

const whyOf = (layers: readonly { layer: string; reason: string }[], first: string): string =>
  layers.find(({ layer }) => layer === first)?.reason ?? '';

/** With TF32 left on, every convolution and fully connected layer must be told from float32. */
const tf32: Part = async ({ network, device }) => {
  const { layers, verdict } = await verify({ network, device, require: 'float32' });
  const products = layers.filter(({ kind }) => kind === 'conv2d' || kind === 'linear');
  const told = products.filter(({ verdict }) => verdict === 'fail');
  const bits = products.map(({ layer, introduced }) => `${layer} ${introduced?.bits?.toFixed(1)}`);
  return {
    ok: told.length === products.length && verdict === 'fail',
    says: `${told.length} of ${products.length} convolutions and fully connected layers told from float32: ${bits.join(', ')} bits`,
  };
};

/** A file whose norm1 has another k must fail, in norm1. */
const planted: Part = async ({ network, device }) => {
  const net = networkNamed(network!);
  const layers = net.layers.map((layer) =>
    layer.name === 'norm1' && layer.kind === 'lrn'
      ? { ...layer, attributes: { ...layer.attributes, k: layer.attributes.k + 0.01 } }
      : layer,
  );
  const folder = mkdtempSync(join(tmpdir(), 'alexnet-gpu-'));
  try {
    const model = join(folder, 'm.onnx');
    const weights = initialise(net, 0, 'kaiming');
    const lrn = device === 'webgpu' ? 'decomposed' : 'native';
    writeFileSync(model, joined(modelOf({ ...net, layers }, weights, { source: 'seed 0', lrn }).chunks()));
    const { verdict, first, layers: rows } = await verify({ model, network, device });
    return {
      ok: verdict === 'fail' && first === 'norm1',
      says: `k + 0.01 in norm1: ${verdict}, first ${first}: ${whyOf(rows, first ?? '')}`,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

/** Which layers keep their bits between runs, sessions, batch sizes and places in the batch. */
const determinism: Part = async ({ network, device }) => {
  const net = networkNamed(network!);
  const file = modelOf(net, initialise(net, 0, 'kaiming'), {
    source: 'seed 0',
    lrn: device === 'webgpu' ? 'decomposed' : 'native',
    passing: true,
  });
  const names = net.layers.map(({ name }) => name);
  const bytes = joined(file.chunks());
  const inner = new Set(intermediates(file.model.graph!));
  const tapped = tap(
    bytes,
    names.filter((name) => inner.has(name)),
  );
  const images = pixels(net, 4);
  const first = new Map<string, Float32Array>();
  const compare = async (session: Session, x: Tensor, place: number, what: string): Promise<string> => {
    const results = await session.run(
      new Map([['input', x as unknown as SessionValue]]),
      names.filter((n) => inner.has(n)),
    );
    const moved: string[] = [];
    for (const [name, value] of results) {
      const y = asTensor(value, name);
      const size = sizeOf(y.shape) / y.shape[0];
      const own = Float32Array.from(dense(y).subarray(place * size, (place + 1) * size));
      const before = first.get(name);
      if (!before) first.set(name, own);
      else {
        const far = furthest(before, own);
        if (far > 0) moved.push(`${name} ${far} ULP`);
      }
    }
    return `${what}: ${moved.length === 0 ? 'all bits the same' : moved.join(', ')}`;
  };
  const lines: string[] = [];
  {
    await using session = await openSession(tapped, device!);
    await compare(session, images, 0, 'first');
    lines.push(await compare(session, images, 0, 'same session'));
    lines.push(await compare(session, rolled(images, 2), 2, 'another place in the batch'));
    lines.push(await compare(session, repeated(images, 16), 0, 'batch 16'));
    lines.push(await compare(session, one(images), 0, 'batch 1'));
  }
  await using other = await openSession(tapped, device!);
  lines.push(await compare(other, images, 0, 'another session'));
  return { ok: null, says: lines.join('; ') };
};

/** Images per second from host memory and back, after the outputs agree with the oracle's. */
const speed: Part = async ({ network, device, batches = [1], seconds = 2, ...how }) => {
  const net = networkNamed(network!);
  const engine = await ours(net, device!, how);
  const rows: { batch: number; ms: number; imagesPerSecond: number }[] = [];
  for (const batch of batches) {
    const ms: number[] = [];
    const begin = performance.now();
    while (ms.length < 5 || performance.now() - begin < seconds * 1000) ms.push(await engine.run(batch));
    const middle = median(ms.slice(2));
    rows.push({ batch, ms: middle, imagesPerSecond: (1000 * batch) / middle });
  }
  await engine.close();
  const says = rows.map(
    ({ batch, imagesPerSecond }) => `batch ${batch}: ${imagesPerSecond.toFixed(0)} images/s`,
  );
  return { ok: null, says: says.join(', '), figures: rows };
};

/** The same images through ours and PyTorch in turns, each from host memory and back. */
const peer: Part = async ({ network, device, batches = [128], seconds = 2, python = 'python3', ...how }) => {
  const net = networkNamed(network!);
  const engine = await ours(net, device!, how);
  const torch = await pytorch(net, device === 'cuda' ? 'cuda' : 'cpu', python, how.tf32 ?? false, batches[0]);
  const ratios: number[] = [];
  const times: [number[], number[]] = [[], []];
  await engine.run(batches[0]);
  const begin = performance.now();
  while (ratios.length < 5 || performance.now() - begin < seconds * 1000) {
    const mine = await engine.run(batches[0]);
    const theirs = await torch.run();
    times[0].push(mine);
    times[1].push(theirs);
    ratios.push(theirs / mine);
  }
  await engine.close();
  torch.close();
  const rate = (ms: number[]) => (1000 * batches[0]) / median(ms);
  const ratio = median(ratios);
  const figures = {
    batch: batches[0],
    ours: rate(times[0]),
    pytorch: rate(times[1]),
    ratio,
    torch: torch.name,
  };
  return {
    ok: ratio >= 0.9,
    says: `batch ${batches[0]}: ${figures.ours.toFixed(0)} images/s, ${torch.name} ${figures.pytorch.toFixed(0)}: ratio ${ratio.toFixed(2)} (wanted: 0.9)`,
    figures,
  };
};

/** A training step beside PyTorch's (bench/step.ts). */
const step: Part = async ({ network, device, batches = [128], python = 'python3', tf32: keep }) => {
  const folder = mkdtempSync(join(tmpdir(), 'alexnet-gpu-'));
  const json = join(folder, 'step.json');
  const script = fileURLToPath(new URL(`../step${extname(import.meta.url)}`, import.meta.url));
  const args = ['--network', network!, '--device', device!, '--peer', device!, '--python', python];
  const more = ['--batch', `${batches[0]}`, '--rounds', '5', '--json', json, ...(keep ? ['--tf32'] : [])];
  try {
    const { status, stderr } = spawnSync(process.execPath, [...process.execArgv, script, ...args, ...more], {
      encoding: 'utf8',
    });
    if (status !== 0) return { ok: false, says: `exit ${status}: ${stderr.trim().split('\n').at(-1)}` };
    const { rows, ratio, difference } = JSON.parse(readFileSync(json, 'utf8'));
    const says = rows.map((row: { engine: string; medianMs: number }) => `${row.engine} ${row.medianMs} ms`);
    return {
      ok: ratio <= 1.5,
      says: `${says.join(', ')}: ratio ${ratio} (wanted: 1.5)`,
      figures: { rows, ratio, difference },
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

export const parts = { diagnosis, right, tf32, planted, determinism, speed, peer, step };

// ---- Engines

type How = Pick<Question, 'precision' | 'input' | 'tf32'>;

/** The network in a session; a run checks the first image's output against the oracle's, then times. */
async function ours(net: Network, device: Device, { precision = 'float32', input = 'float32', tf32 }: How) {
  const weights = initialise(net, 0, 'kaiming');
  const lrn = device === 'webgpu' ? 'decomposed' : 'native';
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
async function pytorch(net: Network, device: string, python: string, keepTf32: boolean, batch: number) {
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

const one = (x: Tensor): Tensor =>
  tensor(dense(x).slice(0, dense(x).length / x.shape[0]), [1, ...x.shape.slice(1)]);

/** Image n at place n + by. */
function rolled(x: Tensor, by: number): Tensor {
  const size = dense(x).length / x.shape[0];
  const data = new Float32Array(dense(x).length);
  for (let n = 0; n < x.shape[0]; n++)
    data.set(dense(x).subarray(n * size, (n + 1) * size), ((n + by) % x.shape[0]) * size);
  return tensor(data, x.shape);
}

/** Largest distance in units in the last place: float32 patterns in order. */
function furthest(a: Float32Array, b: Float32Array): number {
  const ordered = (values: Float32Array) =>
    new Int32Array(values.slice().buffer).map((bits) => (bits < 0 ? -2147483648 - bits : bits));
  const x = ordered(a);
  const y = ordered(b);
  let far = 0;
  for (let i = 0; i < x.length; i++) far = Math.max(far, Math.abs(x[i] - y[i]));
  return far;
}
