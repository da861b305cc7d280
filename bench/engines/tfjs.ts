/** TensorFlow.js: its WebAssembly and its plain JavaScript backend, images with channels last as it wants them. */
import { dirname } from 'node:path';
import type { Layer, Network } from '../../reference/networks/layers.ts';
import { dense } from '../../reference/tensor.ts';
import { requirePeer } from '../peers.ts';
import { weightsOf } from '../subject.ts';
import type { Open } from './engine.ts';

interface Value {
  readonly shape: number[];
  dataSync(): Float32Array;
}
type Pads = [number, number][] | 'valid';

interface Tf {
  enableProdMode(): void;
  setBackend(name: string): Promise<boolean>;
  tidy<T>(body: () => T): T;
  tensor(data: ArrayLike<number>, shape: readonly number[]): Value;
  transpose(x: Value, axes: number[]): Value;
  reshape(x: Value, shape: number[]): Value;
  conv2d(x: Value, w: Value, stride: readonly number[], pad: Pads): Value;
  split(x: Value, parts: number, axis: number): Value[];
  concat(values: Value[], axis: number): Value;
  add(a: Value, b: Value): Value;
  mul(a: Value, b: number | Value): Value;
  square(x: Value): Value;
  pow(x: Value, exponent: Value): Value;
  scalar(value: number): Value;
  keep(x: Value): Value;
  relu(x: Value): Value;
  maxPool(x: Value, kernel: readonly number[], stride: readonly number[], pad: Pads): Value;
  matMul(a: Value, b: Value, transposeA: boolean, transposeB: boolean): Value;
  softmax(x: Value): Value;
}

type Step = (x: Value) => Value;

export const openTfjs =
  (backend: 'wasm' | 'cpu'): Open =>
  async (network) => {
    const tf = requirePeer('@tensorflow/tfjs-core') as Tf;
    const plugin = requirePeer(`@tensorflow/tfjs-backend-${backend}`) as {
      setWasmPaths?(path: string): void;
    };
    plugin.setWasmPaths?.(`${dirname(requirePeer.resolve('@tensorflow/tfjs-backend-wasm'))}/`);
    tf.enableProdMode();
    await tf.setBackend(backend);
    const steps = stepsOf(tf, network);
    return {
      prepare(input, batch) {
        const x = tf.transpose(tf.tensor(input, [batch, ...network.input]), [0, 2, 3, 1]);
        x.dataSync();
        return () => tf.tidy(() => steps.reduce((value, step) => step(value), x).dataSync());
      },
    };
  };

function stepsOf(tf: Tf, network: Network): Step[] {
  const weights = weightsOf(network);
  const value = (name: string): Value => {
    const t = weights.get(name)!;
    return tf.tensor(dense(t), t.shape);
  };
  return network.layers.map((layer): Step => {
    const name = layer.name;
    switch (layer.kind) {
      case 'conv2d': {
        const { stride, pad, groups } = layer.attributes;
        const pads: Pads = [
          [0, 0],
          [pad[0], pad[2]],
          [pad[1], pad[3]],
          [0, 0],
        ];
        const filters = tf.split(tf.transpose(value(`${name}.weight`), [2, 3, 1, 0]), groups, 3);
        const bias = value(`${name}.bias`);
        return (x) => {
          const parts = groups === 1 ? [x] : tf.split(x, groups, 3);
          const products = parts.map((part, g) => tf.conv2d(part, filters[g], stride, pads));
          return tf.add(groups === 1 ? products[0] : tf.concat(products, 3), bias);
        };
      }
      case 'linear': {
        const matrix = value(`${name}.weight`);
        const bias = value(`${name}.bias`);
        return (x) => tf.add(tf.matMul(x, matrix, false, true), bias);
      }
      default:
        return stepWithoutWeights(tf, layer);
    }
  });
}

function stepWithoutWeights(tf: Tf, layer: Layer): Step {
  switch (layer.kind) {
    case 'relu':
      return (x) => tf.relu(x);
    case 'maxpool':
      return (x) => tf.maxPool(x, layer.attributes.kernel, layer.attributes.stride, 'valid');
    case 'lrn':
      return normalise(tf, layer);
    case 'flatten':
      // weights of the next layer are in the order of channels, rows, columns
      return (x) => tf.reshape(tf.transpose(x, [0, 3, 1, 2]), [x.shape[0], -1]);
    case 'dropout':
      return layer.attributes.convention === 'paper'
        ? (x) => tf.mul(x, 1 - layer.attributes.ratio)
        : (x) => x;
    case 'softmax':
      return (x) => tf.softmax(x);
    case 'adaptiveavgpool':
      return (x) => x; // 6 × 6 already
    default:
      throw new Error(`tfjs: there is no ${layer.kind} here`);
  }
}

/** The wasm backend has no LRN kernel: the window's sum is a 1 × 1 convolution with a band matrix over channels. */
function normalise(tf: Tf, { attributes }: Layer & { kind: 'lrn' }): Step {
  const { size, alpha, beta, k, divide } = attributes;
  const constant = tf.tensor([k], [1]);
  let band: Value | undefined;
  const bandOf = (C: number): Value => {
    const scale = divide ? alpha / size : alpha;
    const inside = (i: number) => Math.abs(Math.floor(i / C) - (i % C)) <= (size - 1) / 2;
    const values = new Float32Array(C * C).map((_, i) => (inside(i) ? scale : 0));
    return tf.keep(tf.tensor(values, [1, 1, C, C]));
  };
  return (x) => {
    band ??= bandOf(x.shape[3]);
    const s = tf.add(tf.conv2d(tf.square(x), band, [1, 1], 'valid'), constant);
    return tf.mul(x, tf.pow(s, tf.scalar(-beta)));
  };
}
