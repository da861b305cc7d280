/**
 * The provider of values that another engine wrote down: they are brought to the layers' names, shapes and order, and
 * judged image by image as a session's are. Nothing here loads onnxruntime.
 */
import { IMAGE } from '../../../export/pixels.ts';
import type { Network } from '../../../reference/networks/layers.ts';
import { dense, type Tensor } from '../../../reference/tensor.ts';
import type { FloatDType } from '../../array/dtype.ts';
import { fromTensor, type NumericValue, type Value, widened } from '../../array/value.ts';
import { readText } from '../../disk/source.ts';
import { InputError } from '../../errors.ts';
import { readInput } from '../../networks/input.ts';
import type { Device, Executor } from '../../runtime/failures.ts';
import { imagesOf, joinedBatches, worstOf } from '../batches.ts';
import { examine, verificationOf } from '../engine.ts';
import { fedAs, fedIn, layersOf } from '../layers.ts';
import type { VerifyOptions } from '../options.ts';
import type { FilePair, Pair } from '../pairing.ts';
import { extentOf, shapesAround } from '../pictures.ts';
import { tensorOf } from '../subject.ts';
import type { Verification } from '../verification.ts';
import { inPlace, nameDump, nodeNames, torchNames } from './names.ts';
import { dumpOf, type Elsewhere } from './part.ts';
import { type Placed, place } from './place.ts';
import { readDump } from './read.ts';
import type { Recorded } from './record.ts';
import { fromEndpoint, servedNotes } from './served.ts';

/** Options that speak of sessions, which there are none of. A served model can be asked again. */
const OF_SESSIONS = ['strictDevice', 'levels', 'lrn', 'tf32'] as const;

/** Whose arithmetic is assumed. Throws InputError for options that need a session. */
export function engineOf(options: VerifyOptions): Executor {
  const { values, endpoint } = options;
  if (values !== undefined && endpoint !== undefined)
    throw new InputError('--values and --endpoint: values come from one of them, leave the other out');
  for (const key of [...OF_SESSIONS, ...(endpoint === undefined ? (['repeat'] as const) : [])]) {
    if (options[key] === undefined) continue;
    const option = key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new InputError(
      `--${option} does not go with ${endpoint ? '--endpoint' : '--values'}, whose values are computed elsewhere: leave it out`,
    );
  }
  const { device = 'auto' } = options;
  const word = typeof device === 'string' ? device : device.device;
  return word === 'auto' ? 'other' : (word.split(':')[0] as Device);
}

interface Found {
  readonly pair: Pair | FilePair;
  readonly weights: string;
  readonly notes: readonly string[];
}

/** Reads the dump and the input. Throws InputError for what does not fit together. */
export async function prepareDump(
  found: Found,
  options: VerifyOptions,
  device: Executor,
  recorded?: Recorded,
) {
  const { pair, weights } = found;
  const { network } = pair;
  const { pixels } = pair.input;
  const from = options.endpoint === undefined ? undefined : await fromEndpoint(pair, options);
  const dumps = from ? [from.dump] : await readDump(options.values!, recorded?.types);
  const names = await namesIn(options.names);
  const own = [...shapesAround(network, pixels).keys()];
  const layerOf = invertedOf(pair);
  const aliases = [
    layerOf,
    new Map(own.map((name) => [name, name])),
    'file' in pair ? nodeNames(pair.file.model.graph, layerOf) : new Map(),
    new Map([
      ['data', 'input'],
      ['output', own[own.length - 1]],
    ]),
    torchNames(network),
  ];
  const notes: string[] = [...found.notes, ...(from ? servedNotes(from.served) : [])];
  const unstable: string[] = [];
  const parts = dumps.map((dump) => {
    const named = nameDump(dump, own, aliases, names);
    const moved = inPlace(network, named.names, dump);
    for (const [ours, theirs] of moved.names) if (from?.unstable.includes(theirs)) unstable.push(ours);
    notes.push(...named.unmatched, ...moved.notes);
    const pictures = from ? fromTensor(from.input) : dump.get(moved.names.get(IMAGE) ?? '');
    if (pixels?.resize && !pictures)
      throw new InputError(`${options.values}: of pictures of any size the values must hold '${IMAGE}' too`);
    const one = shapesAround(network, pixels, 1, pictures && extentOf(pictures));
    return place(dump, moved.names, network, options.layout, one);
  });
  const dump = together(parts);
  const given = pixels ? IMAGE : 'input';
  const fed = dump.values.get(given);
  const values = new Map([...dump.values].filter(([name]) => name !== given));
  const { input, source } = from ?? (await inputOf(pair, options, dump, fed && tensorOf(fed)));
  if (values.size === 0)
    throw new InputError(`${from?.served.address ?? options.values}: none of its values is a layer's`);
  return {
    title: `network: ${network.name}`,
    weights,
    input: source,
    notes: [...new Set(notes)],
    run: async () => {
      const found = await verifyDump(pair, options, device, { ...dump, values }, input, unstable);
      return from ? { ...found, served: from.served } : found;
    },
  };
}

/**
 * The values of a graph that is not a chain of layers: by its own names, `own`, or what `aliases` say. Throws
 * InputError for values of several runs.
 */
export async function readValues(
  options: VerifyOptions,
  own: readonly string[],
  aliases: readonly ReadonlyMap<string, string>[] = [],
  recorded?: Recorded,
): Promise<Elsewhere & { readonly notes: readonly string[] }> {
  const [dump, ...more] = await readDump(options.values!, recorded?.types);
  if (more.length > 0) throw new InputError(`${options.values}: several runs: a graph is judged by one`);
  const itself = new Map(own.map((name) => [name, name]));
  const { names, unmatched } = nameDump(dump, own, [itself, ...aliases], await namesIn(options.names));
  const values = new Map([...names].map(([name, theirs]) => [name, widened(dump.get(theirs)!)]));
  // of a saved run it is known why
  return { values, device: engineOf(options), notes: recorded ? [] : unmatched };
}

/** The model's names for the layers' values. */
const invertedOf = ({ match }: Pair): Map<string, string> =>
  new Map([...match.values].reverse().map(([ours, theirs]) => [theirs, ours]));

/** What --names says. Throws InputError naming the file. */
async function namesIn(given: VerifyOptions['names']): Promise<ReadonlyMap<string, string>> {
  if (given === undefined) return new Map();
  if (typeof given !== 'string') return new Map(Object.entries(given));
  const text = await readText(given);
  let map: unknown;
  try {
    map = JSON.parse(text);
  } catch {}
  const entries = Object.entries(Object(map));
  if (!(map instanceof Object) || Array.isArray(map) || entries.some(([, name]) => typeof name !== 'string'))
    throw new InputError(`${given}: it is not a JSON object of names, {"theirs": "conv1", …}`);
  return new Map(entries as [string, string][]);
}

/** Runs of several files, one after the other. */
function together(parts: readonly Placed[]): Placed {
  const [first, ...rest] = parts;
  if (rest.length === 0) return first;
  const names = [...first.values.keys()];
  for (const [i, { values, types }] of rest.entries())
    if (
      names.join() !== [...values.keys()].join() ||
      names.some((name) => types.get(name) !== first.types.get(name))
    )
      throw new InputError(`--values: file ${i + 2} holds other values, or in other types, than the first`);
  const all = names.map(
    (name) => [name, joinedBatches(parts.map(({ values }) => values.get(name)!))] as const,
  );
  const count = parts.reduce((sum, part) => sum + part.images, 0);
  return { ...first, images: count, values: new Map(all) };
}

/** What was fed: as given, else the dump's own, else noise. */
async function inputOf(
  { network, input: { pixels } }: Pair,
  { input: from, seed, batch, log }: VerifyOptions,
  dump: Placed,
  own: Tensor | undefined,
): Promise<{ input: Tensor; source: string }> {
  if (from === undefined && own) return { input: own, source: "the values' own" };
  const { tensor: input, source } = await readInput(network, {
    from,
    seed,
    batch: batch ?? dump.images,
    log,
    pixels,
  });
  const N = input.shape[0];
  if (N !== dump.images)
    throw new InputError(
      `the values are of ${dump.images} images, the input of ${N}: give the same (--input)`,
    );
  const at = own ? dense(input).findIndex((v, i) => v !== dense(own)[i]) : -1;
  if (at >= 0)
    throw new InputError(
      `the values hold another input than was given (first at ${at}: ${dense(own!)[at]}, not ${dense(input)[at]}): ` +
        'leave --input out to take theirs',
    );
  return { input, source };
}

const isLayer = ({ layers }: Network, name: string): boolean => layers.some((layer) => layer.name === name);

const halvesAmong = (types: ReadonlyMap<string, FloatDType>) =>
  new Map(
    [...types].filter((entry): entry is [string, 'float16' | 'bfloat16'] => entry[1].endsWith('float16')),
  );

async function verifyDump(
  pair: Pair,
  options: VerifyOptions,
  device: Executor,
  { values, types }: Placed,
  input: Tensor,
  unstable: readonly string[],
): Promise<Verification> {
  const worst = [...types.values()].find((type) => type === 'bfloat16') ?? 'float16';
  const isHalf = pair.half || [...types.values()].some((type) => type.endsWith('float16'));
  const required = options.require ?? (isHalf ? (worst as 'float16') : 'float32');
  const halves = halvesAmong(types);
  const { network, input: port } = pair;
  const single = shapesAround(network, port.pixels, 1, extentOf(input));
  const shaped = shapesAround(network, port.pixels, input.shape[0], extentOf(input));
  const rounded = [...single.keys()].find(
    (name) => port.pixels && types.get(name)?.endsWith('float16') && !isLayer(network, name),
  );
  if (rounded !== undefined)
    throw new InputError(
      `'${rounded}' is ${types.get(rounded)}: the file computes it in float32, write it so`,
    );
  const each: Verification[] = [];
  for (let n = 0; n < input.shape[0]; n++) {
    const one = (value: Value, rows = 1): Value => imagesOf(value as NumericValue, n * rows, rows);
    const fed = tensorOf(one(fromTensor(input)));
    // of another shape: it is judged as it is, and not read
    const isRight = (name: string) => values.get(name)?.shape.join() === shaped.get(name)?.join();
    const there = new Map(
      [...values].map(([name, value]) => [name, isRight(name) ? one(value, single.get(name)![0]) : value]),
    );
    const settings = fedAs({ ...options, pair, device, input: fed });
    const { subject, chain } = layersOf(settings, required, undefined, {
      has: isRight,
      isJudged: (name) => there.has(name),
      type: (name) => types.get(name),
    });
    await using provider = dumpOf({ values: there, device, unstable });
    const examined = await examine(subject, provider);
    // a bug report has a file's values as the file has them: maps that it has last were turned here
    const found = pair.match.mapsLast.size > 0 ? { ...examined, evidence: null } : examined;
    const shown = [...there].map(([name, value]) => [name, tensorOf(value)] as const);
    each.push(
      verificationOf([found], {
        ...{ network: subject.name, input: fed.shape, device, required },
        values: { device: new Map([...fedIn(settings), ...shown]), oracle: chain, types: halves },
      }),
    );
  }
  return worstOf(each);
}
