/** Networks run by PyTorch with hooks (pytorch.py), several in one process. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromTensor } from '../../lib/array/value.ts';
import { npzPieces, writeNpy } from '../../lib/format/npy.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { shapes, type Weights } from '../../reference/oracle.ts';
import type { Tensor } from '../../reference/tensor.ts';
import { skipBecause } from './skip.ts';
import { writePieces } from './tensor-bytes.ts';

export const PYTHON = '/usr/bin/python3';
const SCRIPT = new URL('pytorch.py', import.meta.url).pathname;

/** What is done to a network, beside running it: the words of pytorch.py. */
export interface Job {
  readonly out?: string;
  readonly fault?: readonly [layer: string, what: string];
  readonly store?: 'float32' | 'float16' | 'bfloat16' | 'float64';
  readonly layout?: 'NHWC';
  readonly copy?: boolean;
  readonly inplace?: boolean;
  /** Forward, back, and a step; gradients times `scale`. */
  readonly labels?: readonly number[];
  readonly scale?: Readonly<Record<string, number>>;
  readonly keep?: readonly string[];
  readonly names?: Readonly<Record<string, string>>;
}

export interface Subject {
  readonly network: Network;
  readonly weights: Weights;
  readonly input: Tensor;
}

/** Whether Python has the module; a suite without is skipped by name. */
export function needsPython(suite: Mocha.Context, module: string, debian: string): void {
  // found, not imported: that takes PyTorch two seconds
  const look = `import importlib.util as u, sys; sys.exit(u.find_spec('${module}') is None)`;
  if (spawnSync(PYTHON, ['-c', look]).status !== 0) skipBecause(suite, `no ${debian} here`);
}

/** Runs the jobs on one network each and returns where their values are. */
export function runTorch(
  folder: string,
  jobs: readonly (Subject & Job & { readonly name: string })[],
): string[] {
  const files = new Map<Weights, string>();
  const lines = jobs.map(({ network, weights, input, name, out = `${name}.npz`, ...job }) => {
    const file = files.get(weights) ?? join(folder, `${name}.weights.npz`);
    if (!files.has(weights))
      writePieces(file, npzPieces([...weights].map(([key, t]) => [key, fromTensor(t)])));
    files.set(weights, file);
    writeFileSync(join(folder, `${name}.input.npy`), writeNpy(fromTensor(input)));
    return {
      ...{ ...job, weights: file, input: join(folder, `${name}.input.npy`), out: join(folder, out) },
      layers: withMaps(network),
    };
  });
  const { status, stderr } = spawnSync(PYTHON, [SCRIPT], {
    input: lines.map((line) => JSON.stringify(line)).join('\n'),
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  return lines.map(({ out }) => out);
}

/** The layers, with the maps that each reads. */
function withMaps(network: Network): object[] {
  const known = shapes(network);
  let maps = network.input as readonly number[];
  return network.layers.map((layer) => {
    const found = { ...layer, maps };
    const shape = known.get(layer.name)!;
    if (shape.length === 4) maps = shape.slice(1);
    return found;
  });
}
