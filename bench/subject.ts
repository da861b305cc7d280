/** What all engines compute: a network with the same weights (seed 0, Kaiming) and the same noise for input. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { modelOf } from '../lib/networks/modelfile.ts';
import { writeModelFile } from '../lib/onnx/files.ts';
import type { Network } from '../reference/networks/layers.ts';
import { type Weights, weightShapes } from '../reference/oracle.ts';
import { fillNormals, streamOf } from '../reference/random.ts';
import { dense, sizeOf, tensor } from '../reference/tensor.ts';
import { initialise } from '../reference/training/init.ts';

const folder = fileURLToPath(new URL('./peers/models/', import.meta.url));

/** The network's ONNX file. */
export const modelPath = (network: Network): string => `${folder}${network.name}.onnx`;
const weightsPath = (network: Network): string => `${folder}${network.name}.f32`;

/** Writes the model and the weights, unless they are there. */
export async function prepare(network: Network): Promise<void> {
  if (existsSync(modelPath(network)) && existsSync(weightsPath(network))) return;
  mkdirSync(folder, { recursive: true });
  const weights = initialise(network, 0, 'kaiming');
  await writeModelFile(modelPath(network), modelOf(network, weights, { source: 'seed 0, kaiming' }));
  const values = [...weightShapes(network).keys()].map((name) => dense(weights.get(name)!));
  const all = new Float32Array(values.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const one of values) {
    all.set(one, at);
    at += one.length;
  }
  writeFileSync(weightsPath(network), new Uint8Array(all.buffer));
}

export function weightsOf(network: Network): Weights {
  const { buffer, byteOffset, byteLength } = readFileSync(weightsPath(network));
  const all = new Float32Array(buffer, byteOffset, byteLength / 4);
  let at = 0;
  return new Map(
    [...weightShapes(network)].map(([name, shape]) => {
      const values = all.subarray(at, (at += sizeOf(shape)));
      return [name, tensor(values, shape)];
    }),
  );
}

/** `batch` images of normal noise, (N,C,H,W). */
export function inputOf(network: Network, batch: number): Float32Array<ArrayBuffer> {
  const values = new Float32Array(batch * sizeOf(network.input));
  fillNormals(values, 1, streamOf('input'), 1);
  return values;
}
