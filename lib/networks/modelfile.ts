/** The ONNX file of a network with its weights: what `alexnet export` writes and the other commands run. */
import { createHash } from 'node:crypto';
import { fromFloat16, toFloat16 } from '../../export/float16.ts';
import { buildModel, joined, type ModelFile } from '../../export/index.ts';
import { decodeModel, type ModelProto } from '../../export/proto.ts';
import { modelFile } from '../../export/write.ts';
import type { Network } from '../../reference/networks/layers.ts';
import type { Weights } from '../../reference/oracle.ts';
import { dense, type Tensor, tensor } from '../../reference/tensor.ts';
import { openFile } from '../disk/source.ts';
import { InputError } from '../errors.ts';
import { openModel } from '../format/onnx.ts';
import { CLASSES } from '../labels/labels.ts';

export interface ModelOptions {
  /** Where the weights come from, for the file's metadata: 'seed 0, kaiming' or a file's name. */
  readonly source: string;
  readonly classes?: readonly string[];
  /** 13 to 18; default 13. */
  readonly opset?: number;
  /** Images a batch, or 'dynamic' (default). */
  readonly batch?: number | 'dynamic';
  readonly lrn?: 'native' | 'decomposed';
  readonly precision?: 'float32' | 'float16';
  /** Name of the file beside the model that holds the weights; default: they are in the model. */
  readonly externalData?: string;
  /** For this process alone: nobody will hold the weights against their checksums, so there are none. */
  readonly passing?: boolean;
}

/** Metadata key under which the checksums of the weights stand. */
export const CHECKSUMS = 'weights.sha256';

/** The model, its metadata telling network, preprocessing, source and checksums of the weights. */
export function modelOf(network: Network, weights: Weights, options: ModelOptions): ModelFile {
  const { source, classes, passing = false, ...form } = options;
  const written = (t: Tensor): Tensor =>
    form.precision === 'float16' ? tensor(fromFloat16(toFloat16(dense(t))), t.shape) : t;
  const checksums = (): string =>
    JSON.stringify(Object.fromEntries([...weights].map(([name, t]) => [name, checksum(written(t))])));
  const metadata = {
    ...(passing ? {} : { [CHECKSUMS]: checksums() }),
    ...(classes ? { [CLASSES]: JSON.stringify(classes) } : {}),
  };
  return buildModel(network, weights, { ...form, weightsSource: source, metadata });
}

/** First 16 hexadecimal digits of the SHA-256 of a tensor's values as the file has them, as float32, little-endian. */
export function checksum(t: Tensor): string {
  const values = dense(t);
  const floats = values instanceof Float32Array ? values : Float32Array.from(values);
  return createHash('sha256')
    .update(new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength))
    .digest('hex')
    .slice(0, 16);
}

/**
 * A model file's bytes, external data taken in, and what they say. Throws InputError, naming the file, if it
 * is none, is damaged, or names files that are not beside it.
 */
export async function readModelFile(path: string): Promise<{ bytes: Uint8Array; model: ModelProto }> {
  const source = openFile(path);
  try {
    const lazy = openModel(source);
    const external = lazy.graph?.initializer.some(({ externalData }) => externalData.length > 0);
    const bytes = external ? joined(modelFile(lazy).chunks()) : source.read(0, source.size);
    return { bytes, model: decodeModel(bytes) };
  } catch (error) {
    throw error instanceof InputError ? error : new InputError(`${path}: ${(error as Error).message}`);
  } finally {
    source.close();
  }
}
