import fs from 'node:fs';
import { expect } from 'chai';
import * as ort from 'onnxruntime-node';
import {
  buildGradients,
  buildStep,
  joined,
  type ModelFile,
  tap,
  type UpdateRule,
} from '../../export/index.ts';
import { fromTensor, type NumericValue } from '../../lib/array/value.ts';
import { cifarAlexnet } from '../../reference/networks/cifar.ts';
import type { Layer, Network } from '../../reference/networks/layers.ts';
import { weightShapes } from '../../reference/oracle.ts';
import { cast, map } from '../../reference/tensor.ts';
import { narrow, networkOf, random, randomWeights } from '../support/models.ts';
import { readNpz } from '../support/tensor-bytes.ts';

const folder = new URL('../../fixtures/export/training/', import.meta.url);

interface Net {
  readonly name: string;
  readonly batch: number;
  readonly input: [number, number, number];
  readonly layers: Layer[];
}
const nets: Net[] = JSON.parse(fs.readFileSync(new URL('nets.json', folder), 'utf8'));

/**
 * float32 against float64: a gradient passes some thousand roundings, each relative to a term of its own sum;
 * independent, they add as √1000·u ≈ 2e-6 of the tensor's norm.
 */
const TOLERANCE = 2e-6;

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).to.equal(b.length);
  let [error, norm] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    error += (a[i] - b[i]) ** 2;
    norm += b[i] ** 2;
  }
  return Math.sqrt(error / (norm || 1));
}

const widened = ({ data }: NumericValue): Float64Array => new Float64Array(data as Float32Array).map(Number);

const feedOf = ({ dtype, shape, data }: NumericValue): ort.Tensor =>
  new ort.Tensor(dtype as 'float32', data as Float32Array, shape as number[]);

async function sessionOf(file: ModelFile, optimised: boolean): Promise<ort.InferenceSession> {
  const graphOptimizationLevel = optimised ? 'all' : 'disabled';
  return ort.InferenceSession.create(joined(file.chunks()), { graphOptimizationLevel, logSeverityLevel: 3 });
}

const load = (net: Net): [Network, Map<string, NumericValue>] => [
  { ...networkOf(net.input, ...net.layers), name: net.name },
  readNpz(fs.readFileSync(new URL(`${net.name}.npz`, folder))),
];

describe('export/training: gradients', () => {
  for (const net of nets) {
    for (const [target, optimised] of [
      ['cpu', false],
      ['cpu', true],
      ['gpu', true],
      ['webgpu', true],
    ] as const) {
      it(`${net.name}, for a ${target}: loss, errors and every gradient are PyTorch's (optimisation ${optimised ? 'all' : 'off'})`, async () => {
        const [network, arrays] = load(net);
        const session = await sessionOf(buildGradients(network, { batch: net.batch, target }), optimised);
        const feeds = Object.fromEntries(session.inputNames.map((name) => [name, feedOf(arrays.get(name)!)]));
        const outputs = await session.run(feeds);
        await session.release();
        const parameters = [...weightShapes(network).keys()].map((name) => `d${name}`);
        expect(Object.keys(outputs).sort()).to.deep.equal(
          ['loss', 'wrong1', 'wrong5', 'dinput', ...parameters].sort(),
        );
        for (const [name, { data }] of Object.entries(outputs)) {
          const exact = widened(arrays.get(name)!);
          expect(distance(data as Float32Array, exact), name).to.be.below(TOLERANCE);
        }
      });
    }
  }
});

/** Every maximum of a window gets the window's gradient; windows reach into no padding here. */
function everyMaximum(
  x: ort.Tensor,
  dy: ort.Tensor,
  [R, S]: number[],
  [down, along]: number[],
): Float64Array {
  const [N, C, H, W] = x.dims;
  const [, , P, Q] = dy.dims;
  const dx = new Float64Array(x.size);
  for (let at = 0; at < N * C * P * Q; at++) {
    const [map, p, q] = [Math.floor(at / (P * Q)), Math.floor(at / Q) % P, at % Q];
    const inside: number[] = [];
    for (let h = p * down; h < Math.min(p * down + R, H); h++)
      for (let w = q * along; w < Math.min(q * along + S, W); w++) inside.push((map * H + h) * W + w);
    const best = Math.max(...inside.map((i) => x.data[i] as number));
    for (const i of inside) if (x.data[i] === best) dx[i] += dy.data[at] as number;
  }
  return dx;
}

describe('export/training: pooling', () => {
  /** dpool and dinput of a pooling layer of (2,C,H,W), and x. */
  async function gradientsBehind(
    pool: Layer,
    input: [number, number, number],
    values: (v: number) => number,
  ) {
    const network = networkOf(
      input,
      pool,
      { kind: 'flatten', name: 'flatten', attributes: { order: 'CHW' } },
      { kind: 'linear', name: 'fc', channels: 4 },
    );
    const file = buildGradients(network, { batch: 2 });
    const session = await ort.InferenceSession.create(tap(file.model, ['dpool']), { logSeverityLevel: 3 });
    const x = cast(map(random([2, ...input], 7, 2), values), 'float32');
    const parameters = [...randomWeights(network, 3)].map(([name, w]) => [name, feedOf(fromTensor(w))]);
    const labels = new ort.Tensor('int32', Int32Array.of(1, 3), [2]);
    const fed = { input: feedOf(fromTensor(x)), labels, ...Object.fromEntries(parameters) };
    const { dpool, dinput } = await session.run(fed);
    await session.release();
    return { x, dpool, dinput: dinput.data as Float32Array };
  }

  it('every maximum of a max-pooling window gets its gradient, and no value outside of it', async () => {
    const window = { kernel: [3, 2], stride: [2, 3], pad: [0, 0, 0, 0], rounding: 'onnx' } as const;
    const pool: Layer = { kind: 'maxpool', name: 'pool', attributes: window };
    const { x, dpool, dinput } = await gradientsBehind(pool, [3, 11, 10], Math.trunc);
    const exact = everyMaximum(feedOf(fromTensor(x)), dpool, [3, 2], [2, 3]);
    expect(distance(dinput, exact)).to.be.below(TOLERANCE);
  });

  it("an average by Caffe's divisor: the window up to the far edge of pads that differ", async () => {
    const window = { kernel: [3, 4], stride: [3, 3], pad: [1, 0, 2, 1], rounding: 'caffe' } as const;
    const pool: Layer = { kind: 'avgpool', name: 'pool', attributes: { ...window, divisor: 'caffe' } };
    const { dpool, dinput } = await gradientsBehind(pool, [2, 6, 5], Number);
    expect(dpool.dims).to.deep.equal([2, 2, 3, 2]);
    // rows −1 … 1, 2 … 4, 5 … 7 of −1 … 7, columns 0 … 3 and 3 … 5 of 0 … 5
    const divisors = [12, 9, 12, 9, 12, 9];
    const exact = new Float64Array(2 * 2 * 6 * 5);
    for (const [at, dy] of (dpool.data as Float32Array).entries()) {
      const [plane, window] = [Math.floor(at / 6), at % 6];
      const [top, left] = [3 * Math.floor(window / 2) - 1, 3 * (window % 2)];
      for (let h = Math.max(top, 0); h < Math.min(top + 3, 6); h++)
        for (let w = left; w < Math.min(left + 4, 5); w++)
          exact[(plane * 6 + h) * 5 + w] += dy / divisors[window];
    }
    expect(distance(dinput, exact)).to.be.below(TOLERANCE);
  });
});

describe('export/training: steps', () => {
  const net = nets[0];
  const factors = new Map([
    ['conv1.bias', { rate: 2, decay: 0 }],
    ['conv2.weight', { rate: 0.5, decay: 1 }],
    ['fc3.weight', { rate: 0.25, decay: 1.5 }],
    ['fc3.bias', { rate: 0, decay: 1 }],
  ]);
  for (const rule of ['paper', 'caffe', 'pytorch'] as UpdateRule[]) {
    it(`${rule}: three steps with rates, decays and a frozen bias end where PyTorch's do`, async () => {
      const [network, arrays] = load(net);
      const options = { batch: net.batch, rule, momentum: 0.9, weightDecay: 0.01, factors };
      const session = await sessionOf(buildStep(network, options), true);
      let state = new Map<string, ort.Tensor>();
      for (const name of session.inputNames) {
        const start = arrays.get(name.replace('.velocity', ''));
        if (!start) continue;
        const tensor = feedOf(start);
        state.set(name, name.endsWith('.velocity') ? zerosLike(tensor) : tensor);
      }
      for (const rate of [0.05, 0.1, 0.025]) {
        const learningRate = new ort.Tensor('float32', Float32Array.of(rate), []);
        const outputs = await session.run({ ...Object.fromEntries(state), learningRate });
        const next = Object.entries(outputs).filter(([name]) => name.endsWith('.next'));
        state = new Map([...state, ...next.map(([name, value]) => [name.slice(0, -5), value] as const)]);
      }
      await session.release();
      expect(state.has('fc3.bias.velocity')).to.equal(false);
      for (const name of weightShapes(network).keys()) {
        for (const value of [name, `${name}.velocity`]) {
          const found = state.get(value);
          if (!found) continue;
          const exact = widened(arrays.get(`${rule}/${value}`)!);
          expect(distance(found.data as Float32Array, exact), value).to.be.below(TOLERANCE);
        }
      }
      expect(state.size).to.equal(3 + 8 + 7);
    });
  }

  for (const steps of [3, 'dynamic'] as const)
    it(`three steps in a Loop (${steps}) are three single steps, bit for bit`, async () => {
      const [network, arrays] = load(net);
      const options = { batch: net.batch, weightDecay: 0.01, factors };
      const rates = [0.05, 0.1, 0.025];
      const one = await sessionOf(buildStep(network, options), true);
      const many = await sessionOf(buildStep(network, { ...options, steps }), true);
      const start = (name: string) => {
        const tensor = feedOf(arrays.get(name.replace('.velocity', ''))!);
        return name.endsWith('.velocity') ? zerosLike(tensor) : tensor;
      };
      const fixed = one.inputNames.filter((name) => name !== 'learningRate');
      let feeds = Object.fromEntries(fixed.map((name) => [name, start(name)]));
      const losses: number[] = [];
      for (const rate of rates) {
        const outputs = await one.run({
          ...feeds,
          learningRate: new ort.Tensor('float32', Float32Array.of(rate), []),
        });
        losses.push((outputs.loss.data as Float32Array)[0]);
        const next = Object.entries(outputs).filter(([name]) => name.endsWith('.next'));
        feeds = { ...feeds, ...Object.fromEntries(next.map(([name, value]) => [name.slice(0, -5), value])) };
      }
      const isState = (name: string) => /weight|bias/.test(name);
      const stacked = Object.fromEntries(
        fixed.map((name) => [name, isState(name) ? start(name) : threeTimes(start(name))]),
      );
      const learningRate = new ort.Tensor('float32', Float32Array.from(rates), [3]);
      const outputs = await many.run({ ...stacked, learningRate });
      expect([...(outputs.loss.data as Float32Array)]).to.deep.equal(losses);
      expect(outputs.wrong1.dims).to.deep.equal([3]);
      for (const [name, { data }] of Object.entries(feeds))
        if (isState(name) && outputs[`${name}.next`])
          expect(outputs[`${name}.next`].data, name).to.deep.equal(data);
      expect(Object.keys(outputs).length).to.equal(3 + 14);
      await one.release();
      await many.release();
      expect(() => buildStep(network, { ...options, steps: 0 })).to.throw(
        /^steps must be a positive integer/,
      );
    });

  it('a Loop with augmentation reads uint8 images and runs', async () => {
    const how = { crop: 28, offsets: 'all', mirror: true, chunk: 1, lighting: 'root' } as const;
    const options = { batch: 3, dropout: false, augment: { side: 32, how }, steps: 2 };
    const file = buildStep(narrow(cifarAlexnet), options);
    const session = await sessionOf(file, true);
    const byName = new Map(file.model.graph!.input.map(({ name, type }) => [name, type!.tensorType!]));
    const types = {
      1: ['float32', Float32Array],
      2: ['uint8', Uint8Array],
      6: ['int32', Int32Array],
    } as const;
    const feeds: Record<string, ort.Tensor> = {};
    for (const [name, { elemType, shape }] of byName) {
      const dims = shape!.dim.map(({ dimValue }) => dimValue!);
      const [type, Type] = types[elemType as 1 | 2 | 6];
      const values = random([dims.reduce((a, b) => a * b, 1)], 11, name === 'images' ? 127 : 0.2).data;
      const data =
        name === 'images' ? Array.from(values, (v) => v + 128) : elemType === 6 ? [] : Array.from(values);
      const whole = new Type(values.length);
      whole.set(name === 'mirrored' ? [1, 0, 0, 1, 1, 0] : data);
      feeds[name] = new ort.Tensor(type as 'float32', whole as Float32Array, dims);
    }
    expect(feeds.images.dims).to.deep.equal([2, 3, 3, 32, 32]);
    const { loss } = await session.run(feeds);
    await session.release();
    expect([...(loss.data as Float32Array)].every((v) => v > 0 && Number.isFinite(v))).to.equal(true);
  });

  it('momentum 0, with and without decay, is plain gradient descent', async () => {
    const [network, arrays] = load(net);
    for (const weightDecay of [0, 0.01]) {
      for (const rule of ['paper', 'caffe', 'pytorch'] as UpdateRule[]) {
        const file = buildStep(network, { batch: net.batch, rule, momentum: 0, weightDecay });
        const session = await sessionOf(file, false);
        const feeds = Object.fromEntries(
          session.inputNames
            .filter((name) => name !== 'learningRate')
            .map((name) => {
              const start = feedOf(arrays.get(name.replace('.velocity', ''))!);
              return [name, name.endsWith('.velocity') ? zerosLike(start) : start];
            }),
        );
        const outputs = await session.run({
          ...feeds,
          learningRate: new ort.Tensor('float32', Float32Array.of(0.1), []),
        });
        await session.release();
        for (const name of weightShapes(network).keys()) {
          const [w, dw] = [widened(arrays.get(name)!), widened(arrays.get(`d${name}`)!)];
          const exact = w.map((value, i) => value - 0.1 * (weightDecay * value + dw[i]));
          expect(distance(outputs[`${name}.next`].data as Float32Array, exact), name).to.be.below(TOLERANCE);
        }
      }
    }
  });

  it('without dropout there are no masks, and the loss is that of the whole net', async () => {
    const [network] = load(net);
    const file = buildStep(network, { batch: 2, dropout: false });
    const inputs = file.model.graph!.input.map(({ name }) => name);
    expect(inputs.filter((name) => name.includes('mask'))).to.deep.equal([]);
    expect(inputs.slice(0, 2)).to.deep.equal(['input', 'labels']);
  });

  it('computes no gradient below the last frozen layer', () => {
    const [network] = load(net);
    const frozen = new Map(
      [...weightShapes(network).keys()]
        .filter((name) => name.startsWith('conv'))
        .map((name) => [name, { rate: 0, decay: 0 }]),
    );
    const names = (file: ModelFile) => file.model.graph!.node.map(({ name }) => name);
    expect(names(buildStep(network, { batch: 2, factors: frozen }))).not.to.include('dconv2');
    expect(names(buildStep(network, { batch: 2 }))).to.include('dconv2');
  });

  it('refuses batches, rules and factors that make no sense', () => {
    const [network] = load(net);
    const refused = (options: object, reason: RegExp) =>
      expect(() => buildStep(network, { batch: 2, ...options })).to.throw(reason);
    refused({ batch: 0 }, /^batch must be a positive integer/);
    refused({ rule: 'adam' }, /^rule must be/);
    refused({ momentum: 1 }, /^momentum must be/);
    refused({ weightDecay: Number.NaN }, /^weightDecay must be/);
    refused({ factors: new Map([['conv9.bias', { rate: 1, decay: 1 }]]) }, /no parameter 'conv9.bias'/);
    refused({ factors: new Map([['conv1.bias', { rate: -1, decay: 1 }]]) }, /^conv1.bias: rate and decay/);
  });
});

function zerosLike({ dims }: ort.Tensor): ort.Tensor {
  const size = dims.reduce((product, dim) => product * dim, 1);
  return new ort.Tensor('float32', new Float32Array(size), dims);
}

function threeTimes({ type, data, dims }: ort.Tensor): ort.Tensor {
  const values = data as Float32Array;
  const all = new (values.constructor as Float32ArrayConstructor)(3 * values.length);
  for (const i of [0, 1, 2]) all.set(values, i * values.length);
  return new ort.Tensor(type as 'float32', all, [3, ...dims]);
}
