/** alexnet run: evaluates any ONNX file on exact inputs and writes its outputs, or all its values, as .npz. */
import type { Command } from 'commander';
import type { Precision } from '../../../reference/tensor.ts';
import type { Value } from '../../array/value.ts';
import { isRefused, onnxruntimeEngine } from '../../conform/engines.ts';
import { checkTargets } from '../../disk/target.ts';
import { writeWhole } from '../../disk/write.ts';
import { InputError } from '../../errors.ts';
import { npzPieces } from '../../format/npz.ts';
import type { Limits } from '../../onnx/budget.ts';
import { evaluate } from '../../onnx/evaluate.ts';
import { npzValue, readFeeds } from '../../onnx/feeds.ts';
import { withExternalData } from '../../onnx/files.ts';
import { readModel } from '../../onnx/read.ts';
import { chooseDevice, LABELS } from '../../runtime/devices.ts';
import type { Device } from '../../runtime/session.ts';
import {
  deviceOption,
  engineOption,
  forceOption,
  gather,
  integer,
  jsonOption,
  oneOf,
  print,
} from '../options.ts';

interface Options extends Limits {
  readonly input?: readonly string[];
  readonly engine: 'oracle' | 'onnxruntime';
  readonly device: 'auto' | Device;
  readonly precision: Precision;
  readonly all?: boolean;
  readonly out: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

type Values = Map<string, Value>;

export function register(program: Command): void {
  program
    .command('run')
    .description('evaluate any ONNX file on exact numbers')
    .argument('<model.onnx>', 'file to run')
    .option(
      '--input <name=file>',
      'an input as .npy (or name=file.npz, the array of that name); repeat it',
      gather,
    )
    .addOption(engineOption('what computes', ['oracle', 'onnxruntime']))
    .addOption(deviceOption())
    .addOption(
      oneOf('--precision <type>', "storage of the oracle's values", ['float32', 'float64'], 'float32'),
    )
    .option('--all', 'write the value of every node, not only the outputs (oracle)')
    .option('--max-memory <MiB>', 'what the oracle may hold in values (a quarter of the memory)', integer(1))
    .option('--max-nodes <n>', 'how many nodes the oracle may execute, loops counted (10000000)', integer(1))
    .option('--max-seconds <s>', 'CPU time that the oracle may take (3600)', integer(1))
    .requiredOption('--out <file.npz>', 'file to write')
    .addOption(forceOption())
    .addOption(jsonOption())
    .action(run);
}

async function run(path: string, options: Options): Promise<void> {
  const { engine, out, json, force } = options;
  const given = (options.input ?? []).map((word) => word.slice(word.indexOf('=') + 1));
  const guard = { inputs: withExternalData([path, ...given]), force };
  const target = { path: out, mark: 'npz', option: '--out' } as const;
  await checkTargets([target], guard);
  const feeds = await readFeeds(options.input ?? []);
  if (engine === 'onnxruntime' && options.all) {
    throw new InputError('--all is for --engine oracle: verify taps the values of a device');
  }
  const { values, where } =
    engine === 'oracle' ? await onOracle(path, feeds, options) : await onDevice(path, feeds, options.device);
  const arrays = [...values].filter(([, { dtype }]) => dtype !== 'string');
  const content = npzPieces(arrays.map(([name, value]) => [name, npzValue(value)] as const));
  await writeWhole({ ...target, content }, guard);
  const list = [...values].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
  const text = list.map(({ name, dtype, shape }) => `${name}  ${dtype} [${shape}]`).join('\n');
  await print(
    json,
    { model: path, engine: where, out, values: list },
    () => `${text}\n${where}: ${out}\n`,
    out,
  );
}

async function onOracle(path: string, feeds: Values, options: Options) {
  const { precision, all } = options;
  const values: Values = new Map();
  const trace = (_: unknown, outputs: ReadonlyMap<string, Value>): void => {
    for (const [name, value] of outputs) values.set(name, value);
  };
  const results = evaluate(await readModel(path), feeds, { ...options, ...(all && { trace }) });
  for (const [name, value] of results) values.set(name, value);
  return { values, where: `the oracle, ${precision} storage` };
}

async function onDevice(path: string, feeds: Values, asked: Options['device']) {
  const { device } = await chooseDevice(asked);
  const opened = await onnxruntimeEngine(device).open(path);
  if (isRefused(opened)) throw new InputError(`${path}: ${opened.unsupported}`);
  try {
    return { values: new Map(await opened.run(feeds)), where: `onnxruntime on ${LABELS[device]}` };
  } finally {
    await opened.close();
  }
}
