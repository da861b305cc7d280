/** The ONNX file of a network with its weights: what `alexnet export` writes and the other commands run. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { buildModel, type ModelFile } from '../export/index.ts';
import { decodeModel, type ModelProto } from '../export/proto.ts';
import type { Network } from '../reference/networks/layers.ts';
import type { Weights } from '../reference/oracle.ts';
import { dense, type Tensor } from '../reference/tensor.ts';
import { InputError } from './errors.ts';

export interface ModelOptions {
  /** Where the weights come from, for the file's metadata: 'seed 0, kaiming' or a file's name. */
  readonly source: string;
  /** 13 to 18; default 13. */
  readonly opset?: number;
  /** Images a batch, or 'dynamic' (default). */
  readonly batch?: number | 'dynamic';
  readonly lrn?: 'native' | 'decomposed';
  readonly precision?: 'float32' | 'float16';
  /** Name of the file beside the model that holds the weights; default: they are in the model. */
  readonly externalData?: string;
}

/** Metadata key under which the checksums of the weights stand. */
export const CHECKSUMS = 'weights.sha256';

/** The model, its metadata telling network, preprocessing, source and checksums of the weights. */
export function modelOf(network: Network, weights: Weights, options: ModelOptions): ModelFile {
  const { source, ...form } = options;
  const checksums = Object.fromEntries([...weights].map(([name, t]) => [name, checksum(t)]));
  const metadata = { [CHECKSUMS]: JSON.stringify(checksums) };
  return buildModel(network, weights, { ...form, weightsSource: source, metadata });
}

/** First 16 hexadecimal digits of the SHA-256 of a tensor's float32 values, little-endian. */
export function checksum(t: Tensor): string {
  const values = dense(t);
  const floats = values instanceof Float32Array ? values : Float32Array.from(values);
  return createHash('sha256')
    .update(new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength))
    .digest('hex')
    .slice(0, 16);
}

/** All of a model file's bytes in one piece of memory. */
export function bytesOf(file: ModelFile): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(file.byteLength);
  let at = 0;
  for (const chunk of file.chunks()) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** A model file's bytes and what they say. Throws InputError, naming the file, if it is none. */
export async function readModelFile(path: string): Promise<{ bytes: Uint8Array; model: ModelProto }> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    const known: Record<string, string> = {
      ENOENT: 'there is no such file',
      EISDIR: 'it is a folder, not a model (.onnx)',
    };
    throw new InputError(`${path}: ${known[error.code ?? ''] ?? error.message}`);
  });
  try {
    return { bytes, model: decodeModel(bytes) };
  } catch (error) {
    throw new InputError(`${path}: ${(error as Error).message}`);
  }
}
