/** Options that several commands share, and how their words become values. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { networks } from '../../reference/networks/index.ts';
import { methods } from '../../reference/training/init.ts';

/** An integer of at least `least`. */
export const integer =
  (least: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least) {
      throw new InvalidArgumentError(`It must be an integer of at least ${least}.`);
    }
    return value;
  };

/** Repeated options gather their values. */
export const gather = (text: string, before: readonly string[] = []): readonly string[] => [...before, text];

export const networkOption = (): Option =>
  new Option('--network <name>', `one of ${networks.map((network) => network.name).join(', ')}`);

export function weightOptions(command: Command): Command {
  return command
    .addOption(networkOption())
    .option('--weights <file>', 'weights: .safetensors, .npz, .onnx, .pth, .caffemodel')
    .option('--seed <n>', 'random weights from this seed', integer(0))
    .addOption(new Option('--init <method>', 'how random weights are drawn (kaiming)').choices(methods));
}

export const deviceOption = (): Option =>
  new Option('--device <device>', 'where onnxruntime runs')
    .choices(['auto', 'cpu', 'cuda', 'webgpu'])
    .default('auto');

export const lrnOption = (): Option =>
  new Option('--lrn <form>', 'LRN as the native operator or decomposed into others').choices([
    'native',
    'decomposed',
  ]);

export const forceOption = (): Option =>
  new Option('--force', 'overwrite files that this program did not write (never one that it reads)');

export const jsonOption = (): Option => new Option('--json', 'print JSON instead of the table');
