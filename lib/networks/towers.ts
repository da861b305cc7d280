/** The two towers of a network as files of their own: `alexnet export OUT.onnx --towers 2`. */
import { opsetNotes, opsets } from '../../export/opsets.ts';
import { buildTower, towersOf } from '../../export/towers.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { parameterCount } from '../../reference/oracle.ts';
import { checkAgainst, checkArgument, resolveNetwork, text } from '../checks.ts';
import { checkTargets } from '../disk/target.ts';
import { InputError } from '../errors.ts';
import { modelTargets, writeModelFile } from '../onnx/files.ts';
import { requireWeights } from '../weights/shipped.ts';
import { checkOpset, type Exported, type ExportOptions, exportChecks, guardOf } from './export.ts';
import { resolve } from './resolve.ts';

export interface TowerModel extends Exported {
  /** 0 or 1. */
  readonly tower: number;
  /** From 1. */
  readonly segment: number;
  readonly layers: readonly string[];
}

/** Throws InputError, naming those that have them, for a network without. */
export function mustHaveTowers(network: Network): void {
  try {
    towersOf(network);
  } catch (error) {
    throw new InputError(`--towers: ${(error as Error).message}`);
  }
}

/** 'alexnet.onnx' → 'alexnet-tower0-1.onnx'. */
const fileOf = (file: string, tower: number, segment: number): string =>
  file.replace(/(\.onnx)?$/, `-tower${tower}-${segment + 1}$1`);

/**
 * Writes a file a segment of each tower, called as `file` with -tower0-1 and so on. Throws InputError as `exportOnnx`
 * does, for a network that is not in two groups, and for what these files cannot have.
 */
export async function exportTowers(file: string, options: ExportOptions = {}): Promise<TowerModel[]> {
  checkArgument('exportTowers: file', file, text);
  checkAgainst(exportChecks, options, 'exportTowers');
  const { graph = 'inference', opset = opsets.first, precision = 'float32', batch, lrn } = options;
  for (const [name, given] of [
    [`--graph ${graph}`, graph !== 'inference'],
    ['--input uint8', options.input === 'uint8'],
    ['--views 10', options.views === 10],
    ['--mean', options.mean],
    ['--resize', options.resize],
    ['--external-data', options.externalData],
    ['--tap', options.tap],
    ['--loop', options.loop],
    ['--target', options.target],
  ] as const) {
    if (given) throw new InputError(`--towers and ${name} do not go together: leave one of them out`);
  }
  checkOpset(options);
  mustHaveTowers(resolveNetwork(options.network));
  const { network, weights, source, notes } = await resolve(requireWeights('export', options));
  mustHaveTowers(network);
  const parts = towersOf(network).flatMap((tower) =>
    tower.segments.map((segment, at) => ({
      ...{ file: fileOf(file, tower.index, at), tower: tower.index, segment: at + 1 },
      ...{
        layers: segment.network.layers.map(({ name }) => name),
        parameters: parameterCount(segment.network),
      },
    })),
  );
  const guard = guardOf(options);
  await checkTargets(
    parts.flatMap(({ file }) => modelTargets(file)),
    guard,
  );
  const form = { opset, batch, lrn, precision, weightsSource: source };
  const models = [0, 1].flatMap((tower) => buildTower(network, weights, tower, form));
  for (const [i, { file }] of parts.entries()) await writeModelFile(file, models[i], guard);
  const all = {
    network: network.name,
    graph,
    weights: source,
    externalData: null,
    opset,
    precision,
  } as const;
  return parts.map((part, i) => ({
    ...{ ...part, ...all, input: 'float32', views: 1, resize: false, bytes: models[i].byteLength },
    notes: [...notes, ...opsetNotes(opset)],
  }));
}
