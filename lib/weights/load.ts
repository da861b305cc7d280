/** Weights from a file of the disk, fitted to a network: what --weights means in every command. */

import type { Preprocess } from '../../reference/input/preprocess.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { checkArgument, definition, resolveNetwork, text } from '../checks.ts';
import { withTensorFile } from '../disk/tensors.ts';
import type { TensorFile } from '../format/tensors.ts';
import { classesBeside } from '../labels/file.ts';
import { CLASSES, classCount } from '../labels/labels.ts';
import { fittedWeights, type Loaded } from './fitted.ts';
import { fetched } from './get.ts';

/**
 * The weights in the file `path`, or those of the public source of that name, every value a float32 or
 * float64 as the file has it (halves widened exactly). Without a network: the one that the file's metadata
 * name, else the only one that fits. Throws InputError, in one line that names the file: missing,
 * unreadable, of no known format, damaged, tensors missing, left over or of a shape that cannot belong to
 * the network, NaN or infinity in a tensor, no network or several that fit.
 */
export async function loadWeights(path: string, network?: Network): Promise<Loaded> {
  checkArgument('loadWeights: path', path, text);
  if (network !== undefined) checkArgument('loadWeights: network', network, definition);
  const known = fetched(path);
  if (known === null) return loadFile(path, network);
  const { source } = known;
  const loaded = await loadFile(known.path, network ?? resolveNetwork(source.network), source.preprocess);
  return { ...loaded, source: `${source.name} (${loaded.source})` };
}

/** What `use` makes of a file of weights: of an ONNX file, those that its convolutions and matrices compute with. */
export const withWeightFile = <T>(path: string, use: (file: TensorFile) => T | Promise<T>): Promise<T> =>
  withTensorFile(path, async (file) =>
    use(file.format === 'ONNX' ? { ...file, ...(await productsIn(path)) } : file),
  );

/** What computes graphs is loaded where there is one. */
async function productsIn(path: string) {
  const { readModel } = await import('../onnx/read.ts');
  const { productsOf } = await import('../onnx/products.ts');
  return productsOf(await readModel(path));
}

/** Where the file has no names of classes, those of classes.txt beside it are taken. */
function loadFile(path: string, network?: Network, published?: Preprocess): Promise<Loaded> {
  return withWeightFile(path, async (file) => {
    const loaded = await fittedWeights(path, file, { network, published });
    if (file.metadata.has(CLASSES)) return loaded;
    const beside = await classesBeside(path, classCount(loaded.network));
    if (!beside) return loaded;
    return { ...loaded, classes: beside.names, notes: [`class names: ${beside.file}`, ...loaded.notes] };
  });
}
