/** The ONNX file of a network with its weights: what `alexnet export` writes and the other commands run. */
import { createHash } from 'node:crypto';
import { fromFloat16, toFloat16 } from '../../export/float16.ts';
import { type BuildModelOptions, buildModel, type ModelFile } from '../../export/index.ts';
import { MEAN_IMAGE } from '../../export/pixels.ts';
import { type Pixels, pixelSteps } from '../../reference/input/pixels.ts';
import type { Network } from '../../reference/networks/layers.ts';
import type { Weights } from '../../reference/oracle.ts';
import { dense, type Tensor, tensor } from '../../reference/tensor.ts';
import { CLASSES } from '../labels/labels.ts';

export interface ModelOptions extends Omit<BuildModelOptions, 'weightsSource' | 'labels' | 'metadata'> {
  /** Where the weights come from, for the file's metadata: 'seed 0, kaiming' or a file's name. */
  readonly source: string;
  readonly classes?: readonly string[];
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
  const mean = form.meanImage && meanOf({ preprocess: network.preprocess, ...form });
  const checksums = (): string =>
    JSON.stringify({
      ...Object.fromEntries([...weights].map(([name, t]) => [name, checksum(written(t))])),
      ...(mean && { [MEAN_IMAGE]: checksum(mean) }),
    });
  const metadata = {
    ...(passing ? {} : { [CHECKSUMS]: checksums() }),
    ...(classes ? { [CLASSES]: JSON.stringify(classes) } : {}),
  };
  return buildModel(network, weights, { ...form, weightsSource: source, metadata });
}

/** The mean image as the graph has it. */
function meanOf(pixels: Pixels): Tensor | undefined {
  const step = pixelSteps(pixels).find(({ kind }) => kind === 'mean');
  return step && 'by' in step ? step.by : undefined;
}

/** First 16 hexadecimal digits of the SHA-256 of a tensor's values as the file has them, as float32, little-endian. */
export function checksum(t: Tensor): string {
  const values = dense(t);
  const floats = values instanceof Float32Array ? values : new Float32Array(values);
  return createHash('sha256')
    .update(new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength))
    .digest('hex')
    .slice(0, 16);
}
