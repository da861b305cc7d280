/** Whole networks at full size, one image, run by PyTorch and by OpenCV with the scripts of docs/other-engines.md. */
import { join } from 'node:path';
import { buildModel } from '../../export/index.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import { random, randomWeights } from './models.ts';
import { runTorch, type Subject } from './pytorch.ts';
import { recipeOf, runPython } from './recipe.ts';
import { writePieces } from './tensor-bytes.ts';

/** Where a network's values are, and in `weights` and `x` what they come from. */
export interface Dumped extends Subject {
  readonly files: Readonly<Record<'PyTorch' | 'OpenCV' | 'weights' | 'x', string>>;
}

/** The networks; those of one line have weights of the same shapes, and share them. */
const NETWORKS = [['alexnet2012', 'bvlc-alexnet'], ['torchvision']];

/** Some 500 MB a line in the folder. */
export function fullSizeDumps(folder: string): readonly Dumped[] {
  const at = (name: string, type: string): string => join(folder, `${name}.${type}`);
  const subjects = NETWORKS.flatMap((names) => {
    const weights = randomWeights(networkNamed(names[0]), 3);
    return names.map((name) => {
      const network = networkNamed(name);
      const input = random([1, ...network.input], 5, 100);
      const files = { weights: at(names[0], 'weights.npz'), x: at(name, 'input.npy') };
      return { name, network, weights, input, files };
    });
  });
  const torch = runTorch(
    folder,
    subjects.map(({ files: _, ...job }) => job),
  );
  for (const { name, network, weights } of subjects)
    writePieces(at(name, 'onnx'), buildModel(network, weights).chunks());
  const runs = subjects.map(({ name, files }) => [at(name, 'onnx'), files.x, at(name, 'opencv.npz')]);
  runPython(recipeOf('OpenCV'), runs);
  return subjects.map(({ files, ...subject }, i) => {
    return { ...subject, files: { ...files, PyTorch: torch[i], OpenCV: runs[i][2] } };
  });
}
