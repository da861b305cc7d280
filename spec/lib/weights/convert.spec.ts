import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { fromTensor, type NumericValue, toTensor } from '../../../lib/array/value.ts';
import { openTensorFile } from '../../../lib/disk/tensors.ts';
import { InputError } from '../../../lib/errors.ts';
import { forward, runLayer } from '../../../lib/fast/oracle.ts';
import { convertConventions, difference, type Wish } from '../../../lib/weights/conventions.ts';
import { convertWeights } from '../../../lib/weights/convert.ts';
import { diffWeights } from '../../../lib/weights/diff.ts';
import { inspectWeights } from '../../../lib/weights/inspect.ts';
import { loadWeights } from '../../../lib/weights/load.ts';
import type { Preprocess } from '../../../reference/input/preprocess.ts';
import { networkNamed } from '../../../reference/networks/index.ts';
import type { Network } from '../../../reference/networks/layers.ts';
import { dense, type Tensor, tensor } from '../../../reference/tensor.ts';
import { initialise } from '../../../reference/training/init.ts';
import { writeSafetensors } from '../../support/tensor-bytes.ts';
import { arraysOf } from '../../support/weight-files.ts';

const tiny = fileURLToPath(new URL('../../../fixtures/format/weights/tiny.npz', import.meta.url));
const bvlc = networkNamed('bvlc-alexnet');
let folder = '';
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'convert-'));
});
after(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

describe('weights convert', () => {
  it('goes round all writers and comes back with the same bits and metadata', async () => {
    const chain = [
      'a.safetensors',
      'b.pth',
      'c.caffemodel',
      'd.npz',
      'e.pt',
      'f.safetensors',
      'g.caffemodel',
      'h.npz',
    ];
    let from = tiny;
    for (const name of chain) {
      await convertWeights(from, at(name), { network: 'bvlc-alexnet' });
      from = at(name);
      expect((await diffWeights(tiny, from)).equal, name).to.equal(true);
    }
    const file = await openTensorFile(at('a.safetensors'));
    expect(file.metadata.get('network')).to.equal('bvlc-alexnet');
    expect(JSON.parse(file.metadata.get('preprocess') as string)).to.deep.equal(bvlc.preprocess);
    file.close();
    expect((await loadWeights(at('f.safetensors'))).preprocess).to.deep.equal(bvlc.preprocess);
  });

  it('keeps halves as they are, and widens them exactly, saying so, where a format has none', async () => {
    const arrays = await arraysOf(tiny);
    const halves = new Map(
      [...arrays].map(([name, { shape }], n): [string, NumericValue] => {
        const size = shape.reduce((a, b) => a * b, 1);
        const data = new Uint16Array(size).map((_, i) => (i * 37 + n) & 0x3bff);
        return [name, { dtype: n % 2 ? 'bfloat16' : 'float16', shape, data }];
      }),
    );
    writeFileSync(at('half.safetensors'), writeSafetensors(halves));
    for (const name of ['half.pth', 'half2.safetensors', 'half.npz', 'half.caffemodel']) {
      const { notes } = await convertWeights(at('half.safetensors'), at(name), { network: 'bvlc-alexnet' });
      expect((await diffWeights(at('half.safetensors'), at(name))).equal, name).to.equal(true);
      expect(notes.join().includes('widened'), name).to.equal(/npz|caffemodel/.test(name));
    }
    for (const [name, { dtype }] of await arraysOf(at('half.pth')))
      expect(dtype).to.equal(halves.get(name)?.dtype);
  });

  it('names tensors as asked', async () => {
    await convertWeights(tiny, at('zoo.npz'), { names: 'zoo' });
    expect([...(await arraysOf(at('zoo.npz'))).keys()].slice(0, 2)).to.deep.equal(['conv1_w_0', 'conv1_b_0']);
    await convertWeights(tiny, at('tv.pth'), { names: 'torchvision' });
    expect([...(await arraysOf(at('tv.pth'))).keys()].at(-1)).to.equal('classifier.6.bias');
  });

  it('names no network where several take the same tensors in the same way', async () => {
    const network = networkNamed('cifar10-full');
    const named = [...initialise(network, 1, 'kaiming')].map(
      ([name, value]) => [name, fromTensor(value)] as const,
    );
    writeFileSync(at('several.safetensors'), writeSafetensors(named));
    const result = await convertWeights(at('several.safetensors'), at('several.npz'));
    expect(result.network).to.equal(null);
    const asked = await convertWeights(at('several.safetensors'), at('one.npz'), { network: network.name });
    expect(asked.network).to.equal('cifar10-full');
  });

  it('copies what belongs to no network under its own names', async () => {
    writeFileSync(
      at('other.safetensors'),
      writeSafetensors([['x', fromTensor(tensor(new Float32Array([1, 2]), [2]))]]),
    );
    await convertWeights(at('other.safetensors'), at('other.npz'));
    expect([...(await arraysOf(at('other.npz'))).get('x')!.data]).to.deep.equal([1, 2]);
    await convertWeights(at('other.npz'), at('other.npy'));
    await convertWeights(at('other.npy'), at('other.binaryproto'));
    expect([...(await arraysOf(at('other.binaryproto'))).get('mean')!.data]).to.deep.equal([1, 2]);
  });

  it('rounds to float16 where asked, ties to even, and refuses what is beyond', async () => {
    const write = (name: string, values: number[]) =>
      writeFileSync(
        at(name),
        writeSafetensors([
          ['x', fromTensor(tensor(Float64Array.from(values), [values.length]))],
          ['steps', { dtype: 'int64', shape: [1], data: BigInt64Array.of(7n) }],
        ]),
      );
    // IEEE 754 binary16 by hand: 1/3, ties down and up, a little over a tie that float32 does not see, the
    // largest (twice), the smallest subnormal, half of it and a little more, −0
    const values = [1 / 3, 2049, 2051, 2049 + 2 ** -30, 65_519, 65_519.9999];
    write('wide.safetensors', [...values, 2 ** -24, 2 ** -25, 2 ** -25 + 2 ** -60, -0]);
    await convertWeights(at('wide.safetensors'), at('narrow.safetensors'), { precision: 'float16' });
    const { dtype, data } = (await arraysOf(at('narrow.safetensors'))).get('x')!;
    expect(dtype).to.equal('float16');
    expect([...data].map(Number)).to.deep.equal([
      0x3555, 0x6800, 0x6802, 0x6801, 0x7bff, 0x7bff, 1, 0, 1, 0x8000,
    ]);
    expect((await arraysOf(at('narrow.safetensors'))).get('steps')!.dtype).to.equal('int64');
    write('beyond.safetensors', [1, 65_520]);
    const error = await convertWeights(at('beyond.safetensors'), at('beyond.npz'), {
      precision: 'float16',
    }).catch((e: Error) => e);
    expect(error).to.be.instanceOf(InputError);
    expect((error as Error).message).to.match(
      /beyond\.safetensors: x: 65520 does not fit float16 \(at most 65504\)/,
    );
    expect(existsSync(at('beyond.npz'))).to.equal(false);
  });

  it('refuses ONNX (naming export), an unknown ending, its own input and a folder, and leaves nothing behind', async () => {
    const refused = async (out: string, reason: RegExp, options = {}) => {
      const error = await convertWeights(tiny, out, options).catch((e: Error) => e);
      expect(error).to.be.instanceOf(InputError);
      expect((error as Error).message).to.match(reason);
    };
    await refused(at('x.onnx'), /alexnet export/);
    await refused(at('x.bin'), /written as \.safetensors/);
    await refused(tiny, /would overwrite an input/);
    await refused(join(folder, 'none', 'x.npz'), /folder does not exist/);
    await refused(at('x.npz'), /name it with --network/, { channels: 'RGB' });
    await refused(at('x.npz'), /no weight can carry/, { network: 'bvlc-alexnet', to: 'alexnet2012' });
    await refused(at('x.npz'), /unknown network/, { network: 'nope' });
    await refused(at('x.npy'), /one array is written/);
    expect(existsSync(at('x.npz'))).to.equal(false);
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).to.deep.equal([]);
  });
});

/** What a photo of these pixels (RGB, 0..255, the crop already taken) becomes. */
function feed(pixels: Float64Array, { channels, range, mean, deviation }: Preprocess, side: number): Tensor {
  const area = side * side;
  const data = pixels.map((_, i) => {
    const c = Math.floor(i / area);
    const from = channels === 'RGB' ? c : 2 - c;
    return ((pixels[from * area + (i % area)] * range) / 255 - mean[c]) / deviation[c];
  });
  return tensor(data, [1, 3, side, side]);
}

describe('conversions of convention', () => {
  const pixels = (side: number) => new Float64Array(3 * side * side).map((_, i) => (i * 7919) % 256);
  const fitted = async (name: string) => {
    const { weights, network } = await loadWeights(tiny, bvlc);
    const own = networkNamed(name);
    const arrays = new Map([...weights].map(([key, t]) => [key, fromTensor(t)]));
    if (name === 'bvlc-alexnet') return { network, arrays };
    // the same widths with the other network's geometry, weights repeated cyclically
    const widths = new Map(
      network.layers.map((layer) => [layer.name, 'channels' in layer ? layer.channels : 0]),
    );
    const layers = own.layers.map((layer) =>
      'channels' in layer ? { ...layer, channels: widths.get(layer.name) as number } : layer,
    );
    const narrow: Network = { ...own, layers };
    const { weightShapes } = await import('../../../lib/fast/oracle.ts');
    const made = [...weightShapes(narrow)].map(([key, shape]): [string, NumericValue] => {
      const from = arrays.get(key)!.data as Float32Array;
      const data = new Float32Array(shape.reduce((a, b) => a * b, 1)).map((_, i) => from[i % from.length]);
      return [key, { dtype: 'float32', shape, data }];
    });
    return { network: narrow, arrays: new Map(made) };
  };
  /**
   * Scaled so that activations stay in a usual range; float64, so that rounding cannot hide a wrong
   * formula.
   */
  const wide = (arrays: ReadonlyMap<string, NumericValue>) =>
    new Map(
      [...arrays].map(([key, { shape, data }]): [string, NumericValue] => {
        return [
          key,
          {
            dtype: 'float64',
            shape,
            data: new Float64Array(data as Float32Array).map((v) => v / 200 + 1e-3),
          },
        ];
      }),
    );
  const run = (network: Network, arrays: ReadonlyMap<string, NumericValue>, preprocess: Preprocess) => {
    const weights = new Map([...arrays].map(([key, array]) => [key, toTensor(array)]));
    const x = feed(pixels(network.input[1]), preprocess, network.input[1]);
    let logits: Tensor = x;
    forward(network, weights, x, {
      precision: 'float64',
      trace: (layer, y) => layer.name === 'fc8' && (logits = y),
    });
    return [...dense(logits)];
  };

  const wishes: [string, string, Wish][] = [
    ['BGR to RGB', 'bvlc-alexnet', { channels: 'RGB' }],
    ['0..255 to 0..1', 'bvlc-alexnet', { range: 1 }],
    ['a mean pixel folded', 'bvlc-alexnet', { fold: ['mean'] }],
    ['mean folded, then RGB 0..1', 'bvlc-alexnet', { fold: ['mean'], channels: 'RGB', range: 1 }],
    ["dropout's ½ folded out", 'bvlc-alexnet', { dropout: 'paper' }],
    ["dropout's ½ folded in", 'alexnet2012', { dropout: 'inverted' }],
    ['RGB to BGR', 'torchvision', { channels: 'BGR' }],
    ['0..1 to 0..255', 'torchvision', { range: 255 }],
    ['deviation folded', 'torchvision', { fold: ['deviation'] }],
    [
      'everything that a padded conv1 allows',
      'torchvision',
      { fold: ['deviation'], channels: 'BGR', range: 255, dropout: 'paper' },
    ],
  ];
  for (const [what, name, wish] of wishes) {
    it(`${what} keeps ${name}'s function of a photo`, async () => {
      const { network, arrays } = await fitted(name);
      const before = run(network, wide(arrays), network.preprocess);
      const made = convertConventions(network, wide(arrays), network.preprocess, wish);
      expect(made.notes.length).to.be.greaterThan(0);
      const after = run(made.network, made.arrays, made.preprocess);
      const scale = Math.max(...before.map(Math.abs));
      // float64 weights and values: differently rounded by 2⁻⁵³ a term, a few thousand terms a sum, eight
      // layers
      for (const [i, value] of before.entries())
        expect(Math.abs(after[i] - value)).to.be.at.most(1e-11 * scale);
      const unconverted = run(made.network, wide(arrays), made.preprocess);
      expect(Math.max(...before.map((value, i) => Math.abs(unconverted[i] - value)))).to.be.greaterThan(
        1e-6 * scale,
      );
    });
  }

  it('rounds a float32 weight once: conv1 stays within u·(Σ|w·x| + |b′|)', async () => {
    const { network, arrays } = await fitted('bvlc-alexnet');
    const made = convertConventions(network, arrays, network.preprocess, { fold: ['mean'], range: 1 });
    const [conv1] = network.layers;
    const conv = (from: ReadonlyMap<string, NumericValue>, x: Tensor, f = (v: number) => v) => {
      const weights = new Map(
        ['conv1.weight', 'conv1.bias'].map((key) => {
          const { data, shape } = toTensor(from.get(key)!);
          return [key, tensor(new Float64Array(data).map(f), shape)];
        }),
      );
      return dense(runLayer(conv1, [x], weights, 'float64'));
    };
    const x = feed(pixels(227), made.preprocess, 227);
    const before = conv(arrays, feed(pixels(227), network.preprocess, 227));
    const after = conv(made.arrays, x);
    const bound = conv(made.arrays, x, Math.abs); // x ≥ 0: the mean is folded
    for (const [i, value] of before.entries()) {
      expect(Math.abs(after[i] - value)).to.be.at.most(2 ** -24 * (1 + 2 ** -20) * bound[i]);
    }
  });

  it('refuses a mean in a padded conv1, a mean image, and the constants of LRN', async () => {
    const { network, arrays } = await fitted('torchvision');
    const change =
      (wish: Wish, preprocess = network.preprocess) =>
      () =>
        convertConventions(network, arrays, preprocess, wish);
    expect(change({ fold: ['mean'] })).to.throw(
      /conv1 of torchvision has pads \[2,2,2,2\]: a mean cannot be folded/,
    );
    expect(change({ range: 255 }, { ...network.preprocess, meanImage: 'required' })).to.throw(/mean image/);
    expect(difference(bvlc, networkNamed('caffenet'))).to.match(
      /norm1 of bvlc-alexnet is not pool1 of caffenet/,
    );
    expect(difference(networkNamed('alexnet2012'), bvlc)).to.match(/no weight can carry the constants/);
    expect(difference(bvlc, bvlc)).to.equal(null);
  });
});

describe('weights diff', () => {
  it('counts ULPs, tells −0 from +0, and lets NaN equal NaN', async () => {
    const put = (name: string, values: number[]) => {
      writeFileSync(
        at(name),
        writeSafetensors([['x', fromTensor(tensor(Float32Array.from(values), [values.length]))]]),
      );
      return at(name);
    };
    const a = put('1.st', [1, 1, 0, Number.NaN, -1]);
    const [same] = (await diffWeights(a, put('2.st', [1, 1, 0, Number.NaN, -1]))).tensors;
    expect(same).to.include({ differing: 0, ulps: 0 });
    const [diff] = (await diffWeights(a, put('3.st', [1 + 3 * 2 ** -23, 1, -0, Number.NaN, -1 - 2 ** -22])))
      .tensors;
    expect(diff).to.deep.include({ differing: 3, ulps: 3, at: 0, absolute: 3 * 2 ** -23 });
    const [across] = (await diffWeights(put('4.st', [2 ** -149]), put('5.st', [-(2 ** -149)]))).tensors;
    expect(across.ulps).to.equal(3);
    const [nan] = (await diffWeights(put('6.st', [1]), put('7.st', [Number.NaN]))).tensors;
    expect(nan).to.include({ differing: 1, ulps: Infinity });
    const [shape] = (await diffWeights(put('8.st', [1]), put('9.st', [1, 2]))).tensors;
    expect(shape.ulps).to.equal(Infinity);
  });
});

describe('weights inspect', () => {
  it('names layers, transpositions and what the file cannot tell', async () => {
    const found = await inspectWeights(tiny.replace('tiny.npz', 'guerzhoy.npy'));
    expect(found.format).to.equal('npy of objects');
    expect(found.tensors.find(({ name }) => name === 'fc6/0')).to.deep.include({
      layer: 'fc6.weight',
      shape: [144, 8],
    });
    expect(found.networks).to.include('bvlc-alexnet').and.not.include('torchvision');
    expect(found.notes.join())
      .to.match(/channel order and range .*BGR/)
      .and.match(/½ is folded/);
    const misfit = await inspectWeights(tiny, 'torchvision').catch((e: Error) => e);
    expect((misfit as Error).message).to.match(/'conv2.weight' \[4,2,5,5\] cannot belong to torchvision/);
  });
});
