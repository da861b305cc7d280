/** verify --graph on networks with few channels, in this process: what is fed, and models with planted faults. */
import { tap } from '../../export/index.ts';
import type { ModelProto, NodeProto } from '../../export/proto.ts';
import type { Level } from '../../lib/verify/provider.ts';
import { verifyTraining } from '../../lib/verify/training/training.ts';
import type { Verification } from '../../lib/verify/verification.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import type { Layer, Network } from '../../reference/networks/layers.ts';
import { shapes } from '../../reference/oracle.ts';
import { sizeOf } from '../../reference/tensor.ts';
import type { Masks } from '../../reference/training/gradient.ts';
import type { Rule } from '../../reference/training/optimiser.ts';
import { narrow, onSmallPictures, random, randomWeights, uniform } from './models.ts';

/** Eight channels everywhere: what onnxruntime 1.30's grouped convolutions on WebGPU get right. */
export function eight(network: Network): Network {
  const layers = network.layers.map(
    (layer): Layer =>
      layer.kind === 'conv2d' || layer.kind === 'linear' ? { ...layer, channels: 8 } : layer,
  );
  return { ...network, layers };
}

const BATCH = 2;

export function masksOf(network: Network): Masks {
  const next = uniform(77);
  const known = shapes(network, BATCH);
  const drawn = network.layers.filter(({ kind }) => kind === 'dropout');
  return new Map(
    drawn.map(({ name }) => [name, new Uint8Array(sizeOf(known.get(name)!)).map(() => (next() > 0 ? 1 : 0))]),
  );
}

export interface Case {
  readonly graph?: 'gradients' | 'training';
  readonly device?: 'cpu' | 'webgpu';
  readonly widths?: 'narrow' | 'eight';
  readonly rule?: Rule;
  readonly steps?: number;
  readonly masked?: boolean;
  readonly file?: Uint8Array;
  readonly repeat?: number;
  readonly levels?: readonly Level[];
}

/** The network with few channels, on small pictures, random weights, two images, classes 3 and 7. */
export function verifyNarrow(name: string, options: Case = {}): Promise<Verification> {
  const { graph = 'gradients', device = 'cpu', rule = 'paper', steps = 1, masked = true, file } = options;
  const few = options.widths === 'eight' ? eight : narrow;
  const network = onSmallPictures(few(networkNamed(name)));
  return verifyTraining({
    graph,
    network,
    weights: randomWeights(network, 9),
    batch: {
      input: random([BATCH, ...network.input], 5, 2),
      labels: [3, 7],
      dropout: masked && network.layers.some(({ kind }) => kind === 'dropout') ? masksOf(network) : 'none',
    },
    hyper: { rule, learningRate: 0.01 },
    steps,
    device,
    file,
    repeat: options.repeat,
    levels: options.levels,
  });
}

/** The model with its nodes changed, one by one: a node may become several or none. */
export function withNodes(model: ModelProto, change: (node: NodeProto) => readonly NodeProto[]): Uint8Array {
  const graph = model.graph!;
  const node = graph.node.flatMap(change);
  const made = new Set(node.flatMap(({ output }) => output));
  return tap(
    { ...model, graph: { ...graph, node, output: graph.output.filter(({ name }) => made.has(name)) } },
    [],
  );
}
