/** ConvNetJS, one image at a time, as it works. Networks without groups, normalisation and test-time dropout. */
import type { Network } from '../../reference/networks/layers.ts';
import { dense, type Tensor } from '../../reference/tensor.ts';
import { requirePeer } from '../peers.ts';
import { weightsOf } from '../subject.ts';
import type { Open } from './engine.ts';

interface Vol {
  readonly w: { [index: number]: number; readonly length: number };
}
interface NetLayer {
  readonly layer_type: string;
  readonly filters: Vol[];
  readonly biases: Vol;
}
interface Net {
  readonly layers: NetLayer[];
  makeLayers(definitions: readonly object[]): void;
  forward(x: Vol): Vol;
}
interface Library {
  readonly Net: new () => Net;
  readonly Vol: new (width: number, height: number, depth: number, fill: number) => Vol;
}

export const open: Open = async (network) => {
  const { Net, Vol } = requirePeer('convnetjs') as Library;
  const net = new Net();
  net.makeLayers(definitionsOf(network));
  load(net, network);
  const [C, H, W] = network.input;
  return {
    prepare(input, batch) {
      const volumes = Array.from({ length: batch }, (_, n) => {
        const volume = new Vol(W, H, C, 0);
        fill(volume, input.subarray(n * C * H * W, (n + 1) * C * H * W), C, H * W);
        return volume;
      });
      return () => volumes.flatMap((volume) => Array.from(net.forward(volume).w));
    },
  };
};

/** Channels last, as a Vol lies in memory. */
function fill({ w }: Vol, values: ArrayLike<number>, C: number, area: number): void {
  for (let c = 0; c < C; c++) for (let i = 0; i < area; i++) w[i * C + c] = values[c * area + i];
}

function definitionsOf(network: Network): object[] {
  const [C, H, W] = network.input;
  const definitions: object[] = [{ type: 'input', out_sx: W, out_sy: H, out_depth: C }];
  for (const layer of network.layers) {
    switch (layer.kind) {
      case 'conv2d': {
        const [sx] = layer.kernel;
        const { stride, pad } = layer.attributes;
        definitions.push({ type: 'conv', sx, filters: layer.channels, stride: stride[0], pad: pad[0] });
        break;
      }
      case 'relu':
        definitions.push({ type: 'relu' });
        break;
      case 'maxpool':
        definitions.push({
          type: 'pool',
          sx: layer.attributes.kernel[0],
          stride: layer.attributes.stride[0],
        });
        break;
      case 'linear':
        definitions.push({ type: 'fc', num_neurons: layer.channels });
        break;
      case 'adaptiveavgpool':
      case 'flatten':
      case 'dropout': // inverted: nothing at test time
        break;
      default:
        throw new Error(`convnetjs: there is no ${layer.kind} here`);
    }
  }
  return definitions;
}

function load(net: Net, network: Network): void {
  const weights = weightsOf(network);
  const ours = network.layers.filter(({ kind }) => kind === 'conv2d' || kind === 'linear');
  const theirs = net.layers.filter(({ layer_type: type }) => type === 'conv' || type === 'fc');
  let channels = network.input[0];
  for (const [i, { name }] of ours.entries()) {
    const weight: Tensor = weights.get(`${name}.weight`)!;
    const values = dense(weight);
    const size = weight.size / weight.shape[0];
    // the first fully connected layer reads a volume too: its inputs lie channels first in our weights
    const C = weight.dimension === 4 ? weight.shape[1] : channels;
    for (const [k, filter] of theirs[i].filters.entries()) {
      fill(filter, values.subarray(k * size, (k + 1) * size), C, size / C);
      theirs[i].biases.w[k] = weights.get(`${name}.bias`)!.data[k];
    }
    channels = weight.shape[0];
  }
}
