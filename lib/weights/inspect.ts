/** The function behind `alexnet weights inspect`: what is in a file, and what it would be in a network. */
import { statSync } from 'node:fs';
import type { Preprocess } from '../../reference/input/preprocess.ts';
import type { Shape, Storage } from '../../reference/tensor.ts';
import type { NumericDType } from '../array/dtype.ts';
import { widen } from '../array/value.ts';
import { checkArgument, resolveNetwork, text } from '../checks.ts';
import { about } from '../format/source.ts';
import type { TensorFile } from '../format/tensors.ts';
import { dropoutOf } from './conventions.ts';
import { candidates, preprocessOf } from './fitted.ts';
import { fileOf } from './get.ts';
import { describeLayout } from './layout.ts';
import { withWeightFile } from './load.ts';
import { type Mapping, mapTensors } from './mapping.ts';

export interface InspectedTensor {
  readonly name: string;
  readonly dtype: NumericDType;
  readonly shape: Shape;
  readonly least: number;
  readonly greatest: number;
  readonly mean: number;
  /** NaN and infinities. */
  readonly notFinite: number;
  /** This project's name; null where it belongs to no layer. */
  readonly layer: string | null;
  /** What is moved to bring it to this project's order; '' for nothing. */
  readonly moved: string;
}

export interface Inspected {
  readonly file: string;
  readonly format: string;
  readonly bytes: number;
  readonly tensors: readonly InspectedTensor[];
  readonly metadata: Readonly<Record<string, string>>;
  /** Networks that the tensors fit. */
  readonly networks: readonly string[];
  /** How they were matched: 'Caffe names', 'order and shape', '' for not at all. */
  readonly by: string;
  readonly preprocess: Preprocess | null;
  readonly notes: readonly string[];
}

/**
 * Reads everything once. Throws InputError naming the file, and for a named network why the tensors do not
 * fit.
 */
export async function inspectWeights(name: string, network?: string): Promise<Inspected> {
  checkArgument('inspectWeights: file', name, text);
  const path = fileOf(name);
  const chosen = network === undefined ? undefined : resolveNetwork(network);
  return withWeightFile(path, (file) => {
    const found = chosen ? [about(path, () => mapTensors(chosen, file))] : candidates(path, file);
    const mapping = found[0] ?? null;
    const places = new Map(mapping?.assignments.map((part) => [part.theirs, part]));
    const tensors = [...file.tensors].map(([name, array]): InspectedTensor => {
      const place = places.get(name);
      const values = about(path, () => widen(array.read()));
      const moved = place ? describeLayout(place.layout) : '';
      const { dtype, shape } = array;
      return { name, dtype, shape, ...statistics(values), layer: place?.own ?? null, moved };
    });
    return {
      file: path,
      format: file.format,
      bytes: statSync(path).size,
      tensors,
      metadata: Object.fromEntries(file.metadata),
      networks: found.map((each) => each.network.name),
      by: mapping?.by ?? '',
      preprocess: preprocessOf(path, file) ?? null,
      notes: [...file.notes, ...(mapping?.notes ?? []), ...untold(file, mapping)],
    };
  });
}

/** What weights alone cannot tell. */
function untold(file: TensorFile, mapping: Mapping | null): string[] {
  if (!mapping || file.metadata.has('preprocess')) return [];
  const caffe = ['Caffe', 'ONNX model zoo', 'Caffe2'].includes(mapping.naming ?? '');
  const large = mapping.network.input[1] >= 200;
  const usual = caffe && large ? 'BGR 0..255 with these names' : 'RGB';
  const things = [`channel order and range of the input (usually ${usual})`];
  if (dropoutOf(mapping.network)) {
    things.push("whether dropout's ½ is folded into the weights (Caffe, PyTorch: yes)");
  }
  return things.map((thing) => `not told by the file: ${thing}`);
}

function statistics(values: Storage) {
  let least = Infinity;
  let greatest = -Infinity;
  let sum = 0;
  let finite = 0;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    finite++;
    least = Math.min(least, value);
    greatest = Math.max(greatest, value);
    sum += value;
  }
  const notFinite = values.length - finite;
  if (finite === 0) return { least: 0, greatest: 0, mean: 0, notFinite };
  return { least, greatest, mean: sum / finite, notFinite };
}
