/** Every network, by the name given to --network. */
import { alexnet2012 } from './alexnet2012.ts';
import { alexnet2012AsRun } from './asrun.ts';
import { bvlcAlexnet } from './bvlc.ts';
import { caffenet } from './caffenet.ts';
import { cifar10Full, cifarAlexnet, cifarRelu, cifarTanh } from './cifar.ts';
import { alexnetHalf } from './half.ts';
import type { Network } from './layers.ts';
import { torchvision } from './torchvision.ts';
import { onnxZoo } from './zoo.ts';

export const networks: readonly Network[] = [
  alexnet2012,
  alexnet2012AsRun,
  bvlcAlexnet,
  caffenet,
  onnxZoo,
  torchvision,
  alexnetHalf,
  cifar10Full,
  cifarRelu,
  cifarTanh,
  cifarAlexnet,
];

/** The network of that name. Throws, naming all of them, if there is none. */
export function networkNamed(name: string): Network {
  const found = networks.find((network) => network.name === name);
  if (!found) {
    throw new RangeError(`unknown network '${name}' (there are: ${networks.map((n) => n.name).join(', ')})`);
  }
  return found;
}
