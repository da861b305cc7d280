/** alexnet predict: classifies pictures and folders of pictures. */
import type { Command } from 'commander';
import type { ClassifierOptions, Prediction } from '../../classify/classifier.ts';
import { predict } from '../../classify/predict.ts';
import { SCAN_BUDGET } from '../../image/admit.ts';
import { oneLine } from '../../report/escape.ts';
import { describeChoice } from '../../runtime/devices.ts';
import {
  decoderOption,
  deviceOption,
  engineOption,
  integer,
  jsonOption,
  oneOf,
  threadsOption,
  weightOptions,
} from '../options.ts';
import { interruptible, PICTURES, print, progressBar, tell, tellUnread } from '../output.ts';

interface Options extends Omit<ClassifierOptions, 'views' | 'maxBatch'> {
  readonly batch?: number;
  readonly views: '1' | '10';
  readonly json?: boolean;
}

export function register(program: Command): void {
  const command = program
    .command('predict')
    .description('classify pictures and folders of pictures; --network cifar-alexnet brings its own weights')
    .argument('<image...>', 'JPEG or PNG files, or folders of them');
  weightOptions(command)
    .option('--class-names <file>', 'class names, one a line')
    .addOption(oneOf('--views <n>', '1: the centre; 10: corners, centre, and mirrored', ['1', '10'], '1'))
    .option('--top <k>', 'how many classes to name', integer(1), 5)
    .addOption(deviceOption())
    .addOption(engineOption('who computes', ['onnxruntime', 'oracle']))
    .option(
      '--mean <file>',
      'mean image (.npy, .binaryproto); default: mean.npy beside the weights, if it takes one',
    )
    .option('--preprocess <how>', "another network's preprocessing, or a JSON file of it")
    .addOption(decoderOption())
    .option(
      '--scan-budget <n>',
      'samples that the scans of a JPEG may visit, in 10⁹',
      integer(1),
      SCAN_BUDGET,
    )
    .option('--batch <n>', 'pictures a run (128 small ones; else 32 on a GPU, 4 on the CPU)', integer(1))
    .addOption(threadsOption())
    .addOption(jsonOption())
    .action(run);
}

async function run(images: readonly string[], { json, views, batch, ...rest }: Options): Promise<void> {
  const bar = await progressBar(PICTURES);
  const progress = process.stderr.isTTY ? bar.update : undefined;
  const options = { ...rest, views: views === '10' ? 10 : 1, maxBatch: batch, log: tell, progress } as const;
  const { network, weights, device, predictions } = await interruptible((signal) =>
    predict(images, { ...options, signal }),
  ).finally(bar.stop);
  if (!json) tell(`${network}, weights: ${weights}, on ${device ? describeChoice(device)[0] : 'the oracle'}`);
  const found = { network, weights, device: device?.device ?? 'oracle', predictions };
  await print(json, found, () => predictions.map(predictionText).filter(Boolean).join('\n'));
  tellUnread(predictions, json);
}

/** The picture's name, then a line a guess: 41.3 %  tabby. Empty for a picture that could not be read. */
export function predictionText(prediction: Prediction): string {
  if ('error' in prediction) return '';
  const lines = prediction.guesses.map(
    ({ name, probability }) => `  ${(100 * probability).toFixed(1).padStart(5)} %  ${oneLine(name)}`,
  );
  return `${oneLine(prediction.image)}\n${lines.join('\n')}\n`;
}
