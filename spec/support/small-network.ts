/** A small network with weights and images, its values by the plain loops, and dumps of them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromTensor } from '../../lib/array/value.ts';
import {
  conv,
  dropout,
  flatten,
  linear,
  lrn,
  maxpool,
  type Network,
  relu,
} from '../../reference/networks/layers.ts';
import { forward } from '../../reference/oracle.ts';
import { dense, type Tensor, tensor } from '../../reference/tensor.ts';
import { initialise } from '../../reference/training/init.ts';
import { random } from './models.ts';
import { writeNpz } from './tensor-bytes.ts';

export const network: Network = {
  name: 'tiny',
  title: '',
  input: [2, 7, 6],
  layers: [
    conv('conv1', 4, 3),
    relu('relu1'),
    lrn('norm1'),
    maxpool('pool1', { kernel: [2, 2], stride: [1, 2] }),
    flatten('flat'),
    linear('fc2', 5),
    relu('relu2'),
    dropout('drop2', 'paper'),
    linear('fc3', 3),
  ],
  preprocess: { mean: [0, 0], deviation: [1, 1], range: 2 } as unknown as Network['preprocess'],
};
export const names = network.layers.map(({ name }) => name);
export const weights = initialise(network, 3, 'kaiming');
export const x = random([2, 2, 7, 6], 5);

/** The oracle's own values. */
export const chain = new Map<string, Tensor>([['input', x]]);
forward(network, weights, x, { precision: 'float32', trace: ({ name }, y) => void chain.set(name, y) });

/** A folder for a suite's dumps, and how one is written there. */
export function dumps() {
  const folder = mkdtempSync(join(tmpdir(), 'alexnet-dumps-'));
  after(() => rmSync(folder, { recursive: true }));
  let files = 0;
  const npz = (values: ReadonlyMap<string, Tensor>): string => {
    const path = join(folder, `${files++}.npz`);
    writeFileSync(path, writeNpz([...values].map(([name, t]) => [name, fromTensor(t)] as const)));
    return path;
  };
  return { folder, npz };
}

/** A copy with one value changed. */
export function changed(t: Tensor, at: number, by: (v: number) => number): Tensor {
  const values = Float32Array.from(dense(t));
  values[at] = by(values[at]);
  return tensor(values, t.shape);
}
