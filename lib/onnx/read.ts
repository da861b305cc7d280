/**
 * Reads an ONNX file, anyone's: IR 3 to 13, initializers inside or in external files, subgraphs, functions.
 *
 * Nothing in the file is believed: see export/check.ts for the bytes, lib/disk/source.ts for paths, graph.ts for the
 * graph. Every refusal is an InputError of one line that names the file.
 */
import { totalmem } from 'node:os';
import { joined } from '../../export/index.ts';
import type { ModelProto } from '../../export/proto.ts';
import { type ModelFile, modelFile } from '../../export/write.ts';
import { openFile } from '../disk/source.ts';
import { EnvironmentError, InputError, Unsupported } from '../errors.ts';
import { openModel } from '../format/onnx.ts';
import { adopt, type Source } from '../format/source.ts';
import { bytesOfTensor, dtypeOfTensor } from '../format/tensorproto.ts';
import { checkVersions, modelOf } from './decoded.ts';
import { inlined } from './inline.ts';
import { type Model, refusal } from './model.ts';

/**
 * The model in a file, or in bytes (`name` stands for the file in messages; external data then has no folder
 * to lie in). InputError for whatever cannot be read or makes no sense.
 */
export const readModel = (given: string | Uint8Array, name?: string): Promise<Model> =>
  reading(given, name, (proto, _, title) => modelOf(proto, title));

export interface ModelInBytes {
  /** As onnxruntime is given it: external data and the model's own functions taken in. */
  readonly bytes: Uint8Array;
  readonly model: Model;
}

/** A model file with the bytes that hold all of it. InputError as `readModel`. */
export const readModelFile = (path: string): Promise<ModelInBytes> =>
  reading(path, path, async (proto, source, title) => {
    const external = proto.graph!.initializer.some(({ externalData }) => externalData.length > 0);
    const asItIs = proto.functions.length === 0 && !external;
    const whole = { ...proto, graph: inlined(proto, proto.graph!), functions: [] };
    const bytes = asItIs ? source.read(0, source.size) : joined(modelFile(whole).chunks());
    return { bytes, model: await readModel(bytes, title) };
  });

/** A model that was just built: its weights stay where they are. */
export const builtModel = (file: ModelFile, name = 'the model'): ModelInBytes => ({
  bytes: joined(file.chunks()),
  model: modelOf(file.model, name),
});

async function reading<T>(
  given: string | Uint8Array,
  name: string | undefined,
  use: (proto: ModelProto, source: Source, title: string) => T | Promise<T>,
): Promise<T> {
  const title = name ?? (typeof given === 'string' ? given : 'the model');
  const source = sourceOf(given, title);
  try {
    const proto = openModel(source);
    checkVersions(proto);
    checkMemory(proto);
    return await use(proto, source, title);
  } catch (error) {
    if (error instanceof Unsupported && !error.message.startsWith(title))
      throw new Unsupported(refusal(title, error.message).message);
    throw error instanceof InputError || error instanceof EnvironmentError
      ? error
      : refusal(title, (error as Error).message);
  } finally {
    source.close();
  }
}

const sourceOf = (given: string | Uint8Array, title: string): Source =>
  typeof given === 'string' ? openFile(given) : adopt(given as Uint8Array<ArrayBuffer>, title);

/** A sparse file may claim more than there is. */
function checkMemory({ graph }: ModelProto): void {
  let total = 0;
  for (const tensor of graph?.initializer ?? []) {
    if (dtypeOfTensor(tensor) !== 'string') total += bytesOfTensor(tensor);
  }
  if (total > totalmem()) throw new Error(`its weights, ${total} bytes, exceed the memory`);
}
