/**
 * A model repository for NVIDIA Triton: NAME/1/model.onnx, NAME/config.pbtxt, NAME/labels.txt, and the same once more
 * for ten views, NAME-ten-views. Inputs and outputs are read in the ONNX file that was written.
 *
 * Sources: triton-inference-server/common, protobuf/model_config.proto (message ModelConfig); of onnxruntime's options
 * triton-inference-server/onnxruntime_backend, README.md and src/onnxruntime.cc: there a single entry under
 * `parameters` sets CUDA's options back to their defaults, so that all of ours stand under execution_accelerators.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ValueInfoProto } from '../../export/proto.ts';
import { codeOf, dtypeOfOnnx, type NumericDType } from '../array/dtype.ts';
import { checkAgainst, checkArgument, text } from '../checks.ts';
import { tritonMark } from '../disk/marks.ts';
import { openFile } from '../disk/source.ts';
import { checkTargets, makeFolder } from '../disk/target.ts';
import { writeTogether } from '../disk/write.ts';
import { InputError } from '../errors.ts';
import { openModel } from '../format/onnx.ts';
import { classCount, classNames } from '../labels/labels.ts';
import { modelTargets } from '../onnx/files.ts';
import { requireWeights } from '../weights/shipped.ts';
import {
  checkOpset,
  type Exported,
  type ExportOptions,
  exportChecks,
  exportInference,
  guardOf,
} from './export.ts';
import { type Chosen, resolve } from './resolve.ts';

export interface TritonModel extends Exported {
  /** What requests call it. */
  readonly name: string;
  /** config.pbtxt. */
  readonly config: string;
}

/** Pictures a batch at most: ten views are ten times the work. */
const MOST = { 1: 64, 10: 8 } as const;
/** How long a request may wait for others, in microseconds. */
const DELAY = 2000;
/** Requests that may wait; beyond them the server refuses at once. */
const QUEUE = 1024;

/**
 * Writes a model repository; `input` is that of the model with one view, the one with ten takes pictures. A network
 * that has no ten views gets one model. Throws InputError as `exportOnnx` does, and for what a repository cannot have.
 */
export async function exportTriton(folder: string, options: ExportOptions = {}): Promise<TritonModel[]> {
  checkArgument('exportTriton: folder', folder, text);
  checkAgainst(exportChecks, options, 'exportTriton');
  const { graph = 'inference', batch = 'dynamic', views = 1, loop, target } = options;
  for (const [name, given] of [
    [`--graph ${graph}`, graph !== 'inference'],
    [`--batch ${batch}`, batch !== 'dynamic'],
    ['--views 10', views === 10],
    ['--resize', options.resize],
    ['--loop', loop],
    ['--target', target],
  ] as const) {
    if (given) throw new InputError(`--triton and ${name} do not go together: leave one of them out`);
  }
  checkOpset(options);
  const chosen = await resolve(requireWeights('export', options));
  const { name, preprocess } = chosen.network;
  const { mean, ...plain } = options;
  const { crop, resize } = preprocess;
  const one = options.input === 'uint8' ? options : plain;
  const models: [string, ExportOptions][] = [[plainName(name), one]];
  // a tapped layer holds ten views a picture, which no batch of pictures is
  if (crop.size > 0 && resize.size > crop.size && !options.tap)
    models.push([`${plainName(name)}-ten-views`, { ...options, input: 'uint8', views: 10 }]);
  const undo: (() => Promise<void>)[] = [];
  try {
    for (const [model] of models) undo.unshift(await makeFolder(join(folder, model, '1')));
    for (const [model, form] of models)
      await checkTargets(await targetsOf(folder, model, form, chosen), guardOf(form));
    const written: TritonModel[] = [];
    for (const [model, form] of models) written.push(await writeOne(folder, model, form, chosen));
    return written;
  } catch (error) {
    for (const remove of undo) await remove();
    throw error;
  }
}

/** A name for folders and addresses. */
const plainName = (name: string): string => name.replace(/[^\w.-]/g, '_');

const fileOf = (folder: string, name: string): string => join(folder, name, '1', 'model.onnx');

/** Model, configuration and labels, which have no place for a mark: the same ones again lose nothing. */
async function targetsOf(folder: string, name: string, { externalData }: ExportOptions, chosen: Chosen) {
  const labels = join(folder, name, 'labels.txt');
  const own = (await readFile(labels, 'utf8').catch(() => '')) === labelsOf(chosen);
  return [
    { path: join(folder, name, 'config.pbtxt'), mark: 'triton' },
    { path: labels, mark: null, own },
    ...modelTargets(fileOf(folder, name), externalData ? 'model.onnx.data' : undefined),
  ] as const;
}

const labelsOf = ({ network, classes }: Chosen): string =>
  (classes ?? classNames(network.name, classCount(network)))
    .map((name) => `${name.replace(/[\r\n]+/g, ' ')}\n`)
    .join('');

async function writeOne(
  folder: string,
  name: string,
  form: ExportOptions,
  chosen: Chosen,
): Promise<TritonModel> {
  const [config, labels] = await targetsOf(folder, name, form, chosen);
  const file = fileOf(folder, name);
  const made = await exportInference(file, chosen, form);
  const words = configOf(name, file, classCount(chosen.network), MOST[made.views]);
  const outputs = [
    { ...config, content: tritonMark(Buffer.from(words)) + words },
    { ...labels, content: labelsOf(chosen) },
  ];
  await writeTogether(outputs, guardOf(form));
  return { name, config: config.path, ...made };
}

/** Of the file as it lies there. */
function configOf(name: string, file: string, classes: number, most: number): string {
  const source = openFile(file);
  try {
    const { graph } = openModel(source);
    const inputs = graph!.input.map(portOf);
    const outputs = graph!.output.map(portOf);
    return configText(name, inputs, outputs, classes, most);
  } finally {
    source.close();
  }
}

interface Port {
  readonly name: string;
  /** data_type and dims, without the batch. */
  readonly form: string;
  readonly dims: readonly number[];
}

function portOf({ name, type }: ValueInfoProto): Port {
  const { elemType, shape } = type!.tensorType!;
  const dims = shape!.dim.slice(1).map(({ dimValue }) => Number(dimValue));
  const code = codeOf(dtypeOfOnnx(elemType!) as NumericDType, 'served');
  return { name, dims, form: `data_type: TYPE_${code} dims: [ ${dims.join(', ')} ]` };
}

function configText(
  name: string,
  inputs: readonly Port[],
  outputs: readonly Port[],
  classes: number,
  most: number,
): string {
  const preferred = [8, 4, 2, 1].map((part) => most / part).filter((size) => size > 1);
  const ins = inputs.map((port) => {
    const format = port.dims[0] === 3 ? 'FORMAT_NCHW' : 'FORMAT_NHWC';
    return `  { name: "${port.name}" format: ${format} ${port.form} }`;
  });
  const outs = outputs.map((port) => {
    const labels = port.dims.join() === String(classes) ? ' label_filename: "labels.txt"' : '';
    return `  { name: "${port.name}" ${port.form}${labels} }`;
  });
  const warm = [1, ...preferred].map((size) => {
    const feeds = inputs.map(
      (port) => `inputs { key: "${port.name}" value { ${port.form} random_data: true } }`,
    );
    return `  { name: "batch of ${size}" batch_size: ${size} ${feeds.join(' ')} }`;
  });
  return `name: "${name}"
backend: "onnxruntime"
max_batch_size: ${most}
input [
${ins.join(',\n')}
]
output [
${outs.join(',\n')}
]
version_policy { latest { num_versions: 1 } }
instance_group [ { kind: KIND_AUTO count: 1 } ]
dynamic_batching {
  preferred_batch_size: [ ${preferred.join(', ')} ]
  max_queue_delay_microseconds: ${DELAY}
  default_queue_policy { max_queue_size: ${QUEUE} }
}
# TF32 keeps 11 of 24 bits; an exhaustive search for convolutions would stop every first batch of a size
optimization {
  execution_accelerators {
    gpu_execution_accelerator [ {
      name: "cuda"
      parameters { key: "use_tf32" value: "0" }
      parameters { key: "cudnn_conv_algo_search" value: "HEURISTIC" }
    } ]
  }
}
model_warmup [
${warm.join(',\n')}
]
`;
}
