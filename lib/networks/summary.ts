/** What a network is made of: the numbers behind `alexnet summary`. */
import type { Kind, Network } from '../../reference/networks/layers.ts';
import { layerMacs, shapes, weightShapes } from '../../reference/oracle.ts';
import { type Shape, sizeOf } from '../../reference/tensor.ts';
import { type Checks, checkAgainst, named, resolveNetwork, whole } from '../checks.ts';

export interface LayerSummary {
  readonly name: string;
  readonly kind: Kind;
  /** Shape of the output, batch first. */
  readonly shape: Shape;
  readonly parameters: number;
  /** For the whole batch. */
  readonly macs: number;
  /** Of the output in float32, for the whole batch. */
  readonly activationBytes: number;
}

export interface NetworkSummary {
  readonly version: 1;
  readonly name: string;
  readonly title: string;
  readonly batch: number;
  /** Shape of the input, batch first. */
  readonly input: Shape;
  readonly layers: readonly LayerSummary[];
  readonly total: { readonly parameters: number; readonly macs: number; readonly activationBytes: number };
}

export interface SummaryOptions {
  /** Its name, or a network of your own; default alexnet2012. */
  readonly network?: string | Network;
  /** Images, from 1; default 1. */
  readonly batch?: number;
}

const checks: Checks<SummaryOptions> = { network: named, batch: whole(1) };

/** `alexnet summary`. Throws InputError for a network that is none. */
export function summary(options: SummaryOptions = {}): NetworkSummary {
  checkAgainst(checks, options, 'summary');
  const { batch = 1 } = options;
  const network = resolveNetwork(options.network);
  const known = shapes(network, batch);
  const weights = weightShapes(network);
  const layers = network.layers.map((layer, at): LayerSummary => {
    const own = [weights.get(`${layer.name}.weight`), weights.get(`${layer.name}.bias`)];
    const shape = known.get(layer.name)!;
    return {
      name: layer.name,
      kind: layer.kind,
      shape,
      parameters: own.reduce((sum, s) => sum + (s ? sizeOf(s) : 0), 0),
      macs: batch * layerMacs(network, at),
      activationBytes: 4 * sizeOf(shape),
    };
  });
  const total = (key: 'parameters' | 'macs' | 'activationBytes') =>
    layers.reduce((sum, l) => sum + l[key], 0);
  return {
    version: 1,
    name: network.name,
    title: network.title,
    batch,
    input: known.get('input')!,
    layers,
    total: {
      parameters: total('parameters'),
      macs: total('macs'),
      activationBytes: total('activationBytes'),
    },
  };
}
