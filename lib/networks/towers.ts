/** The two towers of a network as files of their own: `alexnet export OUT.onnx --towers 2`. */
import { basename } from 'node:path';
import { opsetNotes, opsets } from '../../export/opsets.ts';
import { buildTower, towersOf, weightsOf } from '../../export/towers.ts';
import type { Network } from '../../reference/networks/layers.ts';
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
}

/** Throws InputError, naming those that have them, for a network without. */
function mustHaveTowers(network: Network): void {
  try {
    towersOf(network);
  } catch (error) {
    throw new InputError(`--towers: ${(error as Error).message}`);
  }
}

/** 'alexnet.onnx' → 'alexnet-tower0.onnx'. */
const fileOf = (file: string, index: number): string => file.replace(/(\.onnx)?$/, `-tower${index}$1`);

/**
 * Writes a file a tower, called as `file` with -tower0 and -tower1. Throws InputError as `exportOnnx` does, for a
 * network that is not in two groups, and for what tower files cannot have.
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
    ['--tap', options.tap],
    ['--loop', options.loop],
    ['--target', options.target],
  ] as const) {
    if (given) throw new InputError(`--towers and ${name} do not go together: leave one of them out`);
  }
  checkOpset(options);
  mustHaveTowers(resolveNetwork(options.network));
  const files = [0, 1].map((index) => {
    const path = fileOf(file, index);
    return { path, external: options.externalData ? `${basename(path)}.data` : undefined };
  });
  const guard = guardOf(options);
  await checkTargets(
    files.flatMap(({ path, external }) => modelTargets(path, external)),
    guard,
  );
  const { network, weights, source, notes } = await resolve(requireWeights('export', options));
  mustHaveTowers(network);
  const written: TowerModel[] = [];
  for (const [tower, { path, external }] of files.entries()) {
    const form = { opset, batch, lrn, precision, externalData: external, weightsSource: source };
    const model = buildTower(network, weights, tower, form);
    await writeModelFile(path, model, guard);
    const own = weightsOf(towersOf(network)[tower], weights);
    written.push({
      ...{ file: path, externalData: external ?? null, network: network.name, graph, tower },
      ...{ weights: source, opset, precision, input: 'float32', views: 1, resize: false },
      parameters: [...own.values()].reduce((sum, { size }) => sum + size, 0),
      bytes: model.byteLength + (model.external?.byteLength ?? 0),
      notes: [...notes, ...opsetNotes(opset)],
    });
  }
  return written;
}
