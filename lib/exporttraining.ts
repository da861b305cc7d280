/** The graphs of `alexnet export --graph gradients|training`: they hold no weights, parameters are their inputs. */
import { buildGradients, buildStep, type ModelFile } from '../export/index.ts';
import type { Network } from '../reference/networks/layers.ts';
import { InputError } from './errors.ts';
import type { ExportOptions } from './export.ts';
import { type Choice, resolve, resolveNetwork } from './resolve.ts';

/** Images a batch where none is given: the paper's, section 5. */
const PAPER_BATCH = 128;

/** Opset of the graphs that train. */
export const TRAINING_OPSET = 18;

/** The network alone; weights are read only where their shapes decide its widths. */
export async function networkOf(options: Choice): Promise<{ network: Network; notes: readonly string[] }> {
  if (options.weights !== undefined) return resolve(options);
  return { network: resolveNetwork(options.network), notes: [] };
}

/** The model for `options.graph`. Throws InputError for options that such a graph does not have. */
export function trainingModel(network: Network, options: ExportOptions): ModelFile {
  const { graph, batch = PAPER_BATCH, loop, target, opset = TRAINING_OPSET } = options;
  const where = `--graph ${graph}`;
  if (opset !== TRAINING_OPSET) throw new InputError(`${where} needs --opset ${TRAINING_OPSET} (= ${opset})`);
  if (batch === 'dynamic')
    throw new InputError(`${where} needs a fixed --batch: the mean over the batch is part of the graph`);
  for (const [name, given] of [
    ['--precision float16', options.precision === 'float16'],
    ['--lrn native', options.lrn === 'native'],
    ['--external-data', options.externalData],
    ['--seed or --init', options.seed !== undefined || options.init !== undefined],
  ] as const) {
    if (given) throw new InputError(`${where} and ${name} do not go together: leave one of them out`);
  }
  if (graph === 'gradients' && loop) throw new InputError('--loop needs --graph training');
  if (graph === 'gradients') return buildGradients(network, { batch, ...(target ? { target } : {}) });
  return buildStep(network, { batch, ...(target ? { target } : {}), ...(loop ? { steps: 'dynamic' } : {}) });
}
