/** alexnet predict: classifies pictures and folders of pictures. */
import { type Command, Option } from 'commander';
import { Classifier, type ClassifierOptions, type Prediction } from '../../classify/classifier.ts';
import { InputError } from '../../errors.ts';
import { SCAN_BUDGET } from '../../image/limits.ts';
import { describeChoice } from '../../runtime/devices.ts';
import { hasWeights } from '../../weights/shipped.ts';
import { deviceOption, integer, jsonOption, weightOptions } from '../options.ts';
import { readPreprocess } from '../preprocess.ts';

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
    .addOption(
      new Option('--views <n>', '1: the centre; 10: corners, centre, and mirrored')
        .choices(['1', '10'])
        .default('1'),
    )
    .option('--top <k>', 'how many classes to name', integer(1), 5)
    .addOption(deviceOption())
    .addOption(
      new Option('--engine <engine>', 'who computes')
        .choices(['onnxruntime', 'oracle'])
        .default('onnxruntime'),
    )
    .option(
      '--mean <file>',
      'mean image (.npy, .binaryproto); default: mean.npy beside the weights, if it takes one',
    )
    .option('--preprocess <how>', "another network's preprocessing, or a JSON file of it")
    .addOption(
      new Option('--decoder <decoder>', 'who decodes pictures')
        .choices(['jpeg-js', 'sharp'])
        .default('jpeg-js'),
    )
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
  if (json) {
    const head = {
      version: 1,
      network: model.network.name,
      weights: model.source,
      device: device?.device ?? 'oracle',
    };
    process.stdout.write(`${JSON.stringify({ ...head, predictions })}\n`);
  } else {
    const where = device ? describeChoice(device)[0] : 'the oracle';
    process.stderr.write(`${model.network.name}, weights: ${model.source}, on ${where}\n`);
    process.stdout.write(predictions.map(predictionText).filter(Boolean).join('\n'));
  }
  for (const prediction of predictions) {
    if (!('error' in prediction)) continue;
    if (!json) process.stderr.write(`alexnet: ${prediction.error}\n`);
    process.exitCode = 2;
  }
}

/** The picture's name, then a line a guess: 41.3 %  tabby. Empty for a picture that could not be read. */
export function predictionText(prediction: Prediction): string {
  if ('error' in prediction) return '';
  const lines = prediction.guesses.map(
    ({ name, probability }) => `  ${(100 * probability).toFixed(1).padStart(5)} %  ${name}`,
  );
  return `${prediction.image}\n${lines.join('\n')}\n`;
}
