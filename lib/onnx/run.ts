/** The function behind `alexnet run`: any ONNX file, evaluated by the oracle or by onnxruntime on a device. */
import type { Precision, Tensor } from '../../reference/tensor.ts';
import type { Value } from '../array/value.ts';
import {
  among,
  type Checks,
  checkAgainst,
  checkArgument,
  either,
  positive,
  text,
  texts,
  thing,
  truth,
  whole,
} from '../checks.ts';
import { checkTargets } from '../disk/target.ts';
import { writeWhole } from '../disk/write.ts';
import { InputError } from '../errors.ts';
import { npzPieces } from '../format/npy.ts';
import { chooseDevice, type DeviceWord, deviceWord, LABELS } from '../runtime/devices.ts';
import { withoutTf32 } from '../runtime/tf32.ts';
import type { Limits } from './budget.ts';
import { isRefused, onnxruntimeEngine } from './engines.ts';
import { evaluateGraph } from './evaluate.ts';
import { npzValue, readFeeds, valuesOf } from './feeds.ts';
import { withExternalData } from './files.ts';
import { readModel } from './read.ts';

/** Values by the names of the graph's inputs: as `readTensors` returns them, or tensors. */
export type Feeds = ReadonlyMap<string, Value | Tensor> | Readonly<Record<string, Value | Tensor>>;

export interface RunOptions extends Limits {
  /**
   * What the graph is fed: values by name, or the command's words NAME=FILE.npy (or .npz, the array of that name).
   */
  readonly input?: readonly string[] | Feeds;
  /** Who computes: the oracle (default), or onnxruntime on `device`. */
  readonly engine?: 'oracle' | 'onnxruntime';
  /** Of onnxruntime; default auto: the first of CUDA, WebGPU and CPU that works. */
  readonly device?: DeviceWord;
  /** The oracle's storage of floats: rounded to the declared types after each node (default), or nowhere. */
  readonly precision?: Precision;
  /** The value of every node, not only the outputs; of the oracle alone. */
  readonly all?: boolean;
  /** An .npz to write them to; default none. Values of texts are left out. */
  readonly out?: string;
  /** Overwrite `out` though this program did not write it. */
  readonly force?: boolean;
}

export interface RunResult {
  /** The file that was run. */
  readonly model: string;
  /** In words: 'the oracle, float32 storage', 'onnxruntime on CPU'. */
  readonly engine: string;
  /** The file that was written. */
  readonly out: string | null;
  /** The graph's outputs by name, in its order; with `all`, before them those of all nodes. */
  readonly values: ReadonlyMap<string, Value>;
}

const checks: Checks<RunOptions> = {
  input: either('a list of NAME=FILE, or values by name', texts, thing('values')),
  engine: among(['oracle', 'onnxruntime']),
  device: deviceWord,
  precision: among(['float32', 'float64']),
  all: truth,
  maxMemory: whole(1),
  maxNodes: whole(1),
  maxSeconds: positive,
  out: text,
  force: truth,
};

/**
 * Evaluates the ONNX file. Rejects with InputError for a file, an operator or inputs that do not serve and, before
 * anything is computed, for an `out` that must be kept; with EnvironmentError for a device that does not work.
 */
export async function run(model: string, options: RunOptions = {}): Promise<RunResult> {
  checkArgument('run: model', model, text);
  checkAgainst(checks, options, 'run');
  const { input = [], engine = 'oracle', out, force } = options;
  if (engine === 'onnxruntime' && options.all) {
    throw new InputError('--all is for --engine oracle: verify taps the values of a device');
  }
  const words = Array.isArray(input) ? (input as readonly string[]) : [];
  const files = words.map((word) => word.slice(word.indexOf('=') + 1));
  const guard = { inputs: withExternalData([model, ...files]), force };
  const target = out === undefined ? undefined : ({ path: out, mark: 'npz', option: '--out' } as const);
  if (target) await checkTargets([target], guard);
  const feeds = Array.isArray(input) ? await readFeeds(words) : valuesOf(input as Feeds);
  const computed =
    engine === 'oracle'
      ? await onOracle(model, feeds, options)
      : await onDevice(model, feeds, options.device);
  if (target) await writeWhole({ ...target, content: npzOf(computed.values) }, guard);
  return { model, ...computed, out: out ?? null };
}

type Values = Map<string, Value>;

async function onOracle(path: string, feeds: Values, options: RunOptions) {
  const { all, precision = 'float32' } = options;
  const values: Values = new Map();
  const trace = (_: unknown, outputs: ReadonlyMap<string, Value>): void => {
    for (const [name, value] of outputs) values.set(name, value);
  };
  const results = evaluateGraph(await readModel(path), feeds, {
    ...options,
    precision,
    ...(all && { trace }),
  });
  for (const [name, value] of results) values.set(name, value);
  return { values, engine: `the oracle, ${precision} storage` };
}

async function onDevice(path: string, feeds: Values, asked: RunOptions['device'] = 'auto') {
  const choice = await chooseDevice(asked);
  withoutTf32(choice.device);
  const opened = await onnxruntimeEngine(choice).open(path);
  if (isRefused(opened)) throw new InputError(`${path}: ${opened.unsupported}`);
  try {
    return { values: new Map(await opened.run(feeds)), engine: `onnxruntime on ${LABELS[choice.device]}` };
  } finally {
    await opened.close();
  }
}

const npzOf = (values: Values): Uint8Array[] =>
  npzPieces(
    [...values]
      .filter(([, { dtype }]) => dtype !== 'string')
      .map(([name, value]) => [name, npzValue(value)] as const),
  );
