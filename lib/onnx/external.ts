/**
 * External data: tensors whose values lie in files beside the model.
 *
 * A location is a relative path below the model's folder. Refused: absolute paths, '..', symbolic links that lead out,
 * what is no regular file, and ranges that the file does not have, before anything is allocated.
 * Source: onnx/docs/ExternalData.md; the attacks are those of CVE-2022-25882, CVE-2024-27318 and CVE-2024-5187.
 */
import { type FileHandle, open, realpath } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { dirname, isAbsolute, relative, resolve, sep } from 'node:path';
import type { GraphProto, ModelProto, NodeProto, TensorProto } from '../../export/proto.ts';
import { bytesOfTensor } from '../format/tensorproto.ts';

const EXTERNAL = 1;

/** Every tensor of a graph: initializers, attributes, those of subgraphs. */
function* tensorsOf(graph: GraphProto): Iterable<TensorProto> {
  yield* graph.initializer;
  yield* tensorsOfNodes(graph.node);
}

function* tensorsOfNodes(nodes: readonly NodeProto[]): Iterable<TensorProto> {
  for (const { attribute } of nodes) {
    for (const { t, tensors, g, graphs } of attribute) {
      if (t) yield t;
      yield* tensors;
      if (g) yield* tensorsOf(g);
      for (const inner of graphs) yield* tensorsOf(inner);
    }
  }
}

/**
 * Puts the bytes of every external tensor into its rawData. `path` is the model's file, null for a model without one.
 * Throws where a file or a range is not there or not allowed. The result closes the files.
 */
export async function loadExternal(proto: ModelProto, path: string | null): Promise<() => Promise<void>> {
  const bodies = proto.functions.flatMap((f) => f.node);
  const all = [...tensorsOf(proto.graph!), ...tensorsOfNodes(bodies)];
  const external = all.filter((tensor) => tensor.dataLocation === EXTERNAL);
  const files = new Map<string, FileHandle>();
  const close = async (): Promise<void> => {
    for (const file of files.values()) await file.close();
  };
  if (external.length === 0) return close;
  if (path === null)
    throw new Error('its weights are in external files, which a model without a path cannot have');
  try {
    const folder = await realpath(dirname(resolve(path)));
    let total = 0;
    for (const tensor of external) {
      const bytes = bytesOfTensor(tensor);
      total += bytes;
      if (total > totalmem())
        throw new Error(`its external data, ${total} bytes and more, exceed the memory`);
      await load(tensor, bytes, folder, files);
    }
    return close;
  } catch (error) {
    await close();
    throw error;
  }
}

async function load(
  tensor: TensorProto,
  bytes: number,
  folder: string,
  files: Map<string, FileHandle>,
): Promise<void> {
  const entries = new Map(tensor.externalData.map(({ key, value }) => [key, value]));
  const location = entries.get('location');
  const title = `external data of '${tensor.name ?? ''}'`;
  if (!location) throw new Error(`${title}: the location is missing`);
  const offset = numberOf(entries.get('offset') ?? '0', `${title}: offset`);
  const length = numberOf(entries.get('length') ?? `${bytes}`, `${title}: length`);
  if (length !== bytes)
    throw new Error(`${title}: shape [${tensor.dims}] needs ${bytes} bytes (length = ${length})`);
  const file = files.get(location) ?? (await openInside(folder, location, title));
  files.set(location, file);
  const { size } = await file.stat();
  if (offset + length > size) {
    throw new Error(`${title}: ${location} ends at byte ${size}, before ${offset + length}`);
  }
  tensor.rawData = new Uint8Array(length);
  for (let at = 0; at < length; ) {
    const { bytesRead } = await file.read(tensor.rawData, at, Math.min(length - at, 2 ** 30), offset + at);
    if (bytesRead === 0) throw new Error(`${title}: ${location} ended early`);
    at += bytesRead;
  }
  tensor.dataLocation = undefined;
}

function numberOf(word: string, title: string): number {
  const value = /^\d{1,16}$/.test(word) ? Number(word) : Number.NaN;
  if (!Number.isSafeInteger(value))
    throw new Error(`${title} must be a number of bytes (= '${word.slice(0, 40)}')`);
  return value;
}

async function openInside(folder: string, location: string, title: string): Promise<FileHandle> {
  const parts = location.split(/[\\/]/);
  if (
    isAbsolute(location) ||
    /^[A-Za-z]:/.test(location) ||
    parts.includes('..') ||
    location.includes('\0')
  ) {
    throw new Error(`${title}: '${location}' must be a path below the model's folder`);
  }
  const path = await realpath(resolve(folder, location)).catch(() => {
    throw new Error(`${title}: there is no file ${location} beside the model`);
  });
  const inside = relative(folder, path);
  if (inside === '' || inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside)) {
    throw new Error(`${title}: '${location}' leads out of the model's folder`);
  }
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    throw new Error(`${title}: ${location} cannot be read (${error.code})`);
  });
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw new Error(`${title}: ${location} is not a file`);
}
