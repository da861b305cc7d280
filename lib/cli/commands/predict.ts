/** alexnet predict: classifies pictures and folders of pictures. */
import type { Command } from 'commander';
import { Classifier, type ClassifierOptions, type Prediction } from '../../classify/classifier.ts';
import { InputError } from '../../errors.ts';
import { SCAN_BUDGET } from '../../image/limits.ts';
import { describeChoice } from '../../runtime/devices.ts';
import { hasWeights } from '../../weights/shipped.ts';
import {
  decoderOption,
  deviceOption,
  engineOption,
  integer,
  jsonOption,
  oneOf,
  print,
  readPreprocess,
  tellUnread,
  weightOptions,
} from '../options.ts';

interface Options extends Omit<ClassifierOptions, 'views' | 'preprocess'> {
  readonly views: '1' | '10';
  readonly preprocess?: string;
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
    .addOption(jsonOption())
    .action(predict);
}

async function predict(images: readonly string[], options: Options): Promise<void> {
  const { json, views, preprocess, ...rest } = options;
  if (!hasWeights(options)) {
    throw new InputError(
      'predict needs weights: --weights FILE, or --network cifar-alexnet, which brings its own (random ones: --seed 0)',
    );
  }
  const how = preprocess === undefined ? undefined : await readPreprocess(preprocess);
  await using classifier = await Classifier.open({
    ...rest,
    preprocess: how,
    views: views === '10' ? 10 : 1,
  });
  const { model, device } = classifier;
  for (const note of model.notes) process.stderr.write(`${note}\n`);
  if (classifier.mean) process.stderr.write(`mean image: ${classifier.mean.file}\n`);
  const predictions = await classifier.classify(images);
  const network = model.network.name;
  const weights = model.source;
  const where = device ? describeChoice(device)[0] : 'the oracle';
  if (!json) process.stderr.write(`${network}, weights: ${weights}, on ${where}\n`);
  const found = { network, weights, device: device?.device ?? 'oracle', predictions };
  await print(json, found, () => predictions.map(predictionText).filter(Boolean).join('\n'));
  tellUnread(predictions, json);
}

/** The picture's name, then a line a guess: 41.3 %  tabby. Empty for a picture that could not be read. */
export function predictionText(prediction: Prediction): string {
  if ('error' in prediction) return '';
  const lines = prediction.guesses.map(
    ({ name, probability }) => `  ${(100 * probability).toFixed(1).padStart(5)} %  ${name}`,
  );
  return `${prediction.image}\n${lines.join('\n')}\n`;
}
