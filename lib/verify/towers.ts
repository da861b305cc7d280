/** verify --towers: a network's layers, computed by its two towers; and what those exchanged. */
import type { Network } from '../../reference/networks/layers.ts';
import { inputsOf, shapes } from '../../reference/oracle.ts';
import { sizeOf } from '../../reference/tensor.ts';
import { InputError } from '../errors.ts';
import { type Choice, chooseDevice, describeChoice, LABELS } from '../runtime/devices.ts';
import type { TowersHost } from '../runtime/towers.ts';
import type { VerifyOptions } from './options.ts';
import type { Towers } from './verification.ts';

/** Options that one device has, or somebody else's values. */
const OF_ONE = ['model', 'values', 'endpoint', 'names', 'layout'] as const;

/** The towers' devices. Throws InputError for options that do not go with them, EnvironmentError for a device. */
export async function devicesOfTowers(options: VerifyOptions): Promise<readonly Choice[]> {
  const { towers = [], device = 'auto', strictDevice } = options;
  if (towers.length !== 2)
    throw new InputError(
      `--towers: two devices are needed (= ${towers.length}): --towers cpu,cpu, for example`,
    );
  const other =
    OF_ONE.find((key) => options[key] !== undefined) ?? (device === 'auto' ? undefined : 'device');
  if (other)
    throw new InputError(
      `--towers does not go with ${other === 'model' ? 'a file' : `--${other}`}: leave one of them out`,
    );
  const choices: Choice[] = [];
  for (const word of towers) choices.push(await chooseDevice(word, undefined, '--towers'));
  if (strictDevice && choices[0].device !== choices[1].device)
    throw new InputError('--strict-device: the towers run on two kinds of devices: leave it out');
  return choices;
}

/** A line for each tower. */
export const describeTowers = (choices: readonly Choice[]): string[] =>
  choices.flatMap((choice, tower) => {
    const [chosen, ...refused] = describeChoice(choice);
    return [`tower ${tower}: ${chosen}`, ...refused];
  });

/** What was sent in the first run, beside the paper's layout. */
export function exchanged(network: Network, { sent, places }: TowersHost): Towers {
  const images = sent[0]?.images ?? 0;
  const both = readBoth(network);
  return {
    devices: places.map(({ device }) => LABELS[device]),
    images,
    exchanges: sent.map(({ images: _, ...one }) => ({ ...one, paper: both.has(one.before) })),
    bytes: sent.reduce((sum, { bytes }) => sum + bytes, 0),
    paper: layoutOf(network, images) * (sent.some(({ back }) => back) ? 2 : 1),
  };
}

/** Section 3.2: the layers that read both towers' maps (conv3, fc6, fc7, fc8), and what they read. */
const readBoth = (network: Network): ReadonlyMap<string, string> =>
  new Map(
    network.layers.flatMap((layer, at) => {
      const both = layer.kind === 'linear' || (layer.kind === 'conv2d' && layer.attributes.groups === 1);
      return both && at > 0 ? [[layer.name, inputsOf(network, at)[0]] as const] : [];
    }),
  );

/** In bytes of float32: each tower sends its half of that; of the last the second alone (layers-145.cfg). */
function layoutOf(network: Network, images: number): number {
  const known = shapes(network, images);
  const halves = [...readBoth(network).values()].map((value) => (sizeOf(known.get(value)!) / 2) * 4);
  return 2 * halves.reduce((sum, half) => sum + half, 0) - halves[halves.length - 1];
}
