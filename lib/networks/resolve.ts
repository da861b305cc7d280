/** Which network and which weights a command or a function means: DESIGN's rules in one place. */

import type { Preprocess } from '../../reference/input/preprocess.ts';
import { fitNetwork } from '../../reference/networks/fit.ts';
import type { Network } from '../../reference/networks/layers.ts';
import type { Weights } from '../../reference/oracle.ts';
import { dense } from '../../reference/tensor.ts';
import { initialise, type Method, methods } from '../../reference/training/init.ts';
import { among, type Checks, either, named, resolveNetwork, tensorLike, text, whole } from '../checks.ts';
import { InputError } from '../errors.ts';
import { firstNotFinite } from '../weights/fitted.ts';
import { loadWeights } from '../weights/load.ts';

export interface Choice {
  /** One of those that `networks` lists, or one that you wrote down; default: the file's, else alexnet2012. */
  readonly network?: string | Network;
  /** A file, or the weights themselves by name (`conv1.weight` …); then `network` must be given. */
  readonly weights?: string | Weights;
  /** Of random weights, where no weights are given; an integer from 0, default 0. */
  readonly seed?: number;
  /** How random weights are drawn; default kaiming. */
  readonly init?: Method;
}

export const choiceChecks: Checks<Choice> = {
  network: named,
  weights: either("a file, or tensors by the layers' names", text, (value) =>
    value instanceof Map && [...value.values()].every((one) => tensorLike(one) === undefined)
      ? undefined
      : '',
  ),
  seed: whole(0),
  init: among(methods),
};

export interface Chosen {
  readonly network: Network;
  readonly weights: Weights;
  /** 'seed 0, kaiming', or the file. */
  readonly source: string;
  /** Whether the weights are random, so that classes mean nothing. */
  readonly random: boolean;
  /** The file's own, else the network's. */
  readonly preprocess: Preprocess;
  /** In how many views the file of the weights takes pictures, where it does. */
  readonly views?: 1 | 10;
  /** Where the file of the weights tells them. */
  readonly classes?: readonly string[];
  readonly notes: readonly string[];
}

/**
 * Network and weights: the file's, else random from the seed (0) and the method (kaiming), or none where they need not
 * be `drawn`.
 */
export async function resolve(
  { network: name, weights: given, seed, init }: Choice,
  drawn = true,
): Promise<Chosen> {
  if (given === undefined) {
    const network = resolveNetwork(name);
    const from = seed ?? 0;
    const method = init ?? 'kaiming';
    const source = `seed ${from}, ${method}`;
    const weights = drawn ? initialise(network, from, method) : new Map();
    return { network, weights, source, random: true, preprocess: network.preprocess, notes: [] };
  }
  if (seed !== undefined || init !== undefined) {
    throw new InputError('--weights and --seed (or --init) exclude each other: take one of them');
  }
  if (typeof given !== 'string') return inMemory(resolveNetwork(name), given);
  const loaded = await loadWeights(given, name === undefined ? undefined : resolveNetwork(name));
  const preprocess = loaded.preprocess ?? loaded.network.preprocess;
  return { ...loaded, network: { ...loaded.network, preprocess }, preprocess, random: false };
}

function inMemory(network: Network, weights: Weights): Chosen {
  for (const [name, t] of weights) {
    if (firstNotFinite(dense(t)) >= 0) throw new InputError(`${name} holds NaN or infinity`);
  }
  try {
    const fitted = fitNetwork(network, new Map([...weights].map(([name, t]) => [name, t.shape])));
    const { preprocess } = fitted;
    return { network: fitted, weights, source: 'given in memory', random: false, preprocess, notes: [] };
  } catch (error) {
    throw new InputError((error as Error).message);
  }
}
