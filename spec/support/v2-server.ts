/**
 * A server of one ONNX model, written from the text of the Open Inference Protocol v2 (inference_rest.md) and of
 * Triton's extensions for binary tensors, classification and model configurations. onnxruntime runs the model.
 */
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { NumericValue } from '../../lib/array/value.ts';
import type { Session } from '../../lib/runtime/session.ts';
import { asTensor, fromSession } from '../../lib/runtime/values.ts';
import { dense, type Tensor, tensor } from '../../reference/tensor.ts';

export interface ServerOptions {
  /** Takes and gives binary tensors; default true. */
  readonly binary?: boolean;
  readonly maxBatch?: number;
  readonly ready?: boolean;
  /** For classification. */
  readonly labels?: readonly string[];
  /** Further models in the list. */
  readonly others?: readonly string[];
  /** Changes what it would have answered. */
  readonly spoil?: (
    answer: { status: number; headers: Record<string, string>; body: Buffer },
    path: string,
  ) => void;
  /** Takes the answer over. */
  readonly instead?: (path: string, response: ServerResponse) => boolean;
}

type Wanted = { name: string; parameters?: { binary_data?: boolean; classification?: number } };

/** extension_classification.md: the `count` largest of each row, as 'value:index:label'. */
function classified(value: Tensor, count: number, labels: readonly string[]): object {
  const [N, K] = value.shape;
  const data = Array.from({ length: N }, (_, n) => {
    const row = [...dense(value).subarray(n * K, (n + 1) * K)].map((v, k) => ({ v, k }));
    const top = row.sort((a, b) => b.v - a.v).slice(0, count);
    return top.map(({ v, k }) => [v, k, ...(labels[k] === undefined ? [] : [labels[k]])].join(':'));
  });
  return { datatype: 'BYTES', shape: [N, count], data: data.flat() };
}

/** Serves models of float32, and of uint8 pictures, as `net`; returns the server's address. */
export async function serveModel(session: Session, options: ServerOptions = {}) {
  const { binary = true, maxBatch = 0, ready = true, others = [], labels = [], spoil, instead } = options;
  const seen: number[] = [];
  const ports = (list: Session['inputs']) =>
    list.map(({ name, type, shape }) => ({
      name,
      datatype: type === 'uint8' ? 'UINT8' : 'FP32',
      shape: shape.map((extent) => (typeof extent === 'number' ? extent : -1)),
    }));

  async function infer(request: IncomingMessage): Promise<{ headers: Record<string, string>; body: Buffer }> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const whole = Buffer.concat(chunks);
    const length = request.headers['inference-header-content-length'];
    let at = length === undefined ? whole.length : Number(length);
    const { inputs, outputs } = JSON.parse(whole.subarray(0, at).toString());
    const feeds = new Map();
    for (const { name, shape, datatype, data, parameters } of inputs) {
      if (!['FP32', 'UINT8'].includes(datatype)) throw new Error(`datatype ${datatype}`);
      const size = parameters?.binary_data_size;
      const bytes = Uint8Array.from(whole.subarray(at, at + (size ?? 0)));
      at += size ?? 0;
      const floats = () =>
        size === undefined ? Float32Array.from(data.flat(9)) : new Float32Array(bytes.buffer);
      feeds.set(name, datatype === 'FP32' ? tensor(floats(), shape) : { dtype: 'uint8', shape, data: bytes });
      seen.push(shape[0]);
      if (maxBatch > 0 && shape[0] > maxBatch) throw new Error(`batch ${shape[0]} exceeds ${maxBatch}`);
    }
    const wanted = outputs as Wanted[];
    const found = await session.run(
      feeds,
      wanted.map(({ name }) => name),
    );
    const tail: Buffer[] = [];
    const heads = wanted.map(({ name, parameters }) => {
      if (parameters?.classification)
        return { name, ...classified(asTensor(found.get(name)!, name), parameters.classification, labels) };
      const { data, dtype, shape } = fromSession(found.get(name)!) as NumericValue;
      const head = { name, datatype: dtype === 'uint8' ? 'UINT8' : 'FP32', shape };
      if (!parameters?.binary_data) return { ...head, data: Array.from(data, Number) };
      tail.push(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
      return { ...head, parameters: { binary_data_size: data.byteLength } };
    });
    const head = Buffer.from(JSON.stringify({ model_name: 'net', model_version: '1', outputs: heads }));
    return {
      headers: tail.length > 0 ? { 'inference-header-content-length': String(head.length) } : {},
      body: Buffer.concat([head, ...tail]),
    };
  }

  async function answerTo(path: string, request: IncomingMessage) {
    const json = (value: object) => ({ headers: {}, body: Buffer.from(JSON.stringify(value)) });
    if (path === '/v2')
      return json({
        name: 'spec',
        version: '1',
        extensions: binary ? ['binary_tensor_data', 'classification'] : [],
      });
    if (path === '/v2/health/ready') return json({ ready });
    if (path === '/v2/repository/index')
      return json(['net', ...others].map((name) => ({ name, version: '1', state: 'READY' })));
    if (path === '/v2/models/net/ready') return json({ name: 'net', ready: true });
    if (path === '/v2/models/net/config' && maxBatch > 0)
      return json({ name: 'net', max_batch_size: maxBatch });
    if (path === '/v2/models/net')
      return json({
        name: 'net',
        versions: ['1'],
        platform: 'onnxruntime_onnx',
        inputs: ports(session.inputs),
        outputs: ports(session.outputs),
      });
    if (path === '/v2/models/net/infer') return infer(request);
    return undefined;
  }

  const server = http.createServer(async (request, response) => {
    const path = request.url!;
    if (instead?.(path, response)) return;
    const answer = { status: 200, headers: {} as Record<string, string>, body: Buffer.from('') };
    try {
      const found = await answerTo(path, request);
      if (found) Object.assign(answer, found);
      else Object.assign(answer, { status: 404, body: Buffer.from('{"error":"unknown"}') });
      if (path === '/v2/health/ready' && !ready) answer.status = 503;
    } catch (error) {
      Object.assign(answer, {
        status: 400,
        body: Buffer.from(JSON.stringify({ error: (error as Error).message })),
      });
    }
    spoil?.(answer, path);
    response.writeHead(answer.status, answer.headers).end(answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Images of each request. */
    seen,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
