/** What the page was given: read from the inert scripts that `alexnet explain` put into it. */

import type { Held, Start } from '../../lib/explain/start.ts';
import type { GivenBytes, GivenNetwork, GivenPhoto } from '../engine/protocol.ts';

export const readStart = (): Start => JSON.parse(textOf('start'));

const textOf = (id: string): string => document.getElementById(id)!.textContent!;

export const givenNetwork = ({ network, weights, mean, pictures }: Start): GivenNetwork => ({
  network,
  weights: typeof weights === 'object' ? weights : bytesOf('weights', weights),
  mean: mean && bytesOf('mean', mean),
  pictures: pictures && bytesOf('pictures', pictures),
  home: location.protocol === 'file:' ? null : new URL('.', location.href).href,
});

export const givenPhoto = ({ photo }: Start): GivenPhoto | null =>
  photo && { name: photo.name, bytes: bytesOf('photo', photo.at) };

function bytesOf(name: string, where: Held): GivenBytes {
  if (where === 'served') return new URL(name, location.href).href;
  return Uint8Array.from(atob(textOf(name)), (char) => char.charCodeAt(0));
}
