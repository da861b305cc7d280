/**
 * A model that a server runs, over the Open Inference Protocol's REST interface (also called KServe v2), with Triton's
 * extensions for binary tensors, model configurations and the list of models where the server says it has them.
 *
 * Sources: kserve/open-inference-protocol, specification/protocol/inference_rest.md; triton-inference-server/server,
 * docs/protocol: extension_binary_data.md, extension_model_configuration.md, extension_model_repository.md.
 */
import type { IncomingMessage } from 'node:http';
import { codeOf, dtypeOfCode, type NumericDType, viewAs } from '../array/dtype.ts';
import { byteSize, bytesView, type NumericValue } from '../array/value.ts';
import { EnvironmentError, InputError } from '../errors.ts';
import { ask, type Message, type WebOptions } from './http.ts';

export interface ServedTensor {
  readonly name: string;
  readonly dtype: NumericDType;
  /** −1 is any extent. */
  readonly shape: readonly number[];
}

export interface Served {
  readonly name: string;
  /** The server's word for what runs it, e.g. onnxruntime_onnx. */
  readonly platform: string;
  readonly inputs: readonly ServedTensor[];
  readonly outputs: readonly ServedTensor[];
  /** Images a request takes at most, where the server says. */
  readonly maxBatch?: number;
}

export interface Endpoint {
  /** The model's own address. */
  readonly address: string;
  readonly served: Served;
  /**
   * One request for these outputs (default: all), and the milliseconds that it took. Throws EnvironmentError, in one
   * line with the address, for whatever goes wrong.
   */
  infer(feeds: Feeds, outputs?: readonly string[]): Promise<{ values: Feeds; milliseconds: number }>;
}

type Feeds = ReadonlyMap<string, NumericValue>;

/** Of one answer. A network's layers are some 6 MB an image. */
const MOST_BYTES = 2 ** 30;

/**
 * `address`: http://HOST:PORT/v2/models/NAME[/versions/N], or http://HOST:PORT of a server of one model. InputError
 * where the address is none, EnvironmentError where the server or the model is not there, not ready or not of this
 * protocol.
 */
export async function openEndpoint(address: string, options: WebOptions = {}): Promise<Endpoint> {
  const base = baseOf(address);
  const request = (path: string, message?: Message) => ask(`${base.server}${path}`, options, message);
  const json = async (path: string, message?: Message) => jsonOf(await request(path, message));

  const within = async <T>(what: string, run: () => Promise<T>): Promise<T> => {
    try {
      return await run();
    } catch (error) {
      throw new EnvironmentError(`${what}: ${(error as Error).message}`);
    }
  };
  const server = await within(base.server, async () => {
    const { status } = await request('/v2/health/ready').then(drained);
    if (status !== 200 && status !== 404) throw new Error(`the server is not ready (it answers ${status})`);
    return json('/v2').catch(() => ({}) as Json); // who does not say gets JSON alone
  });
  const model =
    base.model ??
    (await within(base.server, async () =>
      onlyModel(await json('/v2/repository/index', { body: utf8({}) })),
    ));
  const own = `${base.server}${model}`;
  const served = await within(own, async () => {
    const { status } = await request(`${model}/ready`).then(drained);
    if (status !== 200 && status !== 404)
      throw new Error(`the model is not ready (the server answers ${status})`);
    const told = servedOf(await json(model));
    const config = await json(`${model}/config`).catch(() => ({}));
    const [limit] = [config.max_batch_size, told.inputs[0]?.shape[0]].filter((n) => Number(n) > 0);
    return limit === undefined ? told : { ...told, maxBatch: Number(limit) };
  });
  const binary = listOf(server.extensions).some((name) => String(name).startsWith('binary_tensor_data'));

  return {
    address: own,
    served,
    infer: (feeds, outputs = served.outputs.map(({ name }) => name)) =>
      within(own, async () => {
        const message = messageOf(feeds, outputs, binary);
        const start = performance.now();
        const answer = await read(await request(`${model}/infer`, message));
        const milliseconds = performance.now() - start;
        return { values: valuesOf(answer, outputs), milliseconds };
      }),
  };
}

function baseOf(address: string): { readonly server: string; readonly model?: string } {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (!url || !/^https?:$/.test(url.protocol))
    throw new InputError(`'${address}' is not an address: http://HOST:PORT/v2/models/NAME`);
  const path = url.pathname.replace(/\/+$/, '').replace(/\/infer$/, '');
  const [, before, model] = /^(.*?)(\/v2\/models\/[^/]+(?:\/versions\/[^/]+)?)?$/.exec(path)!;
  if (/\/v2(\/|$)/.test(before))
    throw new InputError(`'${address}' names no model: http://HOST:PORT/v2/models/NAME[/versions/N]`);
  return { server: `${url.origin}${before}`, model };
}

function onlyModel(index: unknown): string {
  const ready = listOf(index).filter(({ state }) => state === undefined || state === 'READY');
  const names = [...new Set(ready.map(({ name }) => String(name)))];
  if (names.length === 1) return `/v2/models/${encodeURIComponent(names[0])}`;
  throw new Error(
    names.length === 0
      ? 'the server has no model that is ready'
      : `the server has ${names.length} models (${names.slice(0, 5).join(', ')}): name one, …/v2/models/${names[0]}`,
  );
}

// biome-ignore lint/suspicious/noExplicitAny: somebody else's JSON, of which every field is checked where it is used
type Json = any;

const listOf = (list: unknown): Json[] => (Array.isArray(list) ? list : []);

function servedOf({ name, platform, inputs, outputs }: Json): Served {
  const tensorOf = (t: Json): ServedTensor => {
    const dtype = dtypeOfCode(String(t?.datatype), 'served');
    const shape = listOf(t?.shape).map(Number);
    if (!dtype || !shape.every(Number.isInteger))
      throw new Error(`its metadata give '${t?.name}' as ${t?.datatype} [${t?.shape}]`);
    return { name: String(t.name), dtype, shape };
  };
  if (listOf(inputs).length === 0 || listOf(outputs).length === 0)
    throw new Error(
      'its metadata list no inputs or no outputs: not a model of the Open Inference Protocol v2',
    );
  const port = { inputs: listOf(inputs).map(tensorOf), outputs: listOf(outputs).map(tensorOf) };
  return { name: String(name), platform: String(platform ?? 'unknown'), ...port };
}

// ---- Messages

const LENGTH = 'inference-header-content-length';

/** Tensors after the JSON, in its order, as they lie in memory; without the extension as lists of numbers. */
function messageOf(feeds: Feeds, outputs: readonly string[], binary: boolean): Message {
  const inputs = [...feeds].map(([name, value]) => {
    const head = { name, shape: value.shape, datatype: codeOf(value.dtype, 'served') };
    if (binary) return { ...head, parameters: { binary_data_size: bytesView(value).length } };
    if (value.dtype.endsWith('float16'))
      throw new Error(`${value.dtype} cannot be sent: the server does not take binary tensors`);
    return { ...head, data: Array.from(value.data, Number) };
  });
  const wanted = outputs.map((name) => (binary ? { name, parameters: { binary_data: true } } : { name }));
  const head = utf8({ inputs, outputs: wanted });
  if (!binary) return { body: head, headers: { 'content-type': 'application/json' } };
  const body = Buffer.concat([head, ...[...feeds.values()].map(bytesView)]);
  return { body, headers: { 'content-type': 'application/octet-stream', [LENGTH]: String(head.length) } };
}

/** The outputs of an answer. Throws Error for one that is missing, is given twice or is not what its head says. */
function valuesOf({ body, headers }: Answer, wanted: readonly string[]): Map<string, NumericValue> {
  const length = headers[LENGTH];
  const head = length === undefined ? body.length : Number(length);
  if (!(head <= body.length))
    throw new Error(`the answer's head of ${length} bytes is longer than the answer`);
  let at = head;
  const values = new Map<string, NumericValue>();
  for (const { name, datatype, shape, data, parameters } of listOf(parsed(body.subarray(0, head)).outputs)) {
    const dtype = dtypeOfCode(String(datatype), 'served');
    const size = dtype && Array.isArray(shape) ? byteSize(dtype, shape) : Number.NaN;
    if (!dtype || !(size <= MOST_BYTES)) throw new Error(`the output '${name}' is ${datatype} [${shape}]`);
    if (values.has(name)) throw new Error(`the output '${name}' comes twice`);
    const bytes = parameters?.binary_data_size;
    const given = bytes === undefined ? fromNumbers(dtype, data) : body.subarray(at, at + Number(bytes));
    at += bytes === undefined ? 0 : Number(bytes);
    if (given.byteLength !== size)
      throw new Error(
        `the output '${name}', ${datatype} [${shape}], has ${given.byteLength} bytes and not ${size}`,
      );
    values.set(name, { dtype, shape, data: viewAs(dtype, given) });
  }
  if (at !== body.length) throw new Error(`the answer has ${body.length - at} bytes after its outputs`);
  for (const name of wanted) if (!values.has(name)) throw new Error(`the answer lacks the output '${name}'`);
  return values;
}

/** JSON's numbers, nested or flat. */
function fromNumbers(dtype: NumericDType, data: unknown): Uint8Array {
  if (dtype.endsWith('float16'))
    throw new Error(`${dtype} in JSON: the server must send it as a binary tensor`);
  const flat = listOf(data).flat(8);
  const numbers = viewAs(dtype, new Uint8Array(byteSize(dtype, [flat.length])));
  const wide = numbers instanceof BigInt64Array || numbers instanceof BigUint64Array;
  for (const [i, number] of flat.entries()) numbers[i] = wide ? (BigInt(number) as never) : (number as never);
  return new Uint8Array(numbers.buffer);
}

// ---- HTTP

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Uint8Array;
}

const utf8 = (value: object): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

/** The whole body of an answer of status 200. Throws Error with the server's own words where it is another. */
async function read(answer: IncomingMessage): Promise<Answer> {
  const { status, headers, body } = await drained(answer);
  if (status === 200) return { status, headers, body };
  let said: unknown;
  try {
    said = parsed(body).error;
  } catch {}
  const words = typeof said === 'string' ? `: ${said.replace(/\p{Cc}+/gu, ' ').slice(0, 300)}` : '';
  throw new Error(`the server answers ${status}${words}`);
}

async function drained(answer: IncomingMessage): Promise<Answer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of answer as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > MOST_BYTES) throw new Error(`the answer has more than ${MOST_BYTES} bytes`);
    parts.push(part);
  }
  const headers = answer.headers as Record<string, string>;
  return { status: answer.statusCode ?? 0, headers, body: Buffer.concat(parts) };
}

const jsonOf = async (answer: IncomingMessage): Promise<Json> => parsed((await read(answer)).body);

function parsed(body: Uint8Array): Json {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(body).toString('utf8'));
  } catch {}
  if (typeof value !== 'object' || value === null)
    throw new Error(
      'it answers with something else than JSON: not a server of the Open Inference Protocol v2',
    );
  return value;
}
