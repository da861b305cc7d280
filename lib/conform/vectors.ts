/**
 * Writes this project's own test vectors in the ONNX backend-test layout, so that any engine can run them.
 *
 * Expected values are PyTorch's in float64, rounded once to float32.
 */

import { dirname, join } from 'node:path';
import { dataTypes } from '../../export/dtypes.ts';
import { encodeModel, encodeTensor, type GraphProto, tensorProto } from '../../export/proto.ts';
import { checkAgainst, checkArgument, text, truth } from '../checks.ts';
import { checkTargets, makeFolder } from '../disk/target.ts';
import { type Output, writeWhole } from '../disk/write.ts';
import { GENERATOR } from '../format/strings.ts';
import { version } from '../version.ts';
import { type Case, type GradientCase, readCases, readGradientCases } from './cases.ts';
import { caseGraph, gradientGraph } from './graphs.ts';

export interface Vector {
  /** Name of the folder: test_<operation>_<title>, test_<operation>_gradient_<title>. */
  readonly name: string;
  readonly case: Case;
  /** Bytes of the .onnx file. */
  readonly model: Uint8Array;
  /** Bytes of input_K.pb and of output_K.pb. */
  readonly inputs: readonly Uint8Array[];
  readonly outputs: readonly Uint8Array[];
}

const slug = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_|_$/g, '');

type Numbers = Case['inputs'][string];

function bytesOf(name: string, { shape, data }: Numbers, type: 'float32' | 'uint8' = 'float32'): Uint8Array {
  const values = type === 'uint8' ? Uint8Array.from(data, Number) : Float32Array.from(data, Number);
  const rawData = new Uint8Array(values.buffer);
  return encodeTensor({
    ...tensorProto({ name, dims: [...shape], dataType: dataTypes[type], rawData }),
    docString: GENERATOR,
  });
}

const modelBytes = (test: Case, graph: GraphProto, opset: number): Uint8Array =>
  encodeModel({
    irVersion: opset > 18 ? 10 : 8,
    opsetImport: [{ domain: '', version: opset }],
    producerName: GENERATOR,
    producerVersion: version,
    docString: `${test.operation}: ${test.title}. Expected values by ${test.by}`,
    graph,
  });

/** The vector of a case or of a gradient, or why there is none. */
export function vectorOf(test: Case | GradientCase): Vector | string {
  const dy = 'dy' in test ? test.dy : undefined;
  try {
    const { graph, opset, inputs, outputs } = 'dy' in test ? gradientGraph(test) : caseGraph(test);
    return {
      name: `test_${test.operation}${dy ? '_gradient' : ''}_${slug(test.title)}`,
      case: test,
      model: modelBytes(test, graph, opset),
      // the graphs of training take a mask as bytes
      inputs: inputs.map((name) =>
        bytesOf(
          name,
          name === 'dy' && dy ? dy : test.inputs[name],
          dy && name === 'mask' ? 'uint8' : 'float32',
        ),
      ),
      outputs: outputs.map((name) => bytesOf(name, test.expected[name])),
    };
  } catch (error) {
    return (error as Error).message;
  }
}

const isVector = (vector: Vector | string): vector is Vector => typeof vector !== 'string';

/**
 * `alexnet conform --write`: writes one folder per test below `folder` and returns their names. Rejects with
 * InputError where a file is there that this program did not write, unless `force`.
 */
export async function writeVectors(
  folder: string,
  guard: { readonly force?: boolean } = {},
): Promise<string[]> {
  checkArgument('writeVectors: folder', folder, text);
  checkAgainst({ force: truth }, guard, 'writeVectors');
  const vectors = [...readCases(), ...readGradientCases()].map(vectorOf).filter(isVector);
  const outputs = vectors.flatMap((vector) => outputsOf(join(folder, vector.name), vector));
  const folders = new Set(outputs.map(({ path }) => dirname(path)));
  const made: (() => Promise<void>)[] = [];
  try {
    for (const path of folders) made.unshift(await makeFolder(path));
    await checkTargets(outputs, guard);
    for (const output of outputs) await writeWhole(output, guard);
  } finally {
    for (const removeEmpty of made) await removeEmpty();
  }
  return vectors.map(({ name }) => name);
}

function outputsOf(folder: string, { model, inputs, outputs }: Vector): Output[] {
  const tensors = (kind: string, all: readonly Uint8Array[]): Output[] =>
    all.map((content, k) => ({
      path: join(folder, 'test_data_set_0', `${kind}_${k}.pb`),
      mark: 'tensor',
      content,
    }));
  const file: Output = { path: join(folder, 'model.onnx'), mark: 'onnx', content: model };
  return [file, ...tensors('input', inputs), ...tensors('output', outputs)];
}
