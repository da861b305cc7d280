/**
 * Reads an ONNX file, anyone's: IR 3 to 13, initializers inside or in external files, subgraphs, functions.
 *
 * Nothing in the file is believed: see export/wire.ts for the bytes, external.ts for paths and lengths,
 * graph.ts for the graph. Every refusal is an InputError of one line that names the file.
 */
import { readFile, stat } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { decodeModel, type ModelProto } from '../../export/proto.ts';
import { InputError } from '../errors.ts';
import { loadExternal } from './external.ts';
import { checkNames, graphOf } from './graph.ts';
import { inlined } from './inline.ts';
import type { Model } from './model.ts';
import { refusal } from './refuse.ts';

/** Protobuf's own limit for one message. */
const MAX_FILE = 2 ** 31 - 1;
const IR = { oldest: 3, newest: 13 };

/**
 * The model in a file, or in bytes (`name` stands for the file in messages; external data then has no folder
 * to lie in). InputError for whatever cannot be read or makes no sense.
 */
export async function readModel(source: string | Uint8Array, name?: string): Promise<Model> {
  const title = name ?? (typeof source === 'string' ? source : 'the model');
  const bytes = typeof source === 'string' ? await readBounded(source) : source;
  try {
    const proto = decodeModel(bytes);
    checkVersions(proto);
    const release = await loadExternal(proto, typeof source === 'string' ? source : null);
    const model = modelOf(proto, title);
    await release();
    return model;
  } catch (error) {
    throw refusal(title, (error as Error).message);
  }
}

/** A whole file that fits into memory and into protobuf's limit. */
export async function readBounded(path: string): Promise<Uint8Array> {
  const found = await stat(path).catch(() => undefined);
  if (!found) throw new InputError(`${path}: there is no such file`);
  if (!found.isFile()) throw new InputError(`${path} is not a file`);
  if (found.size === 0) throw new InputError(`${path} is empty`);
  if (found.size > Math.min(MAX_FILE, totalmem())) {
    throw new InputError(`${path}: ${found.size} bytes are too many: save the weights as external data`);
  }
  return readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new InputError(`${path} cannot be read (${error.code})`);
  });
}

function checkVersions(proto: ModelProto): void {
  const ir = proto.irVersion;
  if (ir === undefined) throw new Error('it has no IR version: not an ONNX model');
  if (ir < IR.oldest || ir > IR.newest) {
    throw new Error(`IR version ${ir} is not supported (${IR.oldest} to ${IR.newest} are)`);
  }
  if (!proto.graph) throw new Error('it has no graph');
  if (proto.opsetImport.length === 0) throw new Error('it declares no opset');
}

/** 'ai.onnx' is the long name of ''. */
const shortDomain = (domain: string | undefined): string => (domain === 'ai.onnx' ? '' : (domain ?? ''));

function modelOf(proto: ModelProto, name: string): Model {
  const opsets = new Map<string, number>();
  for (const { domain, version } of proto.opsetImport) {
    const short = shortDomain(domain);
    const known = opsets.get(short);
    if (known !== undefined && known !== version) {
      throw new Error(`it declares two opsets for '${short || 'ai.onnx'}' (${known} and ${version})`);
    }
    if (!version || version < 1)
      throw new Error(`opset ${version} of '${short || 'ai.onnx'}' makes no sense`);
    opsets.set(short, version);
  }
  const graph = graphOf(inlined(proto, proto.graph!), opsets);
  checkNames(graph);
  return {
    name,
    irVersion: proto.irVersion!,
    producer: [proto.producerName, proto.producerVersion].filter(Boolean).join(' '),
    opsets,
    metadata: new Map(proto.metadataProps.map(({ key, value }) => [key, value])),
    graph,
  };
}
