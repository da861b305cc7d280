/** What the options of verify do: options.spec.ts reads the titles. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import * as ort from 'onnxruntime-node';
import { writeTensors } from '../../lib/disk/tensors.ts';
import { noise } from '../../lib/networks/input.ts';
import { verify } from '../../lib/verify/index.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import { forward, shapes, type Weights } from '../../reference/oracle.ts';
import { sizeOf, type Tensor } from '../../reference/tensor.ts';
import { step } from '../../reference/training/gradient.ts';
import { initialise } from '../../reference/training/init.ts';
import { zeroMomenta } from '../../reference/training/optimiser.ts';
import { runModule } from '../support/child.ts';
import { commandLines } from '../support/command-lines.ts';
import { narrow, random, randomWeights } from '../support/models.ts';
import { graph, info, modelBytes } from '../support/onnx.ts';
import { needsSwiftshader } from '../support/swiftshader.ts';

const full = networkNamed('cifar10-full');
const small = narrow(full);
const alexnet = narrow(networkNamed('cifar-alexnet'));
const floats = (t: { readonly data: ArrayLike<unknown> }) => Float32Array.from(t.data as ArrayLike<number>);

describe('options of verify', function () {
  this.timeout(120_000);
  const { path, write, text, npz, json, run, refused, heedsDevice } = commandLines();
  const weights = randomWeights(small, 5);
  const verifyNet = (more: string, status?: number) =>
    json(`verify --network cifar10-full --device cpu ${more}`, status);
  before(async () => {
    await writeTensors(path('w.npz'), weights);
    await writeTensors(path('other.npz'), randomWeights(small, 6));
    await writeTensors(path('a.npz'), randomWeights(alexnet, 2));
    await writeTensors(path('t.npz'), randomWeights(narrow(networkNamed('torchvision')), 2));
    await verifyNet('--weights w.npz'); // the CPU is tried once, before a test alters what it computes
    await json('export m.onnx --network cifar10-full --weights other.npz');
  });

  /** The layers' values by the oracle alone. */
  function valuesOf(by: Weights, x: Tensor, precision?: 'float64') {
    const values = new Map<string, Tensor>();
    const trace = ({ name }: { name: string }, y: Tensor) => void values.set(name, y);
    forward(by === weights ? small : full, by, x, { trace, ...(precision && { precision }) });
    return values;
  }

  it('verify --network, --seed, --init, --batch, --save: values of that network, those weights and images', async () => {
    const { network, input } = await verifyNet('--seed 3 --init caffe --batch 2 --save drawn');
    expect([network, input]).to.deep.equal(['cifar10-full', [2, 3, 32, 32]]);
    const x = noise(full, 3, 2);
    const values = valuesOf(initialise(full, 3, 'caffe'), x);
    const [oracle, device] = ['oracle', 'device'].map((side) => npz(`drawn/${side}.npz`));
    expect([...oracle.keys()]).to.deep.equal(['input', ...values.keys()]);
    expect([...device.keys()]).to.deep.equal([...oracle.keys()]);
    expect(floats(oracle.get('input')!)).to.deep.equal(floats(x));
    for (const name of ['norm1', 'ip1'])
      expect(floats(oracle.get(name)!), name).to.deep.equal(floats(values.get(name)!));
  });

  it('verify --weights, --input, --precision: the file’s weights and numbers, the chain in float64', async () => {
    const x = random([1, 3, 32, 32], 8);
    await writeTensors(path('x.npy'), { x });
    await verifyNet('--weights w.npz --input x.npy --precision float64 --save given');
    const oracle = npz('given/oracle.npz');
    expect(floats(oracle.get('input')!)).to.deep.equal(floats(x));
    const last = oracle.get('ip1')!;
    expect(last.dtype).to.equal('float64');
    expect([...last.data]).to.deep.equal([...valuesOf(weights, x, 'float64').get('ip1')!.data]);
  });

  it('verify --values, --names, --layout: what was computed elsewhere, its names and order', async () => {
    const x = random([1, 3, 32, 32], 8);
    await writeTensors(path('fed.npy'), { x });
    const values = new Map(
      [...valuesOf(weights, x)].map(([name, t]) => [name === 'norm1' ? 'LRN' : name, t]),
    );
    await writeTensors(path('dump.npz'), values);
    writeFileSync(path('names.json'), '{"LRN": "norm1"}');
    const line = 'verify --network cifar10-full --weights w.npz --input fed.npy --values dump.npz';
    const { verdict, device, layers } = await json(`${line} --names names.json`);
    expect([verdict, device, layers.length]).to.deep.equal(['pass', 'other', small.layers.length]);
    expect((await json(line)).layers.length).to.equal(small.layers.length - 1);
    expect(await refused(`${line} --layout NHWC`)).to.include('which is not NHWC');
  });

  it('verify --require, --tf32: what fails as float32 passes as TF32', async () => {
    const line = 'verify --network torchvision --weights t.npz --device cpu';
    // its last layer of products as TF32's 11 bits leave it
    const coarse = (y: Float32Array) =>
      y.forEach((v, i) => void (y[i] = v * (1 + (i % 2 ? 1 : -1) * 2 ** -12)));
    const verdict = (more: string, status?: number) => altered(coarse, () => json(`${line}${more}`, status));
    expect(await verdict('', 1)).to.include({ first: 'fc8', required: 'float32' });
    for (const more of [' --require tf32', ' --tf32'])
      expect(await verdict(more)).to.include({ verdict: 'pass', required: 'tf32' });
  });

  it('verify --bundle, --report-json, --junit, --sarif, --html: each tells of the layer that failed', async () => {
    const files = '--report-json r.json --junit r.xml --sarif r.sarif --html r.html';
    await verifyNet(`m.onnx --weights w.npz --bundle b ${files}`, 1);
    expect(JSON.parse(text('b/bundle.json')).layer).to.equal('conv1');
    expect(JSON.parse(text('r.json')).first).to.equal('conv1');
    expect(text('r.xml')).to.match(/name="conv1">\s*<failure/);
    expect(JSON.parse(text('r.sarif')).runs[0].results[0].ruleId).to.equal('beyond-bound');
    expect(text('r.html')).to.match(/^<!doctype html>[\s\S]*conv1/);
  });

  it('verify --lrn: the decomposed form rounds otherwise', async () => {
    const line = 'verify --network cifar-alexnet --weights a.npz --device cpu';
    for (const form of ['native', 'decomposed']) await json(`${line} --lrn ${form} --save ${form}`);
    const [native, decomposed] = ['native', 'decomposed'].map((form) => npz(`${form}/device.npz`));
    expect(floats(decomposed.get('pool1')!)).to.deep.equal(floats(native.get('pool1')!));
    expect(floats(decomposed.get('norm1')!)).not.to.deep.equal(floats(native.get('norm1')!));
  });

  it('verify --plain: the chain comes from the plain loops', async () => {
    const loops = (more: string) =>
      callsOf('reference/ops/conv2d', 'inside', () => verifyNet(`--weights w.npz${more}`));
    expect(await loops('')).to.equal(0);
    expect(await loops(' --plain')).to.be.above(0);
  });

  it('verify --device: where it ran', async () => {
    expect(await heedsDevice('verify --network cifar10-full --weights w.npz')).to.equal(true);
  });

  it('verify --repeat: of a network and of its gradients, the value that differs from run to run is named', async () => {
    const flip = (y: Float32Array, run: number) =>
      void (new Uint32Array(y.buffer, y.byteOffset)[0] ^= run % 2);
    for (const [line, name] of [
      ['--weights w.npz', 'prob'],
      ['--weights w.npz --graph gradients', 'loss'],
    ]) {
      const shaken = await altered(flip, () => verifyNet(`${line} --repeat 2`));
      expect([shaken.runs[0].verdict, shaken.runs[0].unstable]).to.deep.equal(['suspicious', [name]]);
      const once = await altered(flip, () => verifyNet(line));
      expect(once.runs[0].unstable).to.deep.equal([]);
    }
    const steady = await verifyNet('--weights w.npz --repeat 3');
    expect(steady.runs.flatMap((one: { unstable: string[] }) => one.unstable)).to.deep.equal([]);
  });

  it('verify --repeat: of a graph', async () => {
    const drawn = { op: 'RandomUniform', inputs: [], outputs: ['y'], attributes: { shape: [4] } };
    write('drawn.onnx', modelBytes(graph([drawn], [], [info('y', 'float32', [4])])));
    const { runs } = await json('verify drawn.onnx --device cpu --repeat 2', 2);
    expect(runs[0].unstable).to.deep.equal(['y']);
  });

  it('verify --graph, --labels, --dropout, --steps, --learning-rate, --momentum, --weight-decay, --update: the state that the oracle comes to', async () => {
    let state: Weights = randomWeights(alexnet, 2);
    let momenta: Weights = zeroMomenta(state);
    const sizes = shapes(alexnet, 2);
    const masks = ['drop7', 'drop8'].map((layer, at) => {
      const shape = sizes.get(layer)!;
      const data = new Uint8Array(sizeOf(shape)).map((_, i) => Number((i + at) % 3 > 0));
      return [layer, { dtype: 'uint8', shape, data }] as const;
    });
    await writeTensors(path('masks.npz'), new Map(masks));
    await writeTensors(path('l.npy'), { l: { dtype: 'int32', shape: [2], data: Int32Array.of(7, 1) } });
    const hyper = '--learning-rate 0.03 --momentum 0.5 --weight-decay 0.1 --update pytorch';
    const line = 'verify --network cifar-alexnet --weights a.npz --device cpu --graph training --steps 2';
    const found = await json(`${line} --labels l.npy --dropout masks.npz ${hyper} --save trained`);
    expect(found.training.labels).to.deep.equal([7, 1]);
    const batch = {
      input: noise(alexnet, 0, 2),
      labels: [7, 1],
      dropout: new Map(masks.map(([layer, { data }]) => [layer, data])),
    };
    const settings = { rule: 'pytorch', learningRate: 0.03, momentum: 0.5, weightDecay: 0.1 } as const;
    for (let k = 0; k < 2; k++)
      ({ weights: state, momenta } = step(alexnet, state, momenta, batch, settings));
    const saved = npz('trained/oracle.npz');
    for (const name of ['conv1.weight', 'conv6.bias', 'fc8.weight'])
      expect(floats(saved.get(`step2/${name}`)!), name).to.deep.equal(floats(state.get(name)!));
    expect(npz('trained/device.npz').has('step2/fc8.weight')).to.equal(true);
    expect(saved.has('step3/fc8.weight')).to.equal(false);
  });

  it('verify() model, levels, log: that file, those levels of optimisation, each line', async () => {
    const lines: string[] = [];
    const log = (line: string) => void lines.push(line);
    const options = { model: path('m.onnx'), device: 'cpu', levels: ['basic', 'extended'], log } as const;
    const { model, runs } = await verify(options);
    expect(model).to.equal(path('m.onnx'));
    expect(runs.map(({ graph: which, level }) => `${which} ${level}`)).to.deep.equal([
      ...['tapped disabled', 'tapped basic', 'tapped extended'],
      'untouched all',
    ]);
    expect(lines[0]).to.match(/^network: cifar10-full, .*m\.onnx$/);
    expect(lines).to.include('device: CPU');
  });

  it('verify --strict-device: exit 3 where a layer or a node ran elsewhere', function () {
    const env = needsSwiftshader(this);
    const lrn = { op: 'LRN', attributes: { size: 3 }, name: 'n' };
    write(
      'lrn.onnx',
      modelBytes(graph([lrn], [info('x', 'float32', [1, 4, 3, 3])], [info('y', 'float32', [1, 4, 3, 3])])),
    );
    const text = `
      import { alexnet } from '@/lib/cli/program.ts';
      import { verify } from '@/lib/verify/index.ts';
      import { lrn, relu } from '@/reference/networks/layers.ts';
      import { networkNamed } from '@/reference/networks/index.ts';
      const layers = [relu('relu1'), lrn('norm1')];
      const network = { ...networkNamed('cifar-relu'), name: 'own', layers };
      const strict = { network, device: 'webgpu', lrn: 'native', strictDevice: true };
      await verify(strict).catch(({ name, message }) => console.error('as ' + name, message));
      const line = ${JSON.stringify(path('lrn.onnx'))} + ' --device webgpu --strict-device';
      const status = await alexnet(['node', 'alexnet', 'verify', ...line.split(' ')]);
      console.error('exit', status);
      process.exitCode = 0;`;
    const said = runModule(text, { env })
      .stderr.split('\n')
      .filter((words) => /^exit|^as|^alexnet/.test(words));
    expect(said.map((words) => words.replace(/, not on.*/, ''))).to.deep.equal([
      'as EnvironmentError --strict-device: norm1 ran on CPU',
      'alexnet: --strict-device: n ran on CPU',
      'exit 3',
    ]);
  });

  it('verify --strict-device: of layers, gradients and steps alike', async () => {
    const strict = (line: string, from?: number) => told(from, () => run(`verify ${line} --strict-device`));
    const net = '--network cifar-alexnet --weights a.npz --device cpu';
    const sessions = (await strict(`${net} --graph gradients`)).sessions;
    for (const [line, from] of [
      [net, 0],
      [`${net} --graph gradients`, 0],
      [`${net} --graph training`, sessions],
    ] as const) {
      const { status, err } = (await strict(line, from)).result;
      expect(err, line).to.match(/^alexnet: --strict-device: .* ran on WebGPU, not on CPU/m);
      expect(status).to.equal(3);
    }
  });
});

/** An onnxruntime whose profiles tell of WebGPU in the place of the CPU, from that session on. */
async function told<T>(from = Number.POSITIVE_INFINITY, work: () => Promise<T>) {
  const sessions = ort.InferenceSession as { create: (...args: never[]) => Promise<ort.InferenceSession> };
  const { create } = sessions;
  let opened = 0;
  sessions.create = async (...args) => {
    const session = await create(...args);
    const prefix = (args as { profileFilePrefix?: string }[]).at(-1)?.profileFilePrefix;
    if (prefix === undefined || opened++ < from) return session;
    const end = session.endProfiling.bind(session);
    session.endProfiling = () => {
      end();
      const folder = dirname(prefix);
      for (const file of readdirSync(folder).map((name) => join(folder, name)))
        writeFileSync(file, readFileSync(file, 'utf8').replaceAll('CPUExecution', 'WebGpuExecution'));
    };
    return session;
  };
  try {
    return { result: await work(), sessions: opened };
  } finally {
    sessions.create = create;
  }
}

/** An onnxruntime whose first output is another in each run; `run` counts those of a session. */
async function altered<T>(
  change: (first: Float32Array, run: number) => void,
  work: () => Promise<T>,
): Promise<T> {
  const sessions = ort.InferenceSession as { create: (...args: never[]) => Promise<ort.InferenceSession> };
  const { create } = sessions;
  sessions.create = async (...args) => {
    const session = await create(...args);
    const run = session.run.bind(session) as (...given: unknown[]) => Promise<Record<string, ort.Tensor>>;
    let runs = 0;
    session.run = (async (...given: unknown[]) => {
      const results = await run(...given);
      change(Object.values(results)[0].data as Float32Array, runs++);
      return results;
    }) as typeof session.run;
    return session;
  };
  try {
    return await work();
  } finally {
    sessions.create = create;
  }
}

/** How often a function of a source file, or of what is built from it, is called meanwhile. */
async function callsOf(file: string, name: string, work: () => Promise<unknown>): Promise<number> {
  const root = fileURLToPath(new URL('../../', import.meta.url));
  const places = [`${root}${file}.ts`, `${root}dist/${file}.js`];
  const session = new Session();
  session.connect();
  try {
    await session.post('Profiler.enable');
    await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
    await work();
    const { result } = await session.post('Profiler.takePreciseCoverage');
    const functions = result
      .filter((script) => places.includes(script.url.replace(/^file:\/\//, '')))
      .flatMap((script) => script.functions);
    return functions
      .filter(({ functionName }) => functionName === name)
      .reduce((sum, { ranges }) => sum + ranges[0].count, 0);
  } finally {
    await session.post('Profiler.stopPreciseCoverage');
    session.disconnect();
  }
}
