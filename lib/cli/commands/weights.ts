/** alexnet weights: what is in a file of weights, and the same weights in another format or convention. */
import { existsSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { oneLine } from '../../report/escape.ts';
import { megabytes, right, scientific, table, thousands } from '../../report/table.ts';
import { type ConvertOptions, convertWeights } from '../../weights/convert.ts';
import { diffWeights, type WeightsDiff } from '../../weights/diff.ts';
import { getWeights } from '../../weights/get.ts';
import { type Inspected, inspectWeights } from '../../weights/inspect.ts';
import { cachedPath, mebibytes, publicSources } from '../../weights/published.ts';
import { writable } from '../../weights/write.ts';
import { forceOption, gather, jsonOption, networkOption, oneOf } from '../options.ts';
import { print, progressBar, tell } from '../output.ts';

interface Json {
  readonly json?: boolean;
}

export function register(program: Command): void {
  const weights = program.command('weights').description('inspect, convert and compare files of weights');
  weights
    .command('inspect')
    .description('format, tensors, the layers that they belong to, and what would be transposed')
    .argument('<file>', 'weights in any format')
    .addOption(networkOption())
    .addOption(jsonOption())
    .action(async (file: string, { network, json }: Json & { network?: string }) => {
      const found = await inspectWeights(file, network);
      await print(json, found, () => inspectText(found));
    });
  weights
    .command('get')
    .description('download trained weights into the cache; without a name, the list of what there is')
    .argument('[name]', publicSources.map(({ name }) => name).join(', '))
    .option('--offline', 'take them from the cache, never from the network')
    .option('--force', 'download them again though they are in the cache')
    .addOption(jsonOption())
    .action(getOne);
  convertOptions(
    weights
      .command('convert')
      .description('the same weights in another format or convention; the format follows the name of OUT')
      .argument('<in>', 'weights in any format')
      .argument('<out>', '.safetensors, .npz, .pth or .caffemodel to write'),
  ).action(async (from: string, to: string, { json, ...options }: Json & ConvertOptions) => {
    const made = await convertWeights(from, to, options);
    made.notes.forEach(tell);
    const what = made.network ? ` (${made.network})` : '';
    await print(json, made, () => `${to}: ${made.tensors} tensors of ${from}${what}\n`, to);
  });
  weights
    .command('diff')
    .description('two files tensor by tensor, in units in the last place; exit 1 if they differ')
    .argument('<a>', 'weights in any format')
    .argument('<b>', 'weights in any format')
    .addOption(networkOption())
    .addOption(jsonOption())
    .action(async (a: string, b: string, { network, json }: Json & { network?: string }) => {
      const found = await diffWeights(a, b, network);
      await print(json, found, () => diffText(found));
      if (!found.equal) process.exitCode = 1;
    });
}

interface GetOptions extends Json {
  readonly offline?: boolean;
  readonly force?: boolean;
}

async function getOne(name: string | undefined, { offline, force, json }: GetOptions): Promise<void> {
  if (name === undefined) {
    await print(json, { sources: publicSources }, sourcesText);
    return;
  }
  const bar = await progressBar('{bar} {percentage} % of {total} MB');
  const progress = (done: number, total: number | null) =>
    bar.update(Math.round(done / 1e6), Math.ceil((total ?? done) / 1e6));
  try {
    const { source, path, downloaded } = await getWeights(name, {
      offline,
      force,
      ...(json ? {} : { progress }),
    });
    const { licence, network, preprocess } = source;
    const found = { name, path, downloaded, licence, network, preprocess };
    await print(json, found, () => `${path}\nfor --network ${network}; licence: ${licence}\n`);
  } finally {
    bar.stop();
  }
}

function sourcesText(): string {
  const rows = publicSources.map((source) => {
    const { name, network, hashes, licence, url } = source;
    const sums = hashes.map(({ algorithm, digits }) => `${algorithm} ${digits.slice(0, 8)}…`).join(', ');
    const file = existsSync(cachedPath(source)) ? 'in the cache' : mebibytes(source);
    return [name, network, file, sums, licence, url];
  });
  const titles = ['name', 'network', 'size', 'checksums', 'licence', 'address'];
  return `${table(titles, rows)}\n`;
}

const DROPOUT = "whose test time they serve: 'paper' halves, 'inverted' does not";

const convertOptions = (command: Command): Command =>
  command
    .addOption(networkOption())
    .addOption(oneOf('--names <names>', 'names of the tensors', Object.keys(writable)))
    .addOption(
      oneOf('--precision <type>', 'round every value to float16 (default: as they are)', ['float16']),
    )
    .option('--to <network>', 'bring them to the conventions of another network of the same layers')
    .addOption(oneOf('--channels <order>', 'order of input channels', ['RGB', 'BGR']))
    .addOption(new Option('--range <greatest>', 'input 0..255 or 0..1').argParser(range))
    .addOption(
      new Option('--fold <what>', 'mean or deviation into conv1; may be repeated').argParser(foldable),
    )
    .addOption(oneOf('--dropout <convention>', DROPOUT, ['paper', 'inverted']))
    .addOption(forceOption())
    .addOption(jsonOption());

function range(text: string): 255 | 1 {
  if (text === '255') return 255;
  if (text === '1') return 1;
  throw new InvalidArgumentError('It must be 255 or 1.');
}

function foldable(text: string, before?: readonly string[]): readonly string[] {
  if (!['mean', 'deviation'].includes(text)) throw new InvalidArgumentError('It must be mean or deviation.');
  return gather(text, before);
}

function inspectText(found: Inspected): string {
  const rows = found.tensors.map((tensor) => [
    tensor.name,
    tensor.dtype,
    tensor.shape.join('×') || 'scalar',
    `${tensor.least.toPrecision(4)} … ${tensor.greatest.toPrecision(4)}`,
    tensor.notFinite === 0 ? '' : `${tensor.notFinite} not finite`,
    tensor.layer ?? '—',
    tensor.moved,
  ]);
  const titles = ['tensor', 'type', 'shape', 'range', '', 'weight', 'moved'];
  const total = found.tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const fits =
    found.networks.length > 0 ? `${found.networks.join(', ')} (by ${found.by})` : 'no network here';
  const size = found.bytes < 1e5 ? `${thousands(found.bytes)} bytes` : megabytes(found.bytes);
  const lines = [
    `${found.file}: ${found.format}, ${size}, ${thousands(total)} values`,
    `fits ${fits}`,
    ...Object.entries(found.metadata).map(([key, value]) => `${key}: ${value.slice(0, 200)}`),
    ...found.notes,
  ];
  return `${lines.map(oneLine).join('\n')}\n\n${table(titles, rows)}\n`;
}

function diffText({ files, network, tensors, equal }: WeightsDiff): string {
  if (equal) {
    const differ = tensors.some(({ dtypes: [a, b] }) => a !== b);
    const what = differ ? 'values, in other types' : 'bits';
    return `${files[0]} and ${files[1]} hold the same ${what} (${tensors.length} tensors)\n`;
  }
  const rows = tensors.map(({ name, shapes: [a, b], values, differing, ulps, absolute, at }) => {
    const shape =
      a && b && a.join() === b.join()
        ? a.join('×')
        : `${a?.join('×') ?? 'missing'} / ${b?.join('×') ?? 'missing'}`;
    const place = differing > 0 && Number.isFinite(ulps) ? String(at) : '';
    const counts = [differing, values, ulps].map(thousands);
    return [name, shape, ...counts, scientific(absolute), place];
  });
  const columns = ['tensor', 'shape', ...['differ', 'of', 'ULPs', 'absolute', 'at'].map(right)];
  return `${files[0]} against ${files[1]}${network ? `, as ${network}` : ''}\n\n${table(columns, rows)}\n`;
}
