/**
 * cuda-convnet's layers as one net: towers a and b become groups.
 *
 * Each layer has a weight matrix (in, out) for every input. The inputs' rows are stacked in the order of
 * the towers that they come from, which may differ from the order in the file (configuration 145's second
 * fully connected layer of tower b lists b before a: layers-145.cfg, fc2048bb); then the columns of tower a
 * come before those of tower b.
 */
import type { Storage } from '../../reference/tensor.ts';
import { room } from '../array/dtype.ts';
import { floatValue, type LazyValue, widen } from '../array/value.ts';
import type { CudaLayer } from './pickled.ts';

/** 'conv1a' → ['conv1', 'a']; the tower is '' where the name has none. */
function split(name: string, all: ReadonlySet<string>): [string, string] {
  const tower = /[ab]$/.exec(name)?.[0];
  if (!tower) return [name, ''];
  const base = name.slice(0, -1);
  return all.has(`${base}${tower === 'a' ? 'b' : 'a'}`) ? [base, tower] : [name, ''];
}

/**
 * '<layer>/0' (in, out) and '<layer>/1' as if there were no towers, values unread. Throws Error, naming the layer,
 * where the blocks do not fit together.
 */
export function mergeTowers(layers: readonly CudaLayer[]) {
  const names = new Set(layers.map(({ name }) => name));
  const bases = new Map<string, CudaLayer[]>();
  for (const layer of layers) {
    const [base] = split(layer.name, names);
    bases.set(base, [...(bases.get(base) ?? []), layer]);
  }
  const tensors = new Map<string, LazyValue>();
  const notes: string[] = [];
  for (const [base, towers] of bases) {
    towers.sort((a, b) => (a.name < b.name ? -1 : 1));
    const columns = towers.map((layer) => rows(layer, notes));
    const biases = towers.map((layer) => row(layer.biases));
    tensors.set(`${base}/0`, join(base, columns, 1)).set(`${base}/1`, join(base, biases, 1));
    if (towers.length > 1) notes.push(`${base}: towers ${towers.map(({ name }) => name).join(', ')} joined`);
  }
  return { tensors, notes };
}

/** A layer's weight blocks stacked, those from tower a first. */
function rows(layer: CudaLayer, notes: string[]): LazyValue {
  const { name, weights, inputs } = layer;
  if (weights.length === 1) return weights[0];
  const order = weights.map((_, index) => index);
  const tower = (index: number) => /[ab]$/.exec(inputs[index] ?? '')?.[0] ?? '';
  order.sort((a, b) => (tower(a) < tower(b) ? -1 : tower(a) > tower(b) ? 1 : a - b));
  if (order.some((place, index) => place !== index)) {
    const there = inputs.join(', ');
    notes.push(`${name}: its inputs are ${there} in the file; brought to the order of the towers`);
  }
  const stacked = order.map((index) => weights[index]);
  return join(name, stacked, 0);
}

/** (1, K), whatever the file's shape of a bias. */
function row(biases: LazyValue): LazyValue {
  const shape = [1, biases.shape.reduce((a, b) => a * b, 1)];
  return { ...biases, shape, read: () => ({ ...biases.read(), shape }) };
}

/** Matrices joined along an axis. */
function join(name: string, blocks: readonly LazyValue[], axis: 0 | 1): LazyValue {
  if (blocks.length === 1) return blocks[0];
  const other = 1 - axis;
  if (blocks.some(({ shape }) => shape.length !== 2 || shape[other] !== blocks[0].shape[other])) {
    const shapes = blocks.map(({ shape }) => `[${shape}]`).join(' ');
    throw new Error(`${name}: blocks of shapes ${shapes} do not fit`);
  }
  const total = blocks.reduce((sum, { shape }) => sum + shape[axis], 0);
  const shape = axis === 0 ? [total, blocks[0].shape[1]] : [blocks[0].shape[0], total];
  const dtype = blocks.every((block) => block.dtype !== 'float64') ? 'float32' : 'float64';
  const read = () => {
    const data = room(dtype, shape[0] * shape[1]) as Storage;
    let start = 0;
    for (const block of blocks) {
      const [R, K] = block.shape;
      const values = widen(block.read());
      for (let r = 0; r < R; r++) data.set(values.subarray(r * K, (r + 1) * K), start + r * shape[1]);
      start += axis === 0 ? R * K : K;
    }
    return floatValue(data, shape);
  };
  return { dtype, shape, read };
}
