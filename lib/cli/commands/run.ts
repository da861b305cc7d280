/** alexnet run: evaluates any ONNX file on exact inputs and writes its outputs, or all its values, as .npz. */
import type { Command } from 'commander';
import { type RunOptions, run } from '../../onnx/run.ts';
import { oneLine } from '../../report/escape.ts';
import { deviceOption, engineOption, forceOption, gather, integer, jsonOption, oneOf } from '../options.ts';
import { print } from '../output.ts';

interface Options extends RunOptions {
  readonly out: string;
  readonly json?: boolean;
}

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
    .action(execute);
}

async function execute(path: string, { json, ...options }: Options): Promise<void> {
  const { values, engine, out } = await run(path, options);
  const list = [...values].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
  const text = list.map(({ name, dtype, shape }) => `${oneLine(name)}  ${dtype} [${shape}]`).join('\n');
  const found = { model: path, engine, out, values: list };
  await print(json, found, () => `${text}\n${engine}: ${out}\n`, options.out);
}
