/** What the companion should show of the net in the box: by the oracle in Node, with none of the page's own code. */
import { readFileSync, writeFileSync } from 'node:fs';
import { unzipSync, zipSync } from 'fflate';
import { File as Hdf5, ready } from 'h5wasm';
import { buildModel } from '../../export/index.ts';
import { joined } from '../../export/wire.ts';
import { writeTensors } from '../../lib/disk/tensors.ts';
import { operations } from '../../lib/fast/index.ts';
import { madePhoto } from '../../lib/picture/photo.ts';
import { loadWeights } from '../../lib/weights/load.ts';
import { boxedWeights } from '../../lib/weights/shipped.ts';
import { preprocess } from '../../reference/input/preprocess.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { forward, shapes } from '../../reference/oracle.ts';
import { words } from '../../reference/random.ts';
import { dense, type Tensor, tensor } from '../../reference/tensor.ts';
import { backward } from '../../reference/training/gradient.ts';

/** A ship, which the net in the box takes for one. */
export const SHIP = 8;

/** Values and gradients. */
export async function oracle() {
  const { network, weights } = await loadWeights(boxedWeights('cifar-alexnet')!);
  const input = preprocess(madePhoto(), network.preprocess);
  const values = new Map<string, Tensor>([['input', input]]);
  forward(network, weights, input, { operations, trace: ({ name }, y) => void values.set(name, y) });
  const gradients = new Map<string, Tensor>();
  const found = backward(
    network,
    weights,
    { input, labels: [SHIP], dropout: 'none' },
    { operations, trace: ({ name }, _, dy) => void gradients.set(name, dy) },
  );
  gradients.set('input', found.dinput!);
  return { network, weights, values, gradients };
}

/** `count` places in a layer's output, drawn: the index, and the link that leads there. */
export function places(network: Network, layer: string, count: number): { index: number; query: string }[] {
  const [, ...shape] = shapes(network).get(layer)!;
  const size = shape.reduce((product, extent) => product * extent, 1);
  return [...words(3, layer.length, count)].map((word) => {
    const index = word % size;
    if (shape.length === 1) {
      const columns = Math.min(size, Math.max(10, Math.ceil(Math.sqrt(2 * size))));
      return { index, query: `row=${Math.floor(index / columns)}&column=${index % columns}` };
    }
    const [, H, W] = shape;
    const map = Math.floor(index / (H * W));
    return { index, query: `map=${map}&row=${Math.floor(index / W) % H}&column=${index % W}` };
  });
}

/** The tensors as datasets of a file. */
async function hdf5Of(tensors: ReadonlyMap<string, Tensor>): Promise<Uint8Array> {
  const { FS } = (await ready) as unknown as { FS: { readFile(path: string): Uint8Array } };
  const file = new Hdf5('/companion.h5', 'w');
  for (const [name, t] of tensors)
    file.create_dataset({ name, data: dense(t) as Float32Array, shape: [...t.shape] });
  file.close();
  return FS.readFile('/companion.h5');
}

type Known = Pick<Awaited<ReturnType<typeof oracle>>, 'network' | 'weights'>;

/** The box's weights, conv1's times `factor`, as a file (an .npz is deflated), and Node's probability of a ship. */
export async function altered({ network: own, weights: given }: Known, file: string, factor: number) {
  const tensors = new Map(given);
  const w = given.get('conv1.weight')!;
  const scaled = dense(w).map((v) => factor * v);
  tensors.set('conv1.weight', tensor(scaled, w.shape));
  if (file.endsWith('.onnx')) writeFileSync(file, joined(buildModel(own, tensors).chunks()));
  else if (file.endsWith('.h5')) writeFileSync(file, await hdf5Of(tensors));
  else await writeTensors(file, tensors);
  if (file.endsWith('.npz')) writeFileSync(file, zipSync(unzipSync(readFileSync(file))));
  const { network, weights } = await loadWeights(file, file.endsWith('.h5') ? own : undefined);
  const input = preprocess(madePhoto(), network.preprocess);
  return dense(forward(network, weights, input, { operations }))[SHIP];
}
