/** The options of `alexnet verify --graph gradients|training`, and what they mean. */
import type { Network } from '../../../reference/networks/layers.ts';
import type { Hyper } from '../../../reference/training/optimiser.ts';
import { InputError } from '../../errors.ts';
import { readInput } from '../../networks/input.ts';
import { resolve } from '../../networks/resolve.ts';
import { mustHaveTowers } from '../../networks/towers.ts';
import type { Model } from '../../onnx/model.ts';
import { readModelFile } from '../../onnx/read.ts';
import type { Place } from '../../runtime/devices.ts';
import type { Device } from '../../runtime/failures.ts';
import type { Elsewhere } from '../dump/part.ts';
import type { GraphOptions, VerifyOptions } from '../options.ts';
import type { Verification } from '../verification.ts';
import { readLabels, readMasks } from './labels.ts';
import { verifyTraining } from './training.ts';

/** What verify() does for these options. Throws InputError for those that do not go together. */
export async function prepareTraining(
  options: VerifyOptions,
  device: Device,
  read?: (network: Network) => Promise<Elsewhere & { readonly notes: readonly string[] }>,
  places?: readonly Place[],
) {
  const { graph = 'gradients', model: path, seed = 0, input: given, batch: size } = options;
  refuse(options, graph);
  const file = path === undefined ? undefined : await readModelFile(path);
  const name = options.network ?? file?.model.metadata.get('network');
  const { network, weights, source, notes } = await resolve({ ...options, network: name });
  if (places) mustHaveTowers(network);
  const written = file && batchOf(file.model);
  const { tensor: input, source: inputSource } = await readInput(network, {
    from: given,
    seed,
    batch: size ?? written ?? PAIR,
  });
  const N = input.shape[0];
  if (written !== undefined && written !== N)
    throw new InputError(`${path}: it is for batches of ${written}, but there are ${N} images`);
  if (size !== undefined && size !== N)
    throw new InputError(`--batch ${size}, but ${N} images are given: a batch cannot be split, leave it out`);
  const { labels, source: labelled } = await readLabels(network, N, options.labels, seed);
  const dropout = await readMasks(network, N, options.dropout);
  const hyper = hyperOf(options);
  const { steps = 1 } = options;
  const masks = typeof options.dropout === 'string' ? options.dropout : 'given in memory';
  const about = [`labels: ${labelled}`, `dropout: ${dropout === 'none' ? 'none' : `masks ${masks}`}`];
  if (graph === 'training') about.push(stepsText(hyper, steps));
  const dump = await read?.(network);
  if (dump && steps !== 1)
    throw new InputError('--steps: values that were computed elsewhere are of one step');
  return {
    title: `network: ${network.name}, graph: ${graph}`,
    weights: source,
    input: given === undefined ? `${inputSource}, batch ${N}` : inputSource,
    notes: [...notes, ...about, ...(dump?.notes ?? [])],
    run: async (): Promise<Verification> => ({
      ...(await verifyTraining({
        ...options,
        graph,
        network,
        weights,
        batch: { input, labels, dropout },
        hyper,
        steps,
        device,
        places,
        dump,
        file: file?.bytes,
      })),
      training: {
        graph,
        labels: [...labels],
        dropout: dropout === 'none' ? 'none' : masks,
        ...ran(graph, hyper, steps),
      },
    }),
  };
}

/** The batch for which a graph was written: the mean over it is part of the graph. */
function batchOf({ graph }: Model): number | undefined {
  const N = graph.inputs.find(({ name }) => name === 'input')?.shape?.[0];
  return typeof N === 'number' ? N : undefined;
}

/** Images where nothing says how many. */
const PAIR = 2;

const ran = (graph: string, hyper: Hyper, steps: number) => (graph === 'training' ? { steps, ...hyper } : {});

function stepsText({ rule, learningRate, momentum, weightDecay }: Hyper, steps: number): string {
  const update = `${rule}'s update, learning rate ${learningRate}, momentum ${momentum}, weight decay ${weightDecay}`;
  return `${steps === 1 ? 'one step' : `${steps} steps`} on this batch: ${update}`;
}

function hyperOf(options: GraphOptions): Hyper {
  const { update: rule = 'paper', learningRate = 0.01, momentum = 0.9, weightDecay = 0.0005 } = options;
  if (!(learningRate > 0)) throw new InputError(`--learning-rate must be above 0 (= ${learningRate})`);
  if (!(momentum >= 0 && momentum < 1))
    throw new InputError(`--momentum must be at least 0 and below 1 (= ${momentum})`);
  if (!(weightDecay >= 0)) throw new InputError(`--weight-decay must be at least 0 (= ${weightDecay})`);
  return { rule, learningRate, momentum, weightDecay };
}

/** Options of the forward pass, or of the steps, that this graph does not have. */
function refuse(options: VerifyOptions, graph: string): void {
  if (options.lrn !== undefined) throw new InputError(`--graph ${graph} and --lrn do not go together`);
  if (graph !== 'training') refuseAny(ofSteps(options), '--graph training');
}

/** Throws where an option of the training graphs is given without --graph. */
export function refuseWithoutGraph(options: GraphOptions): void {
  const { labels, dropout } = options;
  refuseAny({ labels, dropout, ...ofSteps(options) }, '--graph gradients or --graph training');
}

function ofSteps({ steps, learningRate, momentum, weightDecay, update }: GraphOptions): object {
  return { steps, learningRate, momentum, weightDecay, update };
}

function refuseAny(options: object, needed: string): void {
  for (const [name, value] of Object.entries(options)) {
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    if (value !== undefined) throw new InputError(`${flag} needs ${needed}`);
  }
}
