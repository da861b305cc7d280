/** alexnet export: writes a network with its weights as ONNX. */
import type { Command } from 'commander';
import { trainingTargets } from '../../../export/index.ts';
import { InputError } from '../../errors.ts';
import { type Exported, type ExportOptions, exportOnnx } from '../../networks/export.ts';
import { exportTowers, type TowerModel } from '../../networks/towers.ts';
import { exportTriton } from '../../networks/triton.ts';
import { megabytes, thousands } from '../../report/table.ts';
import { forceOption, integer, jsonOption, lrnOption, oneOf, weightOptions } from '../options.ts';
import { print, tell } from '../output.ts';

interface Options extends Omit<ExportOptions, 'views'> {
  readonly views: '1' | '10';
  readonly triton?: string;
  readonly towers?: '2';
  readonly json?: boolean;
}

const INPUT = 'uint8: pictures (N,S,S,3); channels, range, mean and deviation are in the graph';
const VIEWS = 'with --input uint8, 10: the ten crops of section 4.1 and their average are in the graph';
const GRAPH = 'what the file computes; the weights are inputs of all but inference';

export function register(program: Command): void {
  const command = program
    .command('export')
    .description('write a network with its weights as ONNX')
    .argument('[out.onnx]', 'file to write');
  weightOptions(command)
    .option(
      '--opset <n>',
      'opset of the file, 13 to 25 (13; with --resize and graphs that train: 18)',
      integer(1),
    )
    .option('--batch <n>', "images a batch, or 'dynamic' (dynamic; graphs that train: 128)", (text) =>
      text === 'dynamic' ? text : integer(1)(text),
    )
    .addOption(lrnOption())
    .addOption(oneOf('--precision <type>', 'type of weights and values', ['float32', 'float16'], 'float32'))
    .addOption(oneOf('--input <type>', INPUT, ['float32', 'uint8'], 'float32'))
    .addOption(oneOf('--views <n>', VIEWS, ['1', '10'], '1'))
    .option('--resize', 'with --input uint8: pictures (N,H,W,3) of any size, resized in the graph (opset 18)')
    .option('--mean <file>', 'with --input uint8: mean image; default: mean.npy beside the weights')
    .addOption(oneOf('--graph <kind>', GRAPH, ['inference', 'gradients', 'training'], 'inference'))
    .option('--loop', 'with --graph training: as many steps a call as the inputs hold')
    .addOption(
      oneOf('--target <processor>', 'what a graph that trains is laid out for (cpu)', trainingTargets),
    )
    .option('--external-data', 'put the weights into OUT.onnx.data beside the model')
    .option('--tap', "make every layer's value an output")
    .addOption(
      oneOf('--towers <n>', 'write the two towers of section 3.2 in segments: OUT-tower0-1.onnx …', ['2']),
    )
    .option('--triton <dir>', 'write a model repository for NVIDIA Triton there, in place of OUT.onnx')
    .addOption(forceOption())
    .addOption(jsonOption())
    .action(exportModel);
}

async function exportModel(
  out: string | undefined,
  { json, views, triton, towers, ...rest }: Options,
): Promise<void> {
  if ((out === undefined) === (triton === undefined))
    throw new InputError('give OUT.onnx, or --triton DIR, and not both');
  if (triton !== undefined && towers)
    throw new InputError('--triton and --towers do not go together: leave one of them out');
  const options = { ...rest, views: views === '10' ? 10 : 1 } as const;
  if (triton !== undefined) return printAll(json, await exportTriton(triton, options));
  if (towers) return printAll(json, await exportTowers(out!, options));
  const { notes, ...made } = await exportOnnx(out!, options);
  notes.forEach(tell);
  await print(json, made, () => line(made), out);
}

async function printAll(json: boolean | undefined, models: readonly Exported[]): Promise<void> {
  new Set(models.flatMap(({ notes }) => notes)).forEach(tell);
  const found = models.map(({ notes: _, ...model }) => model);
  await print(json, { models: found }, () => models.map(line).join(''));
}

type Made = Omit<Exported, 'notes'> & Partial<Pick<TowerModel, 'tower' | 'layers'>>;

function line(made: Made): string {
  const { file, network, graph, parameters, weights, opset, precision, bytes, layers } = made;
  const tower = layers && `tower ${made.tower}, ${layers[0]} to ${layers.at(-1)}, `;
  const kind = tower ?? (graph === 'inference' ? '' : `${graph}, `);
  const any = made.resize ? ' of any size' : '';
  const pictures =
    made.input === 'uint8' ? `, of pictures${any}${made.views === 10 ? ', ten views' : ''}` : '';
  const what = `${network}, ${kind}${thousands(parameters)} parameters (${weights}), opset ${opset}, ${precision}${pictures}`;
  return `${file}: ${what}, ${megabytes(bytes)}\n`;
}
