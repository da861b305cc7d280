/** alexnet predict: classifies pictures and folders of pictures. */
import type { Command } from 'commander';
import { type Bulk, predictInto } from '../../classify/bulk.ts';
import type { Prediction } from '../../classify/classifier.ts';
import type { ClassifyOptions } from '../../classify/options.ts';
import { type Predicted, predict } from '../../classify/predict.ts';
import { checkTargets } from '../../disk/target.ts';
import { writeWhole } from '../../disk/write.ts';
import { InputError } from '../../errors.ts';
import { SCAN_BUDGET } from '../../image/admit.ts';
import { eachPicture, PICTURE_NAME } from '../../image/load.ts';
import { withExternalData } from '../../onnx/files.ts';
import { oneLine } from '../../report/escape.ts';
import type { predictionsHtml } from '../../report/predictions.ts';
import { describeChoice } from '../../runtime/devices.ts';
import {
  decoderOption,
  devicesOption,
  engineOption,
  forceOption,
  integer,
  jsonOption,
  oneOf,
  threadsOption,
  VIEWS_MEANT,
  weightOptions,
} from '../options.ts';
import {
  interruptible,
  PICTURES,
  pending,
  print,
  progressBar,
  takeAll,
  tell,
  tellUnread,
} from '../output.ts';

interface Options extends Omit<ClassifyOptions, 'views' | 'maxBatch' | 'preprocess' | 'weights'> {
  readonly weights?: string;
  readonly preprocess?: string;
  readonly batch?: number;
  readonly out?: string;
  readonly shard?: string;
  readonly resume?: boolean;
  readonly views?: '1' | '10';
  readonly html?: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

export function register(program: Command): void {
  const command = program
    .command('predict')
    .description('classify pictures and folders of pictures; --network cifar-alexnet brings its own weights')
    .argument('<image...>', 'JPEG or PNG files, or folders; with --out also lists: FILE.txt, or - for stdin');
  weightOptions(command)
    .option('--class-names <file>', 'class names, one a line')
    .addOption(
      oneOf('--views <n>', `1: the centre; 10: corners, centre, and mirrored ${VIEWS_MEANT}`, ['1', '10']),
    )
    .option('--top <k>', 'how many classes to name', integer(1), 5)
    .addOption(devicesOption())
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
    .option('--out <file>', 'append a line a picture to FILE.jsonl or FILE.csv')
    .option('--shard <i/n>', 'only the pictures of task i of n, from 0 (--out)')
    .option('--resume', 'go on with the file of --out, if it is there')
    .option('--html <file>', 'write a page with the pictures and their classes there')
    .addOption(forceOption())
    .addOption(jsonOption())
    .action(run);
}

async function run(
  images: readonly string[],
  { json, out, shard, resume, html, force, ...asked }: Options,
): Promise<void> {
  if (out === undefined && (shard ?? resume) !== undefined)
    throw new InputError('--shard and --resume go with --out FILE');
  if (out !== undefined && html !== undefined)
    throw new InputError('--out and --html do not go together: leave one of them out');
  const page = html === undefined ? undefined : ({ path: html, mark: 'html', option: '--html' } as const);
  const guard = { inputs: () => filesRead(images, asked), force };
  if (page) await checkTargets([page], guard);
  pending.files = page !== undefined;
  const bar = await progressBar(PICTURES);
  const { views, batch, ...rest } = asked;
  // a thread of its own for a single picture takes longer to start than the picture
  const single = out === undefined && images.length === 1 && PICTURE_NAME.test(images[0]);
  const threads = rest.threads ?? (single ? 0 : undefined);
  const progress = process.stderr.isTTY ? bar.update : undefined;
  const options = {
    ...rest,
    threads,
    views: views && (Number(views) as 1 | 10),
    maxBatch: batch,
    log: tell,
    progress,
  } as const;
  await interruptible(async (signal) => {
    if (out !== undefined) {
      const bulk = predictInto(out, images, { ...options, signal, shard, resume });
      return showBulk(await bulk.finally(bar.stop), json);
    }
    const predicted = await predict(images, { ...options, signal }).finally(bar.stop);
    await show(predicted, json);
    await takeAll([
      async () => page && writeWhole({ ...page, content: await pageOf(predicted, rest) }, guard),
    ]);
  });
}

/** Loaded when it is wanted. */
const pageOf: typeof predictionsHtml = async (...given) =>
  (await import('../../report/predictions.ts')).predictionsHtml(...given);

async function filesRead(images: readonly string[], options: Partial<Options>): Promise<readonly string[]> {
  const files = [options.weights, options.mean, options.preprocess, options.classNames];
  for await (const { path } of eachPicture(images)) files.push(path);
  return withExternalData(files.filter((file) => file !== undefined))();
}

async function show(predicted: Predicted, json?: boolean): Promise<void> {
  const { network, weights, device, views, predictions } = predicted;
  const ten = views === 10 ? ', ten views' : '';
  if (!json)
    tell(`${network}, weights: ${weights}${ten}, on ${device ? describeChoice(device)[0] : 'the oracle'}`);
  const found = { network, weights, device: device?.device ?? 'oracle', predictions };
  await print(json, found, () => predictions.map(predictionText).filter(Boolean).join('\n'));
  tellUnread(predictions, json);
}

async function showBulk({ device, ...bulk }: Bulk, json?: boolean): Promise<void> {
  const { out, pictures, before, written, failed } = bulk;
  const left = pictures - before - written;
  await print(json, { ...bulk, device: device?.device ?? 'oracle' }, () => {
    const more = left > 0 ? `; ${left} are left: --resume goes on` : '';
    return `${out}: ${written} of ${pictures} pictures written, ${before} were there${more}\n`;
  });
  if (failed === 0) return;
  tell(`alexnet: ${failed} pictures could not be read: their lines in ${out} say why`);
  process.exitCode ||= 2;
}

/** The picture's name, then a line a guess: 41.3 %  tabby. Empty for a picture that could not be read. */
export function predictionText(prediction: Prediction): string {
  if ('error' in prediction) return '';
  const lines = prediction.guesses.map(
    ({ name, probability }) => `  ${(100 * probability).toFixed(1).padStart(5)} %  ${oneLine(name)}`,
  );
  return `${oneLine(prediction.image)}\n${lines.join('\n')}\n`;
}
