/** What a served model makes of an input: its outputs are a dump like any other. */
import type { Tensor } from '../../../reference/tensor.ts';
import { fromTensor, type NumericValue, narrowed, type Value } from '../../array/value.ts';
import { InputError } from '../../errors.ts';
import { readInput } from '../../networks/input.ts';
import { type Endpoint, openEndpoint } from '../../web/inference.ts';
import { batchesOf, joinedBatches } from '../batches.ts';
import type { VerifyOptions } from '../options.ts';
import type { Pair } from '../pairing.ts';
import { asBytes } from '../pictures.ts';
import { sameBits } from '../rows.ts';
import type { ServedBy } from '../verification.ts';
import type { Dump } from './read.ts';

export interface ServedValues {
  readonly dump: Dump;
  readonly input: Tensor;
  readonly source: string;
  readonly served: ServedBy;
  /** Outputs that were not the same bits in every repetition. */
  readonly unstable: readonly string[];
}

/**
 * Sends the input, `batch` images a request (as many as the server takes), `repeat` times. Throws InputError where the
 * model does not take the network's input, EnvironmentError where the server fails.
 */
export async function fromEndpoint(pair: Pair, options: VerifyOptions): Promise<ServedValues> {
  const { pixels } = pair.input;
  const { input: from, seed, log, repeat = 1 } = options;
  const endpoint = await openEndpoint(options.endpoint!);
  const { served, address } = endpoint;
  const { maxBatch } = served;
  const fixed = served.inputs[0].shape[0] > 0 ? served.inputs[0].shape[0] : undefined;
  const { batch = fixed } = options;
  const { tensor: input, source } = await readInput(pair.network, { from, seed, batch, log, pixels });
  const N = input.shape[0];
  const images = Math.min(batch ?? N, maxBatch ?? N, N);
  if (batch !== undefined && maxBatch !== undefined && batch > maxBatch)
    throw new InputError(`--batch ${batch}: ${address} takes ${maxBatch} images a request at most`);
  if (fixed !== undefined && N % fixed !== 0)
    throw new InputError(`${address} takes ${fixed} images a request: give a multiple of them, not ${N}`);
  const feeds = feedOf(endpoint, pair, input);
  const times: number[] = [];
  const once = async (): Promise<Dump> => {
    const parts: Dump[] = [];
    for (const some of batchesOf(feeds, images)) {
      const { values, milliseconds } = await endpoint.infer(some as Dump);
      const rows = [...some.values()][0].shape[0];
      for (const [name, { shape }] of values)
        if (shape[0] !== rows && shape[0] !== rows * (pixels?.views ?? 1))
          throw new InputError(`${address}: its output '${name}' is [${shape}], not one row an image`);
      times.push(milliseconds);
      parts.push(values);
    }
    return new Map([...parts[0].keys()].map((name) => [name, whole(parts.map((part) => part.get(name)!))]));
  };
  const dump = await once();
  const unstable = new Set<string>();
  for (let i = 1; i < repeat; i++)
    for (const [name, again] of await once()) if (!sameBits(dump.get(name), again)) unstable.add(name);
  const milliseconds = times.toSorted((a, b) => a - b)[times.length >> 1];
  const { name: model, platform } = served;
  const timed = { images, milliseconds, requests: times.length };
  return {
    dump,
    input,
    source,
    served: { address, model, platform, maxBatch: maxBatch ?? null, ...timed },
    unstable: [...unstable],
  };
}

const whole = (parts: readonly Value[]): NumericValue => joinedBatches(parts) as NumericValue;

/** Without its file nobody knows what a model does to pictures. */
const PICTURES = '; of a model that takes pictures give the file too: verify MODEL.onnx --endpoint URL';

function feedOf({ address, served }: Endpoint, { network, input: { pixels } }: Pair, input: Tensor): Dump {
  const [port, ...others] = served.inputs;
  const wanted = [input.shape[0], ...(pixels ? input.shape.slice(1) : network.input)];
  const type = pixels ? 'uint8' : 'float32 or float16';
  const fits =
    port.shape.length === wanted.length &&
    port.shape.every((n, axis) => n < 0 || axis === 0 || n === wanted[axis]);
  if (others.length > 0 || !fits || !type.split(' or ').includes(port.dtype))
    throw new InputError(
      `${address} takes ${served.inputs.map((p) => `'${p.name}' ${p.dtype} [${p.shape}]`).join(', ')}: ` +
        `${network.name} takes one input, ${type} [−1,${wanted.slice(1)}]${port.dtype === 'uint8' ? PICTURES : ''}`,
    );
  if (pixels) return new Map([[port.name, asBytes(input)]]);
  const value = fromTensor(input);
  return new Map([[port.name, port.dtype === 'float16' ? narrowed({ ...value, dtype: 'float16' }) : value]]);
}

/** Two lines for people. */
export const servedNotes = ({ address, model, platform, maxBatch, images, ...time }: ServedBy): string[] => [
  `endpoint: ${address}: ${model} (${platform})${maxBatch === null ? '' : `, ${maxBatch} images a request at most`}`,
  `latency: ${time.milliseconds.toPrecision(3)} ms for ${images} image${images === 1 ? '' : 's'}` +
    `${time.requests > 1 ? `, median of ${time.requests} requests` : ', one request'}`,
];
