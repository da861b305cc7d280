/**
 * cuda-convnet's layers as one net: towers a and b become groups.
 *
 * Each layer has a weight matrix (in, out) for every input. The inputs' rows are stacked in the order of
 * the towers that they come from, which may differ from the order in the file (configuration 145's second
 * fully connected layer of tower b lists b before a: layers-145.cfg, fc2048bb); then the columns of tower a
 * come before those of tower b.
 */
import { type LazyValue, type NumericValue, toTensor } from '../array/value.ts';
import type { CudaLayer } from './pickled.ts';

export interface Merged {
  /** '<layer>/0' (in, out) and '<layer>/1', as if there were no towers. */
  readonly tensors: ReadonlyMap<string, LazyValue>;
  readonly notes: readonly string[];
}

/** 'conv1a' → ['conv1', 'a']; the tower is '' where the name has none. */
function split(name: string, all: ReadonlySet<string>): [string, string] {
  const tower = /[ab]$/.exec(name)?.[0];
  if (!tower) return [name, ''];
  const base = name.slice(0, -1);
  return all.has(`${base}${tower === 'a' ? 'b' : 'a'}`) ? [base, tower] : [name, ''];
}

/** The layers merged, values unread. Throws Error, naming the layer, where the blocks do not fit together. */
export function mergeTowers(layers: readonly CudaLayer[]): Merged {
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
    tensors.set(`${base}/0`, join(base, columns, 1));
    tensors.set(
      `${base}/1`,
      join(
        base,
        towers.map(({ biases }) => row(biases)),
        1,
      ),
    );
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
    notes.push(
      `${name}: its inputs are ${inputs.join(', ')} in the file; brought to the order of the towers`,
    );
  }
  return join(
    name,
    order.map((index) => weights[index]),
    0,
  );
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
    throw new Error(
      `${name}: blocks of shapes ${blocks.map(({ shape }) => `[${shape}]`).join(' ')} do not fit`,
    );
  }
  const total = blocks.reduce((sum, { shape }) => sum + shape[axis], 0);
  const shape = axis === 0 ? [total, blocks[0].shape[1]] : [blocks[0].shape[0], total];
  const read = (): NumericValue => {
    const data = new Float64Array(shape[0] * shape[1]);
    let [top, left] = [0, 0];
    for (const block of blocks) {
      const [R, K] = block.shape;
      const values = toTensor(block.read()).data;
      for (let r = 0; r < R; r++) {
        for (let k = 0; k < K; k++) data[(top + r) * shape[1] + left + k] = values[r * K + k];
      }
      if (axis === 0) top += R;
      else left += K;
    }
    const narrow = blocks.every(({ dtype }) => dtype !== 'float64');
    return narrow
      ? { dtype: 'float32', shape, data: Float32Array.from(data) }
      : { dtype: 'float64', shape, data };
  };
  return { dtype: blocks.every(({ dtype }) => dtype !== 'float64') ? 'float32' : 'float64', shape, read };
}
