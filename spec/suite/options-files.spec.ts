/** What the options of summary, export, run, conform and weights do: options.spec.ts reads the titles. */
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { decodeModel } from '../../export/proto.ts';
import { fromTensor } from '../../lib/array/value.ts';
import { conform } from '../../lib/conform/index.ts';
import { readTensors, writeTensors } from '../../lib/disk/tensors.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import { zeros } from '../../reference/tensor.ts';
import { initialise } from '../../reference/training/init.ts';
import { commandLines, narrowWeights } from '../support/command-lines.ts';
import { fixture, refusal } from '../support/data-fixtures.ts';
import { random } from '../support/models.ts';
import { graph, info, modelBytes, type NodeText } from '../support/onnx.ts';
import { skipBecause } from '../support/skip.ts';

/** A digest of each parameter's bits, by name. */
const bitsOf = (tensors: ReadonlyMap<string, { readonly data: ArrayBufferView | readonly unknown[] }>) =>
  Object.fromEntries(
    [...tensors].flatMap(([name, { data }]) =>
      /\.(weight|bias)$/.test(name) && ArrayBuffer.isView(data)
        ? [
            [
              name,
              createHash('md5')
                .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
                .digest('hex'),
            ],
          ]
        : [],
    ),
  );
const bitsIn = async (path: string) => bitsOf(await readTensors(path));

describe('options of summary and export', () => {
  const { path, bytes, json, refused } = commandLines();
  const model = (name: string) => decodeModel(bytes(name));
  const ops = (name: string): string[] => model(name).graph!.node.map(({ opType }) => opType);

  it('summary --network, --batch: the layers of that network, activations times the images', async () => {
    const one = await json('summary --network cifar10-full');
    const three = await json('summary --network cifar10-full --batch 3');
    expect(one.layers.map(({ name }: { name: string }) => name)).to.include('ip1');
    // conv1: 32 maps of 32×32 float32
    expect([one.layers[0].shape, one.layers[0].activationBytes]).to.deep.equal([[1, 32, 32, 32], 131_072]);
    expect([three.layers[0].shape, three.layers[0].activationBytes]).to.deep.equal([
      [3, 32, 32, 32],
      393_216,
    ]);
    expect([three.batch, three.total.macs]).to.deep.equal([3, 3 * one.total.macs]);
    expect(three.total.parameters).to.equal(one.total.parameters);
  });

  it('export --network, --seed, --init: the weights that the oracle draws', async () => {
    await json('export drawn.onnx --network cifar10-full --seed 7 --init caffe');
    const drawn = initialise(networkNamed('cifar10-full'), 7, 'caffe');
    expect(await bitsIn(path('drawn.onnx'))).to.deep.equal(bitsOf(drawn as never));
  });

  it('export --weights: those of the file', async () => {
    await narrowWeights(path('w.npz'), networkNamed('cifar10-full'), 5);
    await json('export given.onnx --network cifar10-full --weights w.npz');
    expect(await bitsIn(path('given.onnx'))).to.deep.equal(await bitsIn(path('w.npz')));
  });

  it('export --init: never beside weights that are in the box', async () => {
    const line = 'export boxed.onnx --network cifar-alexnet --init paper';
    expect(await refused(line)).to.match(/export needs weights: /);
    await json(`${line} --seed 1`);
    const drawn = initialise(networkNamed('cifar-alexnet'), 1, 'paper');
    expect(await bitsIn(path('boxed.onnx'))).to.deep.equal(bitsOf(drawn as never));
  });

  it('export --opset, --batch, --lrn, --precision: as the file has them', async () => {
    const usual = 'export usual.onnx --network cifar-alexnet';
    await json(usual);
    const before = model('usual.onnx');
    expect([before.opsetImport[0].version, ops('usual.onnx').includes('LRN')]).to.deep.equal([13, true]);
    const dims = (name: string) => model(name).graph!.input[0].type!.tensorType!.shape!.dim;
    expect(dims('usual.onnx')[0].dimValue).not.to.equal(4);
    const changed = '--opset 17 --batch 4 --lrn decomposed --precision float16';
    expect(await json(`export changed.onnx --network cifar-alexnet ${changed}`)).to.include({ opset: 17 });
    const after = model('changed.onnx');
    expect([after.opsetImport[0].version, ops('changed.onnx').includes('LRN')]).to.deep.equal([17, false]);
    expect(dims('changed.onnx')[0].dimValue).to.equal(4);
    // FLOAT16 is 10 in TensorProto's list of types
    const types = after.graph!.initializer.filter(({ name }) => /\.(weight|bias)$/.test(name ?? ''));
    expect([...new Set(types.map(({ dataType }) => dataType))]).to.deep.equal([10]);
  });

  it('export --input, --views, --mean: pictures of bytes, ten views averaged, a mean image in the graph', async () => {
    const usual = 'export pictures.onnx --network cifar10-full --seed 1';
    await writeTensors(path('mean.npy'), { mean: random([3, 32, 32], 5, 100) });
    expect(await json(`${usual} --input uint8 --mean mean.npy`)).to.include({ input: 'uint8', views: 1 });
    const { graph } = model('pictures.onnx');
    const { elemType, shape } = graph!.input[0].type!.tensorType!;
    // UINT8 is 2 in TensorProto's list of types
    expect([elemType, shape!.dim.slice(1).map(({ dimValue }) => dimValue)]).to.deep.equal([2, [32, 32, 3]]);
    const mean = graph!.initializer.find(({ name }) => name === 'image/mean/by')!.rawData as Uint8Array;
    const [{ data }] = (await readTensors(path('mean.npy'))).values();
    expect(Buffer.compare(mean, new Uint8Array(data.buffer))).to.equal(0);
    expect(await refused(`${usual.replace('pictures', 'none')} --input uint8`)).to.match(
      /needs a mean image/,
    );
    expect(await refused(`${usual} --mean mean.npy`)).to.match(/--mean needs --input uint8$/m);
    await json('export ten.onnx --network cifar-alexnet --input uint8 --views 10');
    expect(model('ten.onnx').graph!.output.map(({ name }) => name)).to.deep.equal(['probabilities']);
    expect(await refused('export no.onnx --network cifar-alexnet --views 10')).to.match(
      /--views needs --input uint8/,
    );
  });

  it('export --resize: pictures of any size, from opset 18 on', async () => {
    const usual = 'export any.onnx --network cifar-alexnet';
    expect(await json(`${usual} --input uint8 --resize`)).to.include({ resize: true, opset: 18 });
    const { dim } = model('any.onnx').graph!.input[0].type!.tensorType!.shape!;
    expect(dim.map(({ dimParam, dimValue }) => dimParam || dimValue)).to.deep.equal(['N', 'H', 'W', 3]);
    expect(ops('any.onnx').filter((op) => op === 'Resize')).to.have.length(2);
    const told = model('any.onnx').metadataProps.find(({ key }) => key === 'image')!.value!;
    expect(JSON.parse(told)).to.deep.include({ side: 28, resize: true });
    expect(await refused(`${usual} --resize`)).to.match(/--resize needs --input uint8$/m);
    expect(await refused(`${usual} --input uint8 --resize --opset 17`)).to.match(
      /--opset 17: it must be 18 to 25 with --resize$/m,
    );
  });

  it('export --external-data: the weights lie beside the model', async () => {
    await json('export apart.onnx --network cifar10-full --seed 1 --external-data');
    expect(bytes('apart.onnx.data').length).to.be.at.least(4 * 89_578);
    expect(bytes('apart.onnx').length).to.be.below(4 * 89_578);
  });

  it("export --tap: every layer's value is an output, once", async () => {
    await json('export tapped.onnx --network cifar10-full --seed 1 --tap');
    const outputs = model('tapped.onnx').graph!.output.map(({ name }) => name);
    const layers = networkNamed('cifar10-full').layers.map(({ name }) => name);
    expect(outputs.toSorted()).to.deep.equal(layers.toSorted());
    expect(outputs[0]).to.equal('prob');
  });

  it('export --graph, --loop, --target: what is computed, how often a call, and in which form', async () => {
    const line = (name: string, more: string) =>
      json(`export ${name}.onnx --network cifar-alexnet --batch 2 ${more}`);
    for (const [name, more] of [
      ['gradients', '--graph gradients'],
      ['step', '--graph training'],
      ['looped', '--graph training --loop'],
      ['gpu', '--graph training --target gpu'],
    ])
      await line(name, more);
    const outputs = (name: string) => model(name).graph!.output.map((output) => output.name);
    expect(outputs('gradients.onnx')).to.include('dconv1.weight').and.not.include('conv1.weight.next');
    expect(outputs('step.onnx')).to.include('conv1.weight.next');
    expect(ops('step.onnx')).not.to.include('Loop');
    expect(ops('looped.onnx')).to.include('Loop');
    expect(ops('gpu.onnx')).not.to.deep.equal(ops('step.onnx'));
  });
});

describe('options of run and conform', () => {
  const { path, bytes, write, npz, json, refused, heedsDevice } = commandLines();
  before(() => {
    const third = { op: 'Constant', inputs: [], outputs: ['third'], attributes: { value_float: 1 / 3 } };
    const product = { op: 'Mul', inputs: ['third', 'third'], outputs: ['y'] };
    write('m.onnx', modelBytes(graph([third, product], [], [info('y', 'float32', [])])));
    // 2²⁰ floats: 4 MiB
    const many = [
      { op: 'Constant', inputs: [], outputs: ['n'], attributes: { value_ints: [1 << 20] } },
      { op: 'ConstantOfShape', inputs: ['n'], outputs: ['zeros'] },
      { op: 'Neg', inputs: ['zeros'], outputs: ['ones'] },
      { op: 'Exp', inputs: ['ones'], outputs: ['y'] },
    ];
    write('endless.onnx', modelBytes(endless()));
    write('large.onnx', modelBytes(graph(many, [], [info('y', 'float32', [1 << 20])])));
  });

  it('run --precision, --all, --out: values unrounded, of every node, in the file', async () => {
    await json('run m.onnx --out y.npz');
    const third = Math.fround(1 / 3);
    expect([...npz('y.npz')].map(([name, { dtype, data }]) => [name, dtype, data[0]])).to.deep.equal([
      ['y', 'float32', Math.fround(third * third)],
    ]);
    await json('run m.onnx --out all.npz --all --precision float64');
    expect([...npz('all.npz').keys()]).to.deep.equal(['third', 'y']);
    expect(npz('all.npz').get('y')!.data[0]).to.equal(third * third);
  });

  it('run --input, --max-nodes, --max-memory, --max-seconds: beyond them the run ends', async () => {
    expect(await refused('run m.onnx --out no.npz --input z=w.npy')).to.match(/w\.npy/);
    expect(await refused('run m.onnx --out no.npz --max-nodes 1')).to.match(/more than 1 nodes, its budget/);
    expect(await refused('run large.onnx --out no.npz --max-memory 2')).to.match(/over 2 MiB, its budget/);
    await json('run large.onnx --out large.npz --max-memory 100 --max-nodes 4 --max-seconds 100');
    expect(await refused('run endless.onnx --out no.npz --max-seconds 1')).to.match(/over 1 s of CPU time/);
  });

  it('conform --engine, --device; conform() onTest: who computed', async () => {
    const test = fileURLToPath(
      new URL('../../fixtures/onnx/pytorch/test_pytorch_around_opset11', import.meta.url),
    );
    expect(await json(`conform ${test}`)).to.include({ engine: 'oracle', passed: 1 });
    const there = await json(`conform ${test} --engine onnxruntime --device cpu`);
    expect(there).to.include({ engine: 'onnxruntime', device: 'cpu', passed: 1 });
    expect(await heedsDevice(`conform ${test} --engine onnxruntime`)).to.equal(true);
    const seen: unknown[] = [];
    await conform([test], { onTest: (...what) => seen.push(what) });
    expect(seen).to.deep.equal([[{ ...there.tests[0], ...(seen as [object][])[0][0] }, 1, 1]]);
  });

  it('run --force; conform --force; evaluate --force: what this program did not write is overwritten only so', async () => {
    mkdirSync(path('mine/test_relu_rows'), { recursive: true });
    const picture = `evaluate ${fixture('cifar')} --network cifar-alexnet --engine oracle --limit 1 --threads 1`;
    for (const [file, line] of [
      ['mine.npz', 'run m.onnx --out mine.npz'],
      ['mine/test_relu_rows/model.onnx', 'conform --write mine'],
      ['mine.svg', `${picture} --svg mine.svg`],
    ]) {
      write(file, 'my own');
      expect(await refused(line)).to.match(/exists, and nothing in it shows that this program wrote it/);
      await json(`${line} --force`);
      expect(bytes(file).toString('latin1')).not.to.equal('my own');
    }
  });

  it('writeTensors() force: as the commands have it', async () => {
    write('mine.npy', 'my own');
    const tensors = { x: fromTensor(zeros([2])) };
    expect(await refusal(() => writeTensors(path('mine.npy'), tensors))).to.match(
      /exists, and nothing in it/,
    );
    await writeTensors(path('mine.npy'), tensors, { force: true });
    expect((await readTensors(path('mine.npy'))).get('array')!.shape).to.deep.equal([2]);
  });

  it('run --engine, --device: onnxruntime where it is asked for', async () => {
    expect(await heedsDevice('run m.onnx --out d.npz --force --engine onnxruntime')).to.equal(true);
  });
});

/** A Loop that takes minutes. */
function endless() {
  const body = graph(
    [
      { op: 'Identity', inputs: ['go'], outputs: ['on'] },
      { op: 'Neg', inputs: ['v'], outputs: ['w'] },
    ],
    [info('i', 'int64', []), info('go', 'bool', []), info('v', 'float32', [])],
    [info('on', 'bool', []), info('w', 'float32', [])],
  );
  const start: NodeText[] = [
    { op: 'Constant', inputs: [], outputs: ['rounds'], attributes: { value_int: 4_000_000 } },
    { op: 'Constant', inputs: [], outputs: ['one'], attributes: { value_float: { float: 1 } } },
    { op: 'Loop', inputs: ['rounds', '', 'one'], outputs: ['y'], attributes: { body } },
  ];
  return graph(start, [], [info('y', 'float32', [])]);
}

describe('options of weights', () => {
  const { path, json, refused, folder } = commandLines();
  before(async () => {
    await narrowWeights(path('w.npz'), networkNamed('bvlc-alexnet'), 3);
    await narrowWeights(path('t.npz'), networkNamed('torchvision'), 3);
  });
  const convert = async (out: string, more: string, from = 'w.npz') => {
    const made = await json(`weights convert ${from} ${out} ${more}`);
    return { made, tensors: await readTensors(path(out)) };
  };

  it('weights inspect --network: the layers of that network', async () => {
    expect((await json('weights inspect w.npz --network caffenet')).networks).to.deep.equal(['caffenet']);
    expect((await json('weights inspect w.npz')).networks.length).to.be.above(1);
    expect(await refused('weights inspect w.npz --network torchvision')).to.match(/'conv2\.weight' \[16,/);
  });

  it('weights diff --network: tensors go by the layers of that network', async () => {
    await convert('zoo.npz', '--network bvlc-alexnet --names zoo');
    const { network, equal, tensors } = await json('weights diff w.npz zoo.npz --network caffenet');
    expect([network, equal, tensors.length]).to.deep.equal(['caffenet', true, 16]);
    expect(await refused('weights diff w.npz zoo.npz --network torchvision')).to.match(/'conv2\.weight'/);
  });

  it('weights convert --network, --names, --precision: whose metadata, which names, which type', async () => {
    const wishes = '--network caffenet --names torchvision --precision float16';
    expect((await convert('n.safetensors', wishes)).made.network).to.equal('caffenet');
    const found = await json('weights inspect n.safetensors');
    expect(found.metadata.network).to.equal('caffenet');
    const { name, dtype } = found.tensors[0];
    expect([name, dtype]).to.deep.equal(['features.0.weight', 'float16']);
  });

  it('weights convert --to, --channels, --range, --fold, --dropout: by hand', async () => {
    const net = '--network torchvision';
    const weight = (await readTensors(path('t.npz'))).get('conv1.weight')!.data as Float32Array;
    const first = async (name: string, more: string) => {
      const { data } = (await convert(name, `${net} ${more}`, 't.npz')).tensors.get('conv1.weight')!;
      return [...(data as Float32Array).subarray(0, 3 * area)];
    };
    const area = 11 * 11;
    const kernel = [...weight.subarray(0, 3 * area)];
    const plane = (c: number) => kernel.slice(c * area, (c + 1) * area);
    expect(await first('bgr.npz', '--channels BGR')).to.deep.equal([2, 1, 0].flatMap(plane));
    expect(await first('wide.npz', '--range 255')).to.deep.equal(kernel.map((w) => Math.fround(w / 255)));
    // torchvision's published deviations
    const deviation = [0.229, 0.224, 0.225];
    const folded = kernel.map((w, i) => Math.fround(w / deviation[Math.floor(i / area)]));
    expect(await first('folded.npz', '--fold deviation')).to.deep.equal(folded);
    const caffe = await readTensors(path('w.npz'));
    const paper = (await convert('paper.npz', '--network bvlc-alexnet --dropout paper')).tensors;
    const [whole, twice] = [caffe, paper].map((file) => file.get('fc7.weight')!.data as Float32Array);
    expect([...twice]).to.deep.equal([...whole].map((w) => 2 * w));
    await convert('rgb.safetensors', '--network bvlc-alexnet --channels RGB');
    const back = await convert('back.npz', '--network bvlc-alexnet --to bvlc-alexnet', 'rgb.safetensors');
    expect(bitsOf(back.tensors)).to.deep.equal(bitsOf(caffe));
  });

  it('weights get --offline, --force: the cache alone, and never both', async () => {
    const before = process.env.XDG_CACHE_HOME;
    process.env.XDG_CACHE_HOME = folder;
    try {
      expect(await refused('weights get torchvision --offline')).to.match(/not in the cache, and --offline/);
      expect(await refused('weights get torchvision --offline --force')).to.match(/exclude each other/);
    } finally {
      if (before === undefined) delete process.env.XDG_CACHE_HOME;
      else process.env.XDG_CACHE_HOME = before;
    }
  });
});

describe('options of doctor', () => {
  const { refused, run } = commandLines();

  it('doctor --add-cuda, --remove-cuda: onnxruntime is replaced, and put back', async function () {
    if (process.platform !== 'linux' || process.arch !== 'x64')
      skipBecause(this, 'onnxruntime has CUDA for linux/x64 alone');
    const before = { ...process.env };
    Object.assign(process.env, { npm_config_registry: 'http://127.0.0.1:9/', npm_config_fetch_retries: '0' });
    try {
      const { status, err } = await run('doctor --add-cuda');
      expect([status, err.match(/npm pack failed|CUDA was added already/)?.length], err).to.deep.equal([
        /already/.test(err) ? 2 : 3,
        1,
      ]);
      if (!/already/.test(err)) expect(await refused('doctor --remove-cuda')).to.match(/has not run here/);
    } finally {
      process.env = before;
    }
  });
});
