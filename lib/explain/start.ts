/** What the page begins with: network, weights, photo. The page reads this type from here. */
import type { Network } from '../../reference/networks/layers.ts';
import type { Method } from '../../reference/training/init.ts';

/** Where bytes are: in the page itself, or beside it on the server under the same name. */
export type Held = 'embedded' | 'served';

/** What is known of the network and its weights. */
export interface Identity {
  readonly network: Network;
  /** One line: the weights' file, or the seed. */
  readonly source: string;
  /** Whether the weights are random, so that classes mean nothing. */
  readonly random: boolean;
  readonly classes: readonly string[];
  /** What a reader of the results should know, one line each. */
  readonly notes: readonly string[];
}

export interface Start extends Identity {
  /** A .safetensors file under the name 'weights', or what they are drawn from. */
  readonly weights: Held | { readonly seed: number; readonly init: Method };
  /** Under the name 'mean': the mean image as a .safetensors file, tensor 'mean'. */
  readonly mean: Held | null;
  /** Under the name 'pictures': what pictures.ts makes of a folder, for these weights. */
  readonly pictures: Held | null;
  /** A JPEG or PNG file under the name 'photo'; null: the program's own. */
  readonly photo: { readonly name: string; readonly at: Held } | null;
}
