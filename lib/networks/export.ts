/** The function behind `alexnet export`. Graphs that train hold no weights: parameters are their inputs. */
import { basename } from 'node:path';
import {
  buildGradients,
  buildStep,
  type LrnForm,
  lrnForms,
  type ModelFile,
  type TrainingTarget,
  trainingTargets,
} from '../../export/index.ts';
import { opsetNotes, opsets } from '../../export/opsets.ts';
import { RESIZE_OPSET } from '../../export/resize.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { parameterCount } from '../../reference/oracle.ts';
import {
  among,
  type Checks,
  checkAgainst,
  checkArgument,
  either,
  resolveNetwork,
  text,
  truth,
  whole,
} from '../checks.ts';
import { checkTargets, type Guard } from '../disk/target.ts';
import { InputError } from '../errors.ts';
import { findMean, type Mean } from '../image/mean.ts';
import { modelTargets, withExternalData, writeModelFile } from '../onnx/files.ts';
import { requireWeights } from '../weights/shipped.ts';
import { modelOf } from './modelfile.ts';
import { type Choice, type Chosen, choiceChecks, resolve } from './resolve.ts';

/** Images a batch where none is given: the paper's, section 5. */
const PAPER_BATCH = 128;

/** Opset of the graphs that train. */
const TRAINING_OPSET = 18;

export interface ExportOptions extends Choice {
  /** 13 (default; with `resize` 18) to 25. */
  readonly opset?: number;
  /** Images a batch, or 'dynamic' (default). */
  readonly batch?: number | 'dynamic';
  readonly lrn?: LrnForm;
  readonly precision?: 'float32' | 'float16';
  /** uint8: pictures (N,S,S,3), resized and cropped; channels, range, mean and deviation are in the graph. */
  readonly input?: 'float32' | 'uint8';
  /** With input uint8. 10: pictures are the resized squares; the ten crops and their average are in the graph. */
  readonly views?: 1 | 10;
  /** With input uint8: pictures (N,H,W,3) of any size, which the graph resizes and crops; needs opset 18. */
  readonly resize?: boolean;
  /** With input uint8: file of a mean image; default: mean.npy beside the weights, where the network takes one. */
  readonly mean?: string;
  /** Put the weights into `<file>.data` beside the model. */
  readonly externalData?: boolean;
  /** Every layer's value is an output, for engines that show their outputs alone. */
  readonly tap?: boolean;
  /**
   * inference (default); gradients of a batch; or a training step. The last two are of opset 18 and hold no
   * weights.
   */
  readonly graph?: 'inference' | 'gradients' | 'training';
  /** As many training steps a call as the inputs have on their first axis, in ONNX's Loop. */
  readonly loop?: boolean;
  /** Overwrite files that this program did not write. */
  readonly force?: boolean;
  /** For a graph that trains: kernels of which processor it is laid out for; default cpu. */
  readonly target?: TrainingTarget;
}

export interface Exported {
  readonly file: string;
  /** Name of the file beside it that holds the weights. */
  readonly externalData: string | null;
  readonly network: string;
  readonly graph: 'inference' | 'gradients' | 'training';
  /** Where they come from; 'inputs' where the graph takes them as inputs. */
  readonly weights: string;
  readonly opset: number;
  readonly precision: 'float32' | 'float16';
  /** uint8 where it takes pictures. */
  readonly input: 'float32' | 'uint8';
  readonly views: 1 | 10;
  /** Whether it takes pictures of any size. */
  readonly resize: boolean;
  readonly parameters: number;
  /** Of both files. */
  readonly bytes: number;
  readonly notes: readonly string[];
}

export const exportChecks: Checks<ExportOptions> = {
  ...choiceChecks,
  opset: whole(1),
  batch: either("an integer of at least 1, or 'dynamic'", whole(1), among(['dynamic'])),
  lrn: among(lrnForms),
  precision: among(['float32', 'float16']),
  input: among(['float32', 'uint8']),
  views: among([1, 10]),
  mean: text,
  resize: truth,
  externalData: truth,
  tap: truth,
  graph: among(['inference', 'gradients', 'training']),
  loop: truth,
  force: truth,
  target: among(trainingTargets),
};

/**
 * Writes a network with its weights as ONNX: without any those in the box (cifar-alexnet); random ones need a seed.
 * Throws InputError, for a file that must be kept before anything is computed; nothing half-written is left.
 */
export async function exportOnnx(file: string, options: ExportOptions = {}): Promise<Exported> {
  checkArgument('exportOnnx: file', file, text);
  checkAgainst(exportChecks, options, 'exportOnnx');
  const { graph = 'inference' } = options;
  if (graph !== 'inference') return exportTraining(file, options, graph);
  if (options.loop) throw new InputError('--loop needs --graph training');
  if (options.target) throw new InputError('--target needs --graph gradients or training');
  checkOpset(options);
  await checkTargets(modelTargets(file, dataBeside(file, options)), guardOf(options));
  return exportInference(file, await resolve(requireWeights('export', options)), options);
}

const firstOpset = ({ resize }: ExportOptions): number => (resize ? RESIZE_OPSET : opsets.first);

/** Throws InputError for one that there is not. */
export function checkOpset(options: ExportOptions): void {
  const first = firstOpset(options);
  const { opset = first } = options;
  if (opset < first || opset > opsets.last)
    throw new InputError(
      `--opset ${opset}: it must be ${first} to ${opsets.last}${options.resize ? ' with --resize' : ''}`,
    );
}

const dataBeside = (file: string, { externalData }: ExportOptions): string | undefined =>
  externalData ? `${basename(file)}.data` : undefined;

/** The same for a network whose weights are read already. */
export async function exportInference(
  file: string,
  { network, weights, source, classes, notes }: Chosen,
  options: ExportOptions,
): Promise<Exported> {
  const {
    opset = firstOpset(options),
    precision = 'float32',
    input = 'float32',
    views = 1,
    resize = false,
    batch,
    lrn,
    tap,
  } = options;
  const externalData = dataBeside(file, options);
  const form = { opset, batch, lrn, precision, externalData, tap };
  const mean = await meanOf(network, options);
  const pictures = { input, views, resize, meanImage: mean?.image };
  const model = asInput(() => modelOf(network, weights, { source, classes, ...form, ...pictures }));
  await writeModelFile(file, model, guardOf(options));
  const parameters = parameterCount(network);
  const made = {
    file,
    externalData: externalData ?? null,
    network: network.name,
    graph: 'inference',
    weights: source,
    notes: [...notes, ...(mean ? [`mean image: ${mean.file}`] : []), ...opsetNotes(opset)],
  } as const;
  const bytes = model.byteLength + (model.external?.byteLength ?? 0);
  return { ...made, opset, precision, input, views, resize, parameters, bytes };
}

/** What a graph that preprocesses subtracts. */
async function meanOf({ preprocess }: Network, options: ExportOptions): Promise<Mean | null> {
  const { input, views, mean, resize, weights } = options;
  if (input === 'uint8') return findMean(preprocess, mean, typeof weights === 'string' ? weights : undefined);
  const given = views === 10 ? 'views' : mean !== undefined ? 'mean' : resize ? 'resize' : undefined;
  if (given) throw new InputError(`--${given} needs --input uint8`);
  return null;
}

function asInput<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw error instanceof RangeError ? new InputError(error.message) : error;
  }
}

export function guardOf({ weights, mean, force }: ExportOptions): Guard {
  const inputs = [weights, mean].filter((file) => typeof file === 'string');
  return { inputs: withExternalData(inputs), force };
}

async function exportTraining(
  file: string,
  options: ExportOptions,
  graph: Exported['graph'],
): Promise<Exported> {
  const guard = guardOf(options);
  await checkTargets(modelTargets(file), guard);
  const { network, notes } = await networkOf(options);
  const model = trainingModel(network, options);
  await writeModelFile(file, model, guard);
  return {
    file,
    externalData: null,
    network: network.name,
    graph,
    weights: 'inputs',
    opset: TRAINING_OPSET,
    precision: 'float32',
    input: 'float32',
    views: 1,
    resize: false,
    parameters: parameterCount(network),
    bytes: model.byteLength,
    notes,
  };
}

/** The network alone; weights are read only where their shapes decide its widths. */
async function networkOf(options: Choice): Promise<{ network: Network; notes: readonly string[] }> {
  if (options.weights !== undefined) return resolve(options);
  return { network: resolveNetwork(options.network), notes: [] };
}

/** The model for `options.graph`. Throws InputError for options that such a graph does not have. */
function trainingModel(network: Network, options: ExportOptions): ModelFile {
  const { graph, batch = PAPER_BATCH, loop, target, lrn, opset = TRAINING_OPSET } = options;
  const where = `--graph ${graph}`;
  if (opset !== TRAINING_OPSET) throw new InputError(`${where} needs --opset ${TRAINING_OPSET} (= ${opset})`);
  if (batch === 'dynamic')
    throw new InputError(`${where} needs a fixed --batch: the mean over the batch is part of the graph`);
  for (const [name, given] of [
    ['--precision float16', options.precision === 'float16'],
    ['--lrn native', lrn === 'native'],
    ['--external-data', options.externalData],
    ['--input uint8', options.input === 'uint8'],
    ['--views', options.views === 10],
    ['--mean', options.mean],
    ['--resize', options.resize],
    ['--tap', options.tap],
    ['--seed or --init', options.seed !== undefined || options.init !== undefined],
  ] as const) {
    if (given) throw new InputError(`${where} and ${name} do not go together: leave one of them out`);
  }
  if (graph === 'gradients' && loop) throw new InputError('--loop needs --graph training');
  const form = { batch, target, lrn: lrn as Exclude<LrnForm, 'native'> | undefined };
  if (graph === 'gradients') return buildGradients(network, form);
  return buildStep(network, { ...form, ...(loop ? { steps: 'dynamic' } : {}) });
}
