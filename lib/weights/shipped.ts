/** The trained model that comes with the package: fixtures/cifar-alexnet, made by recipes/cifar-alexnet.json. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { InputError } from '../errors.ts';

const NETWORK = 'cifar-alexnet';

/** What a caller says of network and weights. */
interface Choice {
  readonly network?: unknown;
  readonly weights?: unknown;
  readonly seed?: unknown;
  readonly init?: unknown;
}

/** The file of the weights that are in the box for a network, if there are any. */
export function boxedWeights(network: unknown): string | undefined {
  if (network !== NETWORK) return undefined;
  // seen from the source or from dist/
  for (const path of ['../../fixtures/', '../../../fixtures/']) {
    const found = fileURLToPath(new URL(`${path}${NETWORK}/weights.safetensors`, import.meta.url));
    if (existsSync(found)) return found;
  }
  return undefined;
}

/** The same choice with the weights in the box where no weights are given. */
export function withBoxed<T extends Choice>(choice: T): T {
  if (choice.weights !== undefined || choice.seed !== undefined || choice.init !== undefined) return choice;
  const weights = boxedWeights(choice.network);
  return weights === undefined ? choice : { ...choice, weights };
}

/** The choice with the weights in the box. Throws InputError where weights are neither there nor drawn from a seed. */
export function requireWeights<T extends Choice>(command: string, choice: T): T {
  const found = withBoxed(choice);
  if (found.seed !== undefined || found.weights !== undefined) return found;
  throw new InputError(
    `${command} needs weights: --weights FILE, or --network ${NETWORK}, which brings its own (random ones: --seed 0)`,
  );
}
