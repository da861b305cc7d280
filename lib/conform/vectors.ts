/**
 * Writes this project's own test vectors in the ONNX backend-test layout, so that any engine can run them.
 *
 * Expected values are PyTorch's in float64, rounded once to float32.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dataTypes, encodeModel, encodeTensor, tensorProto } from '../../export/proto.ts';
import type { Shape } from '../../reference/tensor.ts';
import { InputError } from '../errors.ts';
import { version } from '../version.ts';
import { type Case, readCases } from './cases.ts';
import { caseGraph, inputsOf } from './vectorgraph.ts';

export interface Vector {
  /** Name of the folder: test_<operation>_<title>. */
  readonly name: string;
  readonly case: Case;
  /** Bytes of the .onnx file. */
  readonly model: Uint8Array;
  /** Bytes of input_K.pb and of output_0.pb. */
  readonly inputs: readonly Uint8Array[];
  readonly output: Uint8Array;
}

const slug = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_|_$/g, '');

const float32 = (name: string, shape: Shape, data: readonly (number | string)[]): Uint8Array =>
  encodeTensor(
    tensorProto({
      name,
      dims: [...shape],
      dataType: dataTypes.FLOAT,
      rawData: new Uint8Array(Float32Array.from(data, Number).buffer),
    }),
  );

/** The vector of a case, or why there is none. */
export function vectorOf(test: Case): Vector | string {
  try {
    const { graph, opset } = caseGraph(test);
    const model = encodeModel({
      irVersion: 8,
      opsetImport: [{ domain: '', version: opset }],
      producerName: 'alexnet-oracle',
      producerVersion: version,
      docString: `${test.operation}: ${test.title}. Expected values by ${test.by}`,
      graph,
    });
    const { shape, data } = test.expected.y;
    return {
      name: `test_${test.operation}_${slug(test.title)}`,
      case: test,
      model,
      inputs: inputsOf(test).map((name) => float32(name, test.inputs[name].shape, test.inputs[name].data)),
      output: float32('y', shape, data),
    };
  } catch (error) {
    return (error as Error).message;
  }
}

/** Writes one folder a test below `folder`; gives their names. InputError where it cannot be written. */
export async function writeVectors(folder: string): Promise<string[]> {
  const vectors = readCases()
    .map(vectorOf)
    .filter((vector) => typeof vector !== 'string');
  try {
    for (const { name, model, inputs, output } of vectors) {
      const data = join(folder, name, 'test_data_set_0');
      await mkdir(data, { recursive: true });
      await writeFile(join(folder, name, 'model.onnx'), model);
      for (const [k, bytes] of inputs.entries()) await writeFile(join(data, `input_${k}.pb`), bytes);
      await writeFile(join(data, 'output_0.pb'), output);
    }
  } catch (error) {
    throw new InputError(`${folder} cannot be written (${(error as NodeJS.ErrnoException).code})`);
  }
  return vectors.map(({ name }) => name);
}
