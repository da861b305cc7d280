/** Files as other people's programs leave them: right, but not as the textbook has them. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { decodeModel, encodeModel } from '../../../export/proto.ts';
import { joined } from '../../../export/wire.ts';
import { type NumericValue, widen } from '../../../lib/array/value.ts';
import { openModel } from '../../../lib/format/onnx.ts';
import { unpickle } from '../../../lib/format/pickle.ts';
import { torchGlobals } from '../../../lib/format/pickle-globals.ts';
import { isKind, type PickleValue } from '../../../lib/format/pickle-value.ts';
import { fromBytes } from '../../../lib/format/source.ts';
import { stateDict } from '../../../lib/format/statedict.ts';
import { openTensors } from '../../../lib/format/tensors.ts';
import { zipPieces } from '../../../lib/format/zip.ts';
import { diffWeights } from '../../../lib/weights/diff.ts';
import { loadWeights } from '../../../lib/weights/load.ts';
import { networkNamed } from '../../../reference/networks/index.ts';
import { dense } from '../../../reference/tensor.ts';
import { writeNpz } from '../../support/tensor-bytes.ts';

const fixtures = fileURLToPath(new URL('../../../fixtures/format/weights/', import.meta.url));
const bvlc = networkNamed('bvlc-alexnet');
let place = '';
before(() => {
  place = mkdtempSync(join(tmpdir(), 'foreign-'));
});
after(() => rmSync(place, { recursive: true }));
const put = (name: string, bytes: Uint8Array): string => {
  writeFileSync(join(place, name), bytes);
  return join(place, name);
};
const latin1 = (text: string) => Buffer.from(text, 'latin1');
const open = (bytes: Uint8Array) => openTensors(fromBytes(bytes, 'given'));
const refusal = (bytes: Uint8Array): Promise<string> =>
  open(bytes).then(
    () => 'it was opened',
    (error: Error) => error.message,
  );

// ---- a writer of pickles ----------------------------------------------------------------------------------

const length = (count: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(count);
  return bytes.toString('latin1');
};
const text = (value: string) => `X${length(value.length)}${value}`;
const dict = (entries: [string, string][]) => `}(${entries.map(([k, v]) => text(k) + v).join('')}u`;
const whole = (value: number) => `J${length(value)}`;
/** As ndarray.__reduce__ writes a float32 array. */
function ndarray(shape: readonly number[], values: Float32Array): string {
  const data = Buffer.from(values.buffer).toString('latin1');
  const type = 'cnumpy\ndtype\nU\x02f4\x85R';
  const state = `(K\x01(${shape.map(whole).join('')}t${type}\x89T${length(data.length)}${data}t`;
  return `cnumpy.core.multiarray\n_reconstruct\n)R${state}b`;
}
/** numpy.save of a dictionary. */
function objectNpy(pickled: string): Buffer {
  const header = "{'descr': '|O', 'fortran_order': False, 'shape': (), }\n";
  const size = Buffer.alloc(2);
  size.writeUInt16LE(header.length);
  const array = `cnumpy.core.multiarray\n_reconstruct\n)R(K\x01)cnumpy\ndtype\nU\x02O8\x85R\x89](${pickled}etb.`;
  return Buffer.concat([latin1('\x93NUMPY\x01\x00'), size, latin1(header), latin1(`\x80\x02${array}`)]);
}

/** Narrow weights of bvlc-alexnet whose fc7 is square: (out, in), convolutions (K,C,R,S). */
const shapes: [string, number[]][] = [
  ['conv1', [2, 3, 11, 11]],
  ['conv2', [4, 1, 5, 5]],
  ['conv3', [4, 4, 3, 3]],
  ['conv4', [4, 2, 3, 3]],
  ['conv5', [2, 2, 3, 3]],
  ['fc6', [5, 72]],
  ['fc7', [5, 5]],
  ['fc8', [3, 5]],
];
const numbers = (count: number) => new Float32Array(count).map((_, i) => ((7 * i) % 101) - 50);
const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

/** The pickled dictionary {layer: [W, b]}, W as `axes` brings its shape and values. */
const layers = (axes: (shape: number[], values: Float32Array) => [number[], Float32Array]) =>
  dict(
    shapes.map(([name, shape]) => {
      const weight = ndarray(...axes(shape, numbers(size(shape))));
      return [name, `](${weight}${ndarray([shape[0]], numbers(shape[0]))}e`];
    }),
  );
const caffeOrder = layers((shape, values) => [shape, values]);
const tensorFlowOrder = layers((shape, values) => {
  const [K, C, R = 1, S = 1] = shape;
  const moved = new Float32Array(values.length);
  for (let k = 0; k < K; k++) {
    for (let c = 0; c < C; c++) {
      for (let p = 0; p < R * S; p++) moved[(p * C + c) * K + k] = values[(k * C + c) * R * S + p];
    }
  }
  return shape.length === 4 ? [[R, S, C, K], moved] : [[C, K], moved];
});

describe('weights from other hands', () => {
  it('reads a square fc7 as the rest of the file lies: (out, in) in pycaffe order, (in, out) in TensorFlow', async () => {
    const orders = { 'caffe.npy': objectNpy(caffeOrder), 'tf.npy': objectNpy(tensorFlowOrder) };
    for (const [name, bytes] of Object.entries(orders)) {
      const { weights } = await loadWeights(put(name, bytes), bvlc);
      for (const layer of ['conv3', 'fc7', 'fc8']) {
        const found = dense(weights.get(`${layer}.weight`)!);
        expect([...found], `${name} ${layer}`).to.deep.equal([...numbers(found.length)]);
      }
    }
  });

  it('reads a plain pickle of the same dictionary', async () => {
    const { weights, source } = await loadWeights(put('w.pkl', latin1(`\x80\x02${caffeOrder}.`)), bvlc);
    expect(source).to.include('(pickle, ');
    expect([...dense(weights.get('fc7.weight')!)]).to.deep.equal([...numbers(25)]);
  });

  it("multiplies a Gemm's weight by alpha and its bias by beta", async () => {
    const model = decodeModel(readFileSync(`${fixtures}onnx/typed.onnx`));
    const gemm = model.graph?.node.filter(({ opType }) => opType === 'Gemm')[1];
    if (!gemm) throw new Error('no Gemm');
    const float = (name: string, f: number) => ({ ...gemm.attribute[0], name, f, i: undefined, type: 1 });
    gemm.attribute.push(float('alpha', 0.5) as never, float('beta', 3) as never);
    const plain = await loadWeights(`${fixtures}onnx/typed.onnx`, bvlc);
    const { weights } = await loadWeights(put('gemm.onnx', encodeModel(model)), bvlc);
    const scaled = { 'fc7.weight': 0.5, 'fc7.bias': 3, 'fc6.weight': 1, 'fc8.bias': 1 };
    for (const [name, factor] of Object.entries(scaled)) {
      const wanted = Float32Array.from(dense(plain.weights.get(name)!), (value) => value * factor);
      expect([...dense(weights.get(name)!)], name).to.deep.equal([...wanted]);
    }
  });

  it('tells NaNs of other payloads apart, and float32 from float64', async () => {
    const value = (bits: number[], dtype: 'float32' | 'float64' = 'float32'): NumericValue => {
      const data = new Float32Array(Uint32Array.from(bits).buffer);
      return { dtype, shape: [bits.length], data: dtype === 'float32' ? data : Float64Array.from(data) };
    };
    const one = put('a.npz', writeNpz([['x', value([0x7fc00001, 0x3f800000])]]));
    const other = put('b.npz', writeNpz([['x', value([0x7fc00002, 0x3f800000])]]));
    const wide = put('c.npz', writeNpz([['x', value([0x3f800000, 0x40000000], 'float64')]]));
    const same = put('d.npz', writeNpz([['x', value([0x3f800000, 0x40000000])]]));
    expect((await diffWeights(one, other)).tensors[0]).to.include({ differing: 1, ulps: Infinity });
    expect((await diffWeights(one, one)).equal).to.equal(true);
    const [tensor] = (await diffWeights(wide, same)).tensors;
    expect(tensor.dtypes).to.deep.equal(['float64', 'float32']);
    expect(tensor.differing).to.equal(0);
  });

  it('keeps the payload of a NaN when halves are widened', () => {
    const wide = widen({ dtype: 'float16', shape: [3], data: Uint16Array.of(0x7e01, 0xfd55, 0x7c01) });
    const bits = new Uint32Array(wide.buffer);
    expect([...bits].map((pattern) => pattern.toString(16))).to.deep.equal([
      '7fc02000',
      'ffaaa000',
      '7f802000',
    ]);
  });

  it('refuses a key that safetensors have twice', async () => {
    const entry = '{"dtype":"U8","shape":[1],"data_offsets":[0,1]}';
    const file = (json: string) => {
      const head = Buffer.alloc(8);
      head.writeBigUInt64LE(BigInt(json.length));
      return Buffer.concat([head, Buffer.from(json), Buffer.of(7)]);
    };
    expect(await refusal(file(`{"a":${entry},"\\u0061":${entry}}`))).to.match(/has "\\u0061" twice/);
    expect(
      await refusal(file(`{"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}}`)),
    ).to.match(/has "dtype" twice/);
    expect(await refusal(file(`{"__metadata__":{"k":"\\"a\\":1,","a":"{"},"a":${entry}}`))).to.equal(
      'it was opened',
    );
  });

  it('refuses an archive whose directory holds more than it counts', async () => {
    const x: NumericValue = { dtype: 'float32', shape: [1], data: Float32Array.of(1) };
    const bytes = Buffer.from(writeNpz(Object.entries({ a: x, b: x })));
    const end = bytes.lastIndexOf(latin1('PK\x05\x06'));
    bytes.writeUInt16LE(1, end + 8);
    bytes.writeUInt16LE(1, end + 10);
    expect(await refusal(bytes)).to.match(/holds more than the 1 members it counts/);
  });

  it("passes over the optimiser's state in Keras' .h5", async () => {
    const { ready, File } = await import('h5wasm');
    const { FS } = (await ready) as unknown as { FS: { readFile(path: string): Uint8Array } };
    const file = new File('/keras.h5', 'w');
    for (const group of ['model_weights', 'optimizer_weights']) {
      const layer = file.create_group(group).create_group('conv1');
      layer.create_dataset({ name: 'kernel:0', data: new Float32Array(6), shape: [2, 3] });
    }
    file.close();
    const opened = await open(Buffer.from(FS.readFile('/keras.h5')));
    expect([...opened.tensors.keys()]).to.deep.equal(['model_weights/conv1/kernel:0']);
    expect(opened.notes.join()).to.include('optimiser');
    opened.close();
  });
});

describe('stateDict', () => {
  const pick = (value: PickleValue) =>
    isKind(value, 'built') && value.what === 'tensor' ? String(value.content) : undefined;
  const tensor = (name: string): PickleValue => ({ kind: 'built', what: 'tensor', content: name });
  const tensors = (...names: string[]) => new Map<PickleValue, PickleValue>(names.map((n) => [n, tensor(n)]));
  const names = (root: PickleValue) => [...(stateDict(root, pick)?.tensors.keys() ?? [])];

  it('is not what merely lies beside it: best_acc1, rng_state, mean', () => {
    const root = tensors('best_acc1', 'rng_state').set('state_dict', tensors('a', 'b', 'c'));
    expect(names(root)).to.deep.equal(['a', 'b', 'c']);
    expect(stateDict(root, pick)?.others).to.deep.equal(['best_acc1', 'rng_state']);
    expect(names(tensors('mean').set('mine', tensors('a', 'b')))).to.deep.equal(['a', 'b']);
  });

  it('has the usual name, unless that holds far fewer tensors than another', () => {
    const averaged = new Map<PickleValue, PickleValue>([
      ['ema', tensors('a', 'b', 'c')],
      ['model', tensors('x', 'y')],
    ]);
    expect(names(averaged)).to.deep.equal(['x', 'y']);
    const beside = new Map([...averaged, ['state_dict', tensors('r', 's')] as const]);
    expect(names(beside)).to.deep.equal(['r', 's']);
    expect(stateDict(beside, pick)?.others).to.deep.equal(['model', 'ema']);
    expect(names(tensors('a', 'b', 'c', 'd').set('params', tensors('lr')))).to.deep.equal([
      'a',
      'b',
      'c',
      'd',
    ]);
  });

  it('is found inside pickled modules, whose classes are never called', () => {
    const module = (name: string, state: string) => `c${name}\n)R${state}b`;
    const lr = 'F2.5\n';
    const leaf = module('torch.nn.modules.linear\nLinear', dict([['_parameters', dict([['weight', lr]])]]));
    const root = module('mine\nNet', dict([['_modules', dict([['fc', leaf]])]]));
    const { value, unknown } = unpickle(fromBytes(latin1(`${root}.`), 'm.pth'), torchGlobals());
    const found = stateDict(value, (item) => (typeof item === 'number' ? item : undefined));
    expect([...(found?.tensors ?? [])]).to.deep.equal([['fc.weight', 2.5]]);
    expect(unknown).to.deep.equal(['mine.Net', 'torch.nn.modules.linear.Linear']);
  });
});

describe('tensors that come to far more than their file has', () => {
  it('are refused in a checkpoint: expanded by strides of 0', async () => {
    const storage = `(${text('storage')}ctorch\nFloatStorage\n${text('0')}${text('cpu')}K\x01tQ`;
    const expanded = `ctorch._utils\n_rebuild_tensor_v2\n(${storage}K\x00(${whole(2 ** 18)}t(K\x00ttR`;
    const named = (count: number) => dict(Array.from({ length: count }, (_, i) => [`x${i}`, expanded]));
    const checkpoint = (count: number) =>
      joined(
        zipPieces([
          ['m/data.pkl', [latin1(`\x80\x02${named(count)}.`)]],
          ['m/data/0', [new Uint8Array(4)]],
        ]),
      );
    expect(await refusal(checkpoint(64))).to.equal('it was opened');
    expect(await refusal(checkpoint(66))).to.match(/^given: refused: .* the file has/);
  });
});

describe('files that are no weights', () => {
  const archive = (name: string) => joined(zipPieces([[name, [latin1('{}')]]]));
  const cases: [string, Uint8Array, RegExp][] = [
    ['MATLAB', latin1('MATLAB 5.0 MAT-file, Platform: GLNXA64'), /MATLAB.*scipy\.io\.loadmat/],
    ['MXNet', Buffer.concat([Buffer.of(0x12, 1), Buffer.alloc(22)]), /MXNet/],
    ['Git LFS', latin1('version https://git-lfs.github.com/spec/v1\noid sha256:00\n'), /git lfs pull/],
    ['.keras', archive('model.weights.h5'), /\.keras archive/],
    ['.pt2', archive('net/archive_format'), /torch\.export/],
  ];
  for (const [what, bytes, reason] of cases) {
    it(`are named, with what to do: ${what}`, async () => expect(await refusal(bytes)).to.match(reason));
  }

  it('are named as models too: a Git LFS pointer', () => {
    const pointer = fromBytes(cases[2][1], 'm.onnx');
    expect(() => openModel(pointer)).to.throw(/Git LFS pointer/);
  });

  it('a function that is not known and makes a tensor of a state dict is named', async () => {
    const storage = `(${text('storage')}ctorch\nFloatStorage\n${text('0')}${text('cpu')}K\x01tQ`;
    const made = `ctorch._utils\n_rebuild_strange\n(${storage}tR`;
    const known = `ctorch._utils\n_rebuild_tensor_v2\n(${storage}K\x00(K\x01t(K\x01ttR`;
    const pickle = latin1(`\x80\x02${dict(Object.entries({ a: known, b: made }))}.`);
    const checkpoint = (body: Buffer) =>
      joined(
        zipPieces([
          ['m/data.pkl', [body]],
          ['m/data/0', [new Uint8Array(4)]],
        ]),
      );
    expect(await refusal(checkpoint(pickle))).to.match(/'b' is made by torch\._utils\._rebuild_strange/);
  });
});
