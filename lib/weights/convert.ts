/** The function behind `alexnet weights convert`. */
import { fittingFloat16 } from '../../export/float16.ts';
import type { Preprocess } from '../../reference/input/preprocess.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { type NumericValue, widen } from '../array/value.ts';
import {
  among,
  type Checks,
  checkAgainst,
  checkArgument,
  listOf,
  resolveNetwork,
  text,
  truth,
} from '../checks.ts';
import { checkTargets } from '../disk/target.ts';
import { InputError } from '../errors.ts';
import { about } from '../format/source.ts';
import type { TensorFile } from '../format/tensors.ts';
import { classesBeside } from '../labels/file.ts';
import { classCount, classesIn } from '../labels/labels.ts';
import { withExternalData } from '../onnx/files.ts';
import { convertConventions, difference, dropoutOf, type Wish, withDropout } from './conventions.ts';
import { candidates, preprocessOf, transposed } from './fitted.ts';
import { fetched } from './get.ts';
import { arrange } from './layout.ts';
import { withWeightFile } from './load.ts';
import { type Mapping, mapTensors } from './mapping.ts';
import { type NamesOption, targetOf, writable, writeWeights } from './write.ts';

export interface ConvertOptions extends Wish {
  readonly network?: string;
  /** Another network of the same layers, whose conventions the weights are brought to. */
  readonly to?: string;
  readonly names?: NamesOption;
  /** float16: every float rounded to the nearest half, ties to even; default: as they are. */
  readonly precision?: 'float16';
  /** Overwrite a file that this program did not write, or that does not tell. */
  readonly force?: boolean;
}

const checks: Checks<ConvertOptions> = {
  network: text,
  to: text,
  names: among(Object.keys(writable)),
  precision: among(['float16']),
  force: truth,
  channels: among(['RGB', 'BGR']),
  range: among([255, 1]),
  fold: listOf("a list of 'mean' and 'deviation'", among(['mean', 'deviation'])),
  dropout: among(['paper', 'inverted']),
};

/**
 * Writes the weights in the file `name` (or of that public source) as `file`, in the format that its name
 * asks for, bit for bit where the types allow. Throws InputError naming the file; `file` is written whole
 * or not at all.
 */
export async function convertWeights(name: string, file: string, options: ConvertOptions = {}) {
  checkArgument('convertWeights: from', name, text);
  checkArgument('convertWeights: file', file, text);
  checkAgainst(checks, options, 'convertWeights');
  const target = targetOf(file);
  const known = fetched(name);
  const from = known?.path ?? name;
  const guard = { inputs: withExternalData([from]), force: options.force };
  await checkTargets([target], guard);
  const wanted = options.network ?? known?.source.network;
  const network = wanted === undefined ? undefined : resolveNetwork(wanted);
  return withWeightFile(from, async (opened) => {
    const { mapping: raw, certain } = mappingOf(from, opened, network);
    const dropout = opened.metadata.get('dropout');
    const mapping = raw && { ...raw, network: withDropout(raw.network, dropout) };
    const wishes = options.channels || options.range || options.fold?.length || options.dropout || options.to;
    if (wishes && !(mapping && certain)) {
      const how = 'name it with --network';
      throw new InputError(`${from}: a convention can only be changed for a known network; ${how}`);
    }
    const arrays = readArrays(from, opened, mapping);
    const usual = known?.source.preprocess ?? (certain && mapping ? mapping.network.preprocess : null);
    const preprocess = preprocessOf(from, opened) ?? usual;
    const made =
      wishes && mapping && preprocess
        ? about(from, () => change(mapping, arrays, preprocess, options))
        : { network: mapping?.network ?? null, arrays, preprocess, notes: [] };
    const notes = mapping ? [...mapping.notes, ...transposed(mapping), ...made.notes] : made.notes;
    const { names } = options;
    const written = options.precision === 'float16' ? about(from, () => halves(made.arrays)) : made.arrays;
    const within = about(from, () => classesIn(opened.metadata));
    const beside = within || !made.network ? undefined : await classesBeside(from, classCount(made.network));
    const classes = within ?? beside?.names;
    const contents = { ...made, arrays: written, certain, classes, ...(names ? { names } : {}) };
    const more = await writeWeights(file, contents, guard);
    const label = certain ? (made.network?.name ?? null) : null;
    return { from, file, network: label, tensors: arrays.size, notes: [...opened.notes, ...notes, ...more] };
  });
}

/** Floats as halves; integers (counters in .pth files) stay. Throws where a finite value is beyond 65504. */
function halves(arrays: ReadonlyMap<string, NumericValue>): Map<string, NumericValue> {
  return new Map(
    [...arrays].map(([name, array]): [string, NumericValue] => {
      if (!array.dtype.includes('float')) return [name, array];
      return [name, { dtype: 'float16', shape: array.shape, data: fittingFloat16(name, widen(array)) }];
    }),
  );
}

/**
 * The mapping, and whether there is no other network that it could be; none where the tensors fit no network: then
 * they keep their names.
 */
export function mappingOf(path: string, file: TensorFile, network?: Network) {
  if (network) return { mapping: about(path, () => mapTensors(network, file)), certain: true };
  const found = candidates(path, file);
  const same = new Set(found.map(({ assignments }) => JSON.stringify(assignments)));
  if (same.size > 1) {
    const names = found.map((mapping) => mapping.network.name).join(', ');
    throw new InputError(
      `${path}: fits several networks in different ways (${names}); say which with --network`,
    );
  }
  return { mapping: found[0] ?? null, certain: found.length === 1 };
}

/** All arrays, under this project's names and in its order where there is a mapping. Throws InputError. */
export function readArrays(path: string, file: TensorFile, mapping: Mapping | null) {
  const read = (name: string) => about(path, () => file.tensors.get(name)?.read()) as NumericValue;
  if (!mapping) return new Map([...file.tensors.keys()].map((name) => [name, read(name)]));
  return new Map(
    mapping.assignments.map(({ own, theirs, layout }): [string, NumericValue] => {
      const { dtype, data } = read(theirs);
      return [own, { dtype, shape: layout.shape, data: arrange(data, layout) }];
    }),
  );
}

function change(
  { network }: Mapping,
  arrays: ReadonlyMap<string, NumericValue>,
  preprocess: Preprocess,
  options: ConvertOptions,
) {
  if (options.to === undefined) return convertConventions(network, arrays, preprocess, options);
  const to = resolveNetwork(options.to);
  const why = difference(network, to);
  if (why) throw new Error(`cannot be brought to ${to.name}: ${why}`);
  const dropout = dropoutOf(to);
  const { channels, range } = to.preprocess;
  const wish = { channels, range, ...(dropout ? { dropout } : {}), ...options };
  const made = convertConventions(network, arrays, preprocess, wish);
  return { ...made, network: { ...made.network, name: to.name } };
}
