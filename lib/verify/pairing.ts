/** A model file paired with a network: which of its values and weights are whose. */
import { dataTypes } from '../../export/dtypes.ts';
import type { GraphProto, ModelProto } from '../../export/proto.ts';
import { fitNetwork } from '../../reference/networks/fit.ts';
import type { Network } from '../../reference/networks/layers.ts';
import type { Weights } from '../../reference/oracle.ts';
import { dense, zeros } from '../../reference/tensor.ts';
import { InputError } from '../errors.ts';
import { CHECKSUMS, checksum } from '../networks/modelfile.ts';
import { type Match, match } from './match.ts';

export interface Pair {
  readonly model: Uint8Array;
  readonly network: Network;
  /** The weights that the oracle computes with. */
  readonly weights: Weights;
  /** Name of the graph's input. */
  readonly input: string;
  /** Names of the graph's outputs. */
  readonly outputs: readonly string[];
  readonly match: Match;
  /** A float16 file: results are rounded to float16. */
  readonly half: boolean;
  /**
   * Layers whose weights in the file are not those that it should have, and how: an input that leaves such a weight
   * without effect (a channel that is 0 everywhere) does not show it.
   */
  readonly unlike: ReadonlyMap<string, string>;
}

/**
 * Pairs a model with a network. `given` are the weights it should have; without them the file's own are taken, the
 * network's widths follow them, and they are held against the checksums that the file recorded when it was written.
 * Throws InputError where the file cannot be that network.
 */
export function pairOf(bytes: Uint8Array, model: ModelProto, network: Network, given?: Weights): Pair {
  const graph = model.graph;
  if (!graph) throw new InputError('the model has no graph');
  mustDeclareOpsets(model, graph);
  const input = inputOf(graph, network);
  const found = match(graph, network, input);
  const half = graph.initializer.some((t) => t.dataType === dataTypes.float16);
  const about = { model: bytes, input, outputs: graph.output.map(({ name }) => name), half };
  if (given) {
    const unlike = unlikeGiven(found.weights, given, half);
    return { ...about, network, weights: given, match: found, unlike };
  }
  const faults = new Map([...found.faults, ...changedWeights(model, found.weights)]);
  const weights = withBiases(found.weights, network);
  const fitted = widened(network, weights);
  return { ...about, network: fitted, weights, match: { ...found, faults }, unlike: new Map() };
}

/**
 * onnxruntime runs a file that declares no opset for a node's domain as if it were its own newest: nothing
 * says what it means.
 */
function mustDeclareOpsets({ opsetImport }: ModelProto, graph: GraphProto): void {
  const short = (domain: string | undefined): string => (domain === 'ai.onnx' ? '' : (domain ?? ''));
  const declared = new Set(opsetImport.map(({ domain }) => short(domain)));
  const stray = graph.node.find(({ domain }) => !declared.has(short(domain)));
  if (!stray) return;
  throw new InputError(
    `node '${stray.name || stray.output[0]}' (${stray.opType}): no opset is declared for '${short(stray.domain) || 'ai.onnx'}'`,
  );
}

/** Name of the graph's only input that is fed, if its shape is the network's. */
function inputOf(graph: GraphProto, network: Network): string {
  const constants = new Set(graph.initializer.map((t) => t.name));
  const feeds = graph.input.filter(({ name }) => !constants.has(name));
  if (feeds.length !== 1) {
    throw new InputError(
      `the model has ${feeds.length} inputs (${feeds.map((f) => f.name).join(', ')}): one is needed`,
    );
  }
  const dims = feeds[0].type?.tensorType?.shape?.dim.slice(1).map((dim) => dim.dimValue);
  const fits = dims?.every((extent, axis) => extent === undefined || extent === network.input[axis]) ?? true;
  if (!fits) throw new InputError(`the model takes [N,${dims}], ${network.name} takes [N,${network.input}]`);
  return feeds[0].name;
}

function widened(network: Network, weights: Weights): Network {
  try {
    return fitNetwork(network, new Map([...weights].map(([name, t]) => [name, t.shape])));
  } catch (error) {
    throw new InputError((error as Error).message);
  }
}

/** Zeros where the file adds no bias: a fault names the layer already, and the walk goes on behind it. */
function withBiases(weights: Weights, network: Network): Weights {
  const result = new Map(weights);
  for (const { name } of network.layers) {
    const weight = weights.get(`${name}.weight`);
    if (weight && !weights.has(`${name}.bias`)) result.set(`${name}.bias`, zeros([weight.shape[0]]));
  }
  return result;
}

const inThousands = (count: number): string => count.toLocaleString('en-US');

/** More than a rounding on the way into the file: 2⁻²² of the value, in float16 2⁻¹⁰ or its smallest subnormal. */
function unlikeGiven(own: Weights, given: Weights, half: boolean): Map<string, string> {
  const [relative, absolute] = half ? [2 ** -10, 2 ** -24] : [2 ** -22, 0];
  const faults = new Map<string, string>();
  for (const [name, wanted] of given) {
    const found = own.get(name);
    if (!found || found.shape.join() !== wanted.shape.join()) continue;
    const a = dense(found);
    const b = dense(wanted);
    // a model that was built from these very weights
    if (a.buffer === b.buffer && a.byteOffset === b.byteOffset && a.length === b.length) continue;
    let differing = 0;
    for (let i = 0; i < b.length; i++) {
      if (!(Math.abs(a[i] - b[i]) <= relative * Math.abs(b[i]) + absolute)) differing++;
    }
    const layer = name.replace(/\.(weight|bias)$/, '');
    if (differing > 0 && !faults.has(layer))
      faults.set(
        layer,
        `the file's ${name} differs from the given one in ${inThousands(differing)} of ${inThousands(b.length)} values`,
      );
  }
  return faults;
}

/** Layers whose weights are not those that the file was written with. */
function changedWeights(model: ModelProto, weights: Weights): Map<string, string> {
  const faults = new Map<string, string>();
  const recorded = metadataOf(model, CHECKSUMS);
  if (recorded === undefined) return faults;
  let sums: Record<string, unknown>;
  try {
    sums = JSON.parse(recorded);
  } catch {
    throw new InputError(`the model's metadata '${CHECKSUMS}' is not JSON: export it again`);
  }
  for (const [name, sum] of Object.entries(sums)) {
    const layer = name.replace(/\.(weight|bias)$/, '');
    const own = weights.get(name);
    if (faults.has(layer)) continue;
    if (!own) faults.set(layer, `${name} is missing, though the file was written with it`);
    else if (checksum(own) !== sum) faults.set(layer, `${name} was changed after the file was written`);
  }
  return faults;
}

export const metadataOf = (model: ModelProto, key: string): string | undefined =>
  model.metadataProps.find((entry) => entry.key === key)?.value;
