/** Weights in a file that was dropped on the page, read by the code of `alexnet weights`. */

import { InputError } from '../../lib/errors.ts';
import type { Identity } from '../../lib/explain/start.ts';
import { isHdf5 } from '../../lib/format/hdf5.ts';
import { openModel } from '../../lib/format/onnx.ts';
import { about, type Source } from '../../lib/format/source.ts';
import { openTensors } from '../../lib/format/tensors.ts';
import { classCount, classNames } from '../../lib/labels/labels.ts';
import { modelOf } from '../../lib/onnx/decoded.ts';
import { productsOf } from '../../lib/onnx/products.ts';
import { visible } from '../../lib/report/escape.ts';
import { fittedWeights } from '../../lib/weights/fitted.ts';
import { networks } from '../../reference/networks/index.ts';
import type { Weights } from '../../reference/oracle.ts';

export interface Dropped {
  readonly identity: Identity;
  readonly weights: Weights;
}

/**
 * `home` is the page's server. The network is `asked`, or where that is '' the one that the file names or fits.
 * Rejects with InputError, one line that starts with the file's name.
 */
export async function droppedWeights(source: Source, asked: string, home: string | null): Promise<Dropped> {
  const { name } = source;
  if (isHdf5(source.read(0, Math.min(source.size, 8)))) fetchHdf5(name, home);
  const opened = await openTensors(source);
  const file = opened.format === 'ONNX' ? { ...opened, ...productsIn(source) } : opened;
  try {
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

/** Of an ONNX file the weights that its convolutions and matrices compute with. */
const productsIn = (source: Source) =>
  about(source.name, () => productsOf(modelOf(openModel(source), source.name)));

/** What workers alone have; TypeScript has it only among their types. */
declare const importScripts: (url: string) => void;

/** The HDF5 library is seven times as large as the page: its server has it, for files that need it. */
function fetchHdf5(name: string, home: string | null): void {
  if (home === null)
    throw new InputError(
      `${name}: HDF5 is read where the page has its server (alexnet explain); or: alexnet weights convert FILE w.npz`,
    );
  if (!('h5wasm' in globalThis)) importScripts(`${home}h5wasm.js`);
}
