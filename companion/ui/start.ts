/** What the page was given: read from the inert scripts that `alexnet explain` put into it. */

import type { Held, Start } from '../../lib/explain/start.ts';
import type { GivenNetwork, GivenPhoto, GivenWeights } from '../engine/protocol.ts';

export const readStart = (): Start => JSON.parse(textOf('start'));

const textOf = (id: string): string => document.getElementById(id)!.textContent!;

export async function givenNetwork({ network, weights, mean }: Start): Promise<GivenNetwork> {
  const given: GivenWeights =
    typeof weights === 'object' ? weights : { bytes: await bytesOf('weights', weights) };
  return { network, weights: given, mean: mean && (await bytesOf('mean', mean)) };
}

export async function givenPhoto({ photo }: Start): Promise<GivenPhoto | null> {
  return photo && { name: photo.name, bytes: await bytesOf('photo', photo.at) };
}

async function bytesOf(name: string, where: Held): Promise<Uint8Array<ArrayBuffer>> {
  if (where === 'served') return new Uint8Array(await (await fetch(name)).arrayBuffer());
  const binary = atob(textOf(name));
  return Uint8Array.from(binary, (char) => char.charCodeAt(0));
}
