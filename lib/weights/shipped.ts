/** The trained model that comes with the package: fixtures/cifar-alexnet, made by recipes/cifar-alexnet.json. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { resolveNetwork } from '../checks.ts';
import { InputError } from '../errors.ts';

/** The network whose weights are in the box. */
const BOXED = 'cifar-alexnet';

/** What a caller says of network and weights. */
interface Choice {
  readonly network?: unknown;
  readonly weights?: unknown;
  readonly seed?: unknown;
  readonly init?: unknown;
}

/** The file of the weights that are in the box for a network, if there are any. */
export function boxedWeights(network: unknown): string | undefined {
  if (network !== BOXED) return undefined;
  // seen from the source or from dist/
  for (const path of ['../../fixtures/', '../../../fixtures/']) {
    const found = fileURLToPath(new URL(`${path}${BOXED}/weights.safetensors`, import.meta.url));
    if (existsSync(found)) return found;
  }
  return undefined;
}

/** With nothing said, the trained net in the box; a network's own weights where they are in the box. */
export function boxed<T extends Choice>(asked: T): T {
  if (asked.weights !== undefined || asked.seed !== undefined || asked.init !== undefined) return asked;
  const network = asked.network ?? BOXED;
  return { ...asked, network, weights: boxedWeights(network) };
}

/**
 * The choice with the weights in the box, where neither weights nor a seed are given. Throws InputError where there
 * are none: nobody gets random weights without having asked for them.
 */
export function requireWeights<T extends Choice>(command: string, choice: T): T {
  if (choice.seed !== undefined || choice.weights !== undefined) return choice;
  const weights = choice.init === undefined ? boxedWeights(choice.network) : undefined;
  if (weights !== undefined) return { ...choice, weights };
  resolveNetwork(choice.network as string | undefined); // an unknown one is said to be that
  throw new InputError(
    `${command} needs weights: --weights FILE, or --network ${BOXED}, which brings its own (random ones: --seed 0)`,
  );
}
