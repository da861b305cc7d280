/** Weights in a file that was dropped on the page, read by the code of `alexnet weights`. */

import { InputError } from '../../lib/errors.ts';
import type { Identity } from '../../lib/explain/start.ts';
import { isHdf5 } from '../../lib/format/hdf5.ts';
import type { Source } from '../../lib/format/source.ts';
import { openTensors } from '../../lib/format/tensors.ts';
import { classCount, classNames } from '../../lib/labels/labels.ts';
import { visible } from '../../lib/report/escape.ts';
import { fittedWeights } from '../../lib/weights/fitted.ts';
import { networks } from '../../reference/networks/index.ts';
import type { Weights } from '../../reference/oracle.ts';

export interface Dropped {
  readonly identity: Identity;
  readonly weights: Weights;
}

/**
 * The network is `asked`, or where that is '' the one that the file names or fits. Rejects with InputError, one line
 * that starts with the file's name.
 */
export async function droppedWeights(source: Source, asked: string): Promise<Dropped> {
  const { name } = source;
  if (isHdf5(source.read(0, Math.min(source.size, 8)))) throw foreign(name, 'HDF5');
  const file = await openTensors(source);
  try {
    if (file.format === 'ONNX') throw foreign(name, 'ONNX');
    const loaded = await fittedWeights(name, file, {
      network: networks.find((network) => network.name === asked),
      wish: 'choose which, beside the file',
    });
    const { weights, source, notes, classes } = loaded;
    const preprocess = loaded.preprocess ?? loaded.network.preprocess;
    const network = { ...loaded.network, preprocess };
    if (preprocess.meanImage === 'required')
      throw new InputError(`${name}: ${network.name} needs a mean image: alexnet explain --weights ${name}`);
    const names = classes ?? classNames(network.name, classCount(network));
    return {
      identity: { network, source, random: false, classes: names, notes: notes.map(visible) },
      weights,
    };
  } finally {
    file.close();
  }
}

/** The HDF5 library and the evaluator of ONNX graphs are larger than the page, and are left out of it. */
const foreign = (name: string, format: string): InputError =>
  new InputError(
    `${name}: ${format} is not read in a page: alexnet weights convert FILE w.safetensors, and drop that`,
  );
