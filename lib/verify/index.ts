/** The function behind `alexnet verify`, with the command's own words as options. */
import type { LrnForm } from '../../export/graph.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { dense, type Tensor, tensor } from '../../reference/tensor.ts';
import { checkAgainst, resolveNetwork } from '../checks.ts';
import { shortage } from '../disk/errno.ts';
import { InputError } from '../errors.ts';
import { readInput } from '../networks/input.ts';
import { modelOf } from '../networks/modelfile.ts';
import { resolve } from '../networks/resolve.ts';
import { mustHaveTowers } from '../networks/towers.ts';
import { readFeeds } from '../onnx/feeds.ts';
import type { Model, ValueInfo } from '../onnx/model.ts';
import { builtModel, type ModelInBytes, readModelFile } from '../onnx/read.ts';
import { chooseDevice, type Device, describeChoice, LABELS, type Place } from '../runtime/devices.ts';
import type { Executor } from '../runtime/failures.ts';
import { BAND_NOTE, lrnOf } from '../runtime/session.ts';
import { switchTf32Off } from '../runtime/tf32.ts';
import { hostTowers, type TowersHost } from '../runtime/towers.ts';
import { engineOf, prepareDump, readValues } from './dump/index.ts';
import { gradientNames, nodeNames } from './dump/names.ts';
import { type Recorded, recordedIn } from './dump/record.ts';
import { verifyLayers } from './layers.ts';
import { noiseFor, verifyGraph } from './nodes.ts';
import { type VerifyOptions, verifyChecks } from './options.ts';
import { type FilePair, type Pair, pairOf, pairWithout } from './pairing.ts';
import { describeTowers, devicesOfTowers } from './towers.ts';
import { valuesOf } from './training/graphs.ts';
import { prepareTraining, refuseWithoutGraph } from './training/options.ts';
import type { Verification } from './verification.ts';

export type { VerifyOptions } from './options.ts';

export interface VerifyResult extends Verification {
  /** Path of the model, or null where the network was exported for the occasion. */
  readonly model: string | null;
  readonly weights: string;
  readonly inputSource: string;
}

/**
 * Runs the model on the device, every value tapped, and compares each layer with the oracle. A file that is
 * of no known network (none asked for, none in its metadata) is compared node by node with the oracle's
 * evaluation of its graph. Throws InputError for what cannot be read or does not fit, EnvironmentError for a
 * device that does not work.
 */
export async function verify(options: VerifyOptions = {}): Promise<VerifyResult> {
  checkAgainst(verifyChecks, options, 'verify');
  const { log = () => {} } = options;
  const { device: asked = 'auto' } = options;
  if (options.towers !== undefined) return verifyTowers(options);
  if (options.values !== undefined || options.endpoint !== undefined) return verifyValues(options);
  const choice = typeof asked === 'string' ? await chooseDevice(asked) : asked;
  const { device, gpu } = choice;
  const settings = { ...options, gpu };
  const { title, weights, notes, input, run } = await prepare(settings, device);
  log(`${title}, weights: ${weights}${options.model ? `, model: ${options.model}` : ''}`);
  log(`input: ${input}`);
  const [chosen, ...refused] = describeChoice(choice);
  for (const line of [`device: ${chosen}`, ...refused, ...notes]) log(line);
  const on = options.tf32 || options.require === 'tf32' ? undefined : switchTf32Off(device);
  if (on) log(on);
  const found = options.model === undefined ? await run() : await naming(options.model, run);
  return { ...found, model: options.model ?? null, weights, inputSource: input };
}

/** The network as its two towers compute it. */
async function verifyTowers(options: VerifyOptions): Promise<VerifyResult> {
  const { log = () => {} } = options;
  mustHaveTowers(resolveNetwork(options.network));
  const places = await devicesOfTowers(options);
  // LRN's form is that of the device that has the fewest
  const { device } = places.find((place) => place.device === 'webgpu') ?? places[0];
  const prepared =
    options.graph === undefined
      ? await prepareTowers(options, device, places)
      : await prepareTraining(options, device, undefined, places);
  const { title, weights, notes, input, run } = prepared;
  log(`${title}, weights: ${weights}`);
  log(`input: ${input}`);
  for (const line of [...describeTowers(places), ...notes]) log(line);
  const cuda = places.some((place) => place.device === 'cuda') && !options.tf32 && options.require !== 'tf32';
  const on = cuda ? switchTf32Off('cuda') : undefined;
  if (on) log(on);
  return { ...(await run()), model: null, weights, inputSource: input };
}

async function prepareTowers(
  options: VerifyOptions,
  device: Device,
  places: readonly Place[],
): Promise<Prepared> {
  refuseWithoutGraph(options);
  const found = await fromNetwork(options, device);
  const { network, weights } = found.pair;
  mustHaveTowers(network);
  const towers = hostTowers(network, weights, places, options.lrn ?? lrnOf(device));
  return prepareLayers(found, options, device, towers);
}

/** What another engine computed; onnxruntime is not loaded. */
async function verifyValues(given: VerifyOptions): Promise<VerifyResult> {
  const recorded = await recordedIn(given);
  const { options } = recorded ?? { options: given };
  const { model: path, log = () => {} } = options;
  const { title, weights, input, notes, run } = await prepareValues(options, engineOf(options), recorded);
  log(`${title}, weights: ${weights}${path ? `, model: ${path}` : ''}`);
  log(`input: ${input}`);
  log(`values: ${options.values ?? options.endpoint}, arithmetic: ${LABELS[engineOf(options)]}`);
  for (const line of [...(recorded?.notes ?? []), ...notes]) log(line);
  return { ...(await run()), model: path ?? null, weights, inputSource: input };
}

async function prepareValues(
  options: VerifyOptions,
  device: Executor,
  recorded?: Recorded,
): Promise<Prepared> {
  const { model: path, graph, values } = options;
  if (graph !== undefined) {
    if (values === undefined) throw new InputError('--graph does not go with --endpoint: leave it out');
    const read = (network: Network) =>
      readValues(options, valuesOf(network), [gradientNames(network)], recorded);
    return prepareTraining(options, 'cpu', read);
  }
  refuseWithoutGraph(options);
  const file = path === undefined ? undefined : await readModelFile(path);
  if (path === undefined || !file)
    return prepareDump(await withoutFile(options, recorded?.lrn), options, device, recorded);
  const named = options.network ?? file.model.metadata.get('network');
  return naming(path, async () =>
    values !== undefined && named === undefined && !asksForWeights(options)
      ? prepareGraph(file, options, 'cpu', await graphValues(file, options, recorded))
      : prepareDump(await fromFile(file, named, options), options, device, recorded),
  );
}

/** Of any graph: by its values' names and its nodes'. */
function graphValues({ model: { graph } }: ModelInBytes, options: VerifyOptions, recorded?: Recorded) {
  const made = graph.nodes.flatMap(({ outputs }) => outputs).filter((name) => name !== '');
  const own = [...graph.inputs.map(({ name }) => name), ...made];
  return readValues(options, own, [nodeNames(graph, new Map(made.map((name) => [name, name])))], recorded);
}

async function withoutFile(options: VerifyOptions, lrn?: LrnForm): Promise<Found<Pair>> {
  const { network, weights, source, notes } = await resolve(options);
  const proto = () => modelOf(network, weights, { source, passing: true }).model;
  return { pair: pairWithout(network, weights, proto, lrn), weights: source, notes };
}

interface Prepared {
  /** 'network: bvlc-alexnet', or 'graph: main_graph'. */
  readonly title: string;
  readonly weights: string;
  readonly input: string;
  readonly notes: readonly string[];
  readonly run: () => Promise<Verification>;
}

async function prepare(options: VerifyOptions, device: Device): Promise<Prepared> {
  const { model: path } = options;
  if (options.graph !== undefined) return prepareTraining(options, device);
  refuseWithoutGraph(options);
  if (path === undefined) return prepareLayers(await fromNetwork(options, device), options, device);
  const file = await readModelFile(path);
  mustRun(path, file.model);
  const named = options.network ?? file.model.metadata.get('network');
  return naming(path, async () =>
    named === undefined && !asksForWeights(options)
      ? prepareGraph(file, options, device)
      : prepareLayers(await fromFile(file, named, options), options, device),
  );
}

/** onnxruntime's oldest opset. */
const OLDEST_OPSET = 7;

function mustRun(path: string, { opsets }: Model): void {
  const opset = opsets.get('') ?? OLDEST_OPSET;
  if (opset >= OLDEST_OPSET) return;
  throw new InputError(
    `${path}: opset ${opset}, and onnxruntime runs ${OLDEST_OPSET} and later: convert the file with onnx.version_converter ` +
      'to verify it (`alexnet run` evaluates it as it is)',
  );
}

const asksForWeights = ({ weights, seed, init }: VerifyOptions): boolean =>
  weights !== undefined || seed !== undefined || init !== undefined;

interface Found<P = FilePair> {
  readonly pair: P;
  readonly weights: string;
  readonly notes: readonly string[];
}

async function prepareLayers(
  found: Found,
  options: VerifyOptions,
  device: Device,
  towers?: TowersHost,
): Promise<Prepared> {
  const { pair, weights, notes } = found;
  const { input: from, seed, log = () => {}, batch = pair.input.batch } = options;
  const fixed = pair.input.batch;
  if (fixed !== undefined && batch !== fixed)
    throw new InputError(`--batch ${batch}: the file takes ${fixed} images a run, no other number`);
  const { tensor, source } = await readInput(pair.network, {
    from,
    seed,
    batch,
    log,
    pixels: pair.input.pixels,
  });
  const N = tensor.shape[0];
  if (options.batch !== undefined && options.batch > N)
    throw new InputError(`--batch ${batch}: there are ${N} images; leave it out`);
  const input = fixed === undefined ? tensor : repeatedTo(Math.ceil(N / fixed) * fixed, tensor);
  const run = () => verifyLayers({ ...options, pair, input, batch, device, towers });
  const told = input.shape[0] === N ? source : `${source}, repeated: the file takes ${fixed} images a run`;
  const title = `network: ${pair.network.name}`;
  return { title, weights, notes: [...notes, ...notCompared(pair)], input: told, run };
}

/** The images again from the first, until they are `count`. */
function repeatedTo(count: number, images: Tensor): Tensor {
  const [N, ...rest] = images.shape;
  if (count === N) return images;
  const values = dense(images);
  const all = new Float32Array((values.length / N) * count).map((_, i) => values[i % values.length]);
  return tensor(all, [count, ...rest]);
}

function notCompared({ match, network }: Pair): string[] {
  const ops = match.tail.flatMap(({ nodes }) => nodes.map(({ op }) => op));
  return ops.length > 0
    ? [`not compared: what follows ${network.layers.at(-1)?.name} in the file (${ops.join(', ')})`]
    : [];
}

async function fromNetwork(options: VerifyOptions, device: Device): Promise<Found> {
  const { network, weights, source, notes } = await resolve(options);
  const lrn = options.lrn ?? lrnOf(device);
  const file = modelOf(network, weights, { source, lrn, passing: true });
  const pair = pairOf(builtModel(file), network, weights);
  const chosen = lrn === 'band' && !options.lrn && network.layers.some((layer) => layer.kind === 'lrn');
  return { pair, weights: source, notes: chosen ? [...notes, BAND_NOTE] : notes };
}

async function fromFile(
  file: ModelInBytes,
  named: string | Network | undefined,
  options: VerifyOptions,
): Promise<Found> {
  if (asksForWeights(options)) {
    const { network, weights, source, notes } = await resolve({ ...options, network: named });
    return { pair: pairOf(file, network, weights), weights: source, notes };
  }
  const source = file.model.metadata.get('weights.source');
  const weights = source === undefined ? "the file's own" : `the file's own (${source})`;
  return { pair: pairOf(file, resolveNetwork(named)), weights, notes: [] };
}

async function prepareGraph(
  { bytes, model }: ModelInBytes,
  options: VerifyOptions,
  device: Device,
  dump?: Awaited<ReturnType<typeof graphValues>>,
): Promise<Prepared> {
  const { inputs } = model.graph;
  const given = options.input ?? [];
  const words = typeof given === 'string' ? [given] : given;
  if (!Array.isArray(words))
    throw new InputError('numbers for a graph of no known network: give them as NAME=FILE.npy');
  const feeds = await readFeeds(words, inputs.length === 1 ? inputs[0].name : undefined);
  for (const { name } of inputs)
    if (dump?.values.has(name) && !feeds.has(name)) feeds.set(name, dump.values.get(name)!);
  const missing = inputs.filter(({ name }) => !feeds.has(name)).map((input) => inBatch(input, options.batch));
  if (options.batch !== undefined && missing.length < inputs.length)
    throw new InputError(
      `--batch ${options.batch}: without --network what is given is fed at once; leave it out`,
    );
  for (const input of missing) feeds.set(input.name, noiseFor(input, options.seed ?? 0));
  const noisy = missing.map(({ name }) => `${name}: uniform noise, seed ${options.seed ?? 0}`);
  return {
    title: `graph: ${model.graph.name || 'without a name'}, ${model.graph.nodes.length} nodes`,
    weights: "the file's own",
    input: [...words, ...noisy].join(', '),
    notes: [
      'the file names no network: it is compared node by node with its own graph (--network NAME compares layers)',
      ...(dump?.notes ?? []),
    ],
    run: () => verifyGraph({ ...options, bytes, model, feeds, device, dump }),
  };
}

/** The input with that many images, where the file leaves their number open. */
function inBatch(input: ValueInfo, batch: number | undefined): ValueInfo {
  const [N, ...rest] = input.shape ?? [];
  if (batch === undefined || N === batch) return input;
  if (!input.shape || typeof N === 'number')
    throw new InputError(
      `--batch ${batch}: the input '${input.name}' takes ${N ?? 'any'} images; leave it out`,
    );
  return { ...input, shape: [batch, ...rest] };
}

/** Puts the file's name in front of an error about what is in it. */
async function naming<T>(path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    const { constructor: kind, message } = error as Error;
    // what the readers and the oracle throw of a shape or a number
    if (!(kind === InputError || kind === Error || kind === RangeError) || shortage(error)) throw error;
    throw new InputError(message.startsWith(path) ? message : `${path}: ${message}`);
  }
}
