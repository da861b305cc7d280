/** What a served model makes of an input: its outputs are a dump like any other. */
import type { Network } from '../../../reference/networks/layers.ts';
import type { Tensor } from '../../../reference/tensor.ts';
import { fromTensor, type NumericValue, narrowed, type Value } from '../../array/value.ts';
import { InputError } from '../../errors.ts';
import { readInput } from '../../networks/input.ts';
import { type Endpoint, openEndpoint } from '../../web/inference.ts';
import { batchesOf, joinedBatches } from '../batches.ts';
import type { VerifyOptions } from '../options.ts';
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
export async function fromEndpoint(network: Network, options: VerifyOptions): Promise<ServedValues> {
  const { input: from, seed, log, repeat = 1 } = options;
  const endpoint = await openEndpoint(options.endpoint!);
  const { served, address } = endpoint;
  const { maxBatch } = served;
  const fixed = served.inputs[0].shape[0] > 0 ? served.inputs[0].shape[0] : undefined;
  const { batch = fixed } = options;
  const { tensor: input, source } = await readInput(network, { from, seed, batch, log });
  const N = input.shape[0];
  const images = Math.min(batch ?? N, maxBatch ?? N, N);
  if (batch !== undefined && maxBatch !== undefined && batch > maxBatch)
    throw new InputError(`--batch ${batch}: ${address} takes ${maxBatch} images a request at most`);
  if (fixed !== undefined && N % fixed !== 0)
    throw new InputError(`${address} takes ${fixed} images a request: give a multiple of them, not ${N}`);
  const feeds = feedOf(endpoint, network, input);
  const times: number[] = [];
  const once = async (): Promise<Dump> => {
    const parts: Dump[] = [];
    for (const some of batchesOf(feeds, images)) {
      const { values, milliseconds } = await endpoint.infer(some as Dump);
      for (const [name, { shape }] of values)
        if (shape[0] !== [...some.values()][0].shape[0])
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

function feedOf({ address, served }: Endpoint, network: Network, input: Tensor): Dump {
  const [port, ...others] = served.inputs;
  const wanted = [input.shape[0], ...network.input];
  const fits =
    port.shape.length === wanted.length &&
    port.shape.every((n, axis) => n < 0 || axis === 0 || n === wanted[axis]);
  if (others.length > 0 || !fits || !/^float(16|32)$/.test(port.dtype))
    throw new InputError(
      `${address} takes ${served.inputs.map((p) => `'${p.name}' ${p.dtype} [${p.shape}]`).join(', ')}: ` +
        `${network.name} takes one input, float32 or float16 [−1,${network.input}]`,
    );
  const value = fromTensor(input);
  return new Map([[port.name, port.dtype === 'float16' ? narrowed({ ...value, dtype: 'float16' }) : value]]);
}

/** Two lines for people. */
export const servedNotes = ({ address, model, platform, maxBatch, images, ...time }: ServedBy): string[] => [
  `endpoint: ${address}: ${model} (${platform})${maxBatch === null ? '' : `, ${maxBatch} images a request at most`}`,
  `latency: ${time.milliseconds.toPrecision(3)} ms for ${images} image${images === 1 ? '' : 's'}` +
    `${time.requests > 1 ? `, median of ${time.requests} requests` : ', one request'}`,
];
