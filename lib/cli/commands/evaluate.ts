/** alexnet evaluate: how good a network is on a data set. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { checkTargets, type Target } from '../../disk/target.ts';
import { writeWhole } from '../../disk/write.ts';
import { type EvaluateOptions, evaluate } from '../../evaluate/index.ts';
import { withExternalData } from '../../onnx/files.ts';
import { confusionSvg, evaluationHtml, evaluationJson, evaluationText } from '../../report/evaluation.ts';
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

interface Options extends Omit<EvaluateOptions, 'data' | 'views' | 'preprocess' | 'weights'> {
  readonly views?: '1' | '10' | 'mirror';
  readonly weights?: string;
  readonly preprocess?: string;
  readonly json?: boolean;
  readonly html?: string;
  readonly svg?: string;
  readonly force?: boolean;
}

const VIEWS = `1: the centre; mirror: and its mirror image; 10: corners, centre, mirrored ${VIEWS_MEANT}`;

export function register(program: Command): void {
  const command = program
    .command('evaluate')
    .description(
      'top-1, top-5 and confusions of a network on a data set; --network cifar-alexnet brings its own weights',
    )
    .argument('<data>', 'CIFAR-10 (binary), MNIST (IDX), or a folder with a folder of pictures a class');
  weightOptions(command)
    .addOption(oneOf('--split <name>', 'which part of the data', ['train', 'val', 'test', 'all']))
    .addOption(oneOf('--views <n>', VIEWS, ['1', 'mirror', '10']))
    .option('--mean <file>', 'mean image (.npy, .binaryproto); default: mean.npy beside the weights')
    .option('--preprocess <how>', "another network's preprocessing, or a JSON file of it")
    .option('--class-names <file>', "the network's class names, one a line")
    .option('--top <k>', 'k of the top-k share', integer(1), 5)
    .option('--batch <n>', 'pictures a run (128 small ones; else 32 on a GPU, 4 on the CPU)', integer(1))
    .option('--limit <n>', 'only so many pictures, spread evenly', integer(1))
    .addOption(devicesOption())
    .addOption(engineOption('who computes', ['onnxruntime', 'oracle']))
    .addOption(decoderOption())
    .addOption(threadsOption())
    .option('--html <file>', 'write a page there: tables, confusions, and the pictures that were wrong')
    .option('--svg <file>', 'draw the confusions there')
    .addOption(forceOption())
    .addOption(jsonOption())
    .action(run);
}

async function run(data: string, options: Options): Promise<void> {
  const { json, html, svg, force, views, preprocess, ...rest } = options;
  const { decoder, threads } = rest;
  const page = html === undefined ? undefined : ({ path: html, mark: 'html', option: '--html' } as const);
  const drawing = svg === undefined ? undefined : ({ path: svg, mark: 'svg', option: '--svg' } as const);
  const files = [options.weights, options.mean, preprocess, options.classNames];
  const guard = {
    inputs: () =>
      filesRead(
        data,
        files.filter((file) => file !== undefined),
      ),
    force,
  };
  const targets: Target[] = [page ?? [], drawing ?? []].flat();
  await checkTargets(targets, guard);
  pending.files = targets.length > 0;
  const bar = await progressBar(PICTURES);
  const asked = {
    ...rest,
    data,
    views: views && (views === 'mirror' ? views : (Number(views) as 1 | 10)),
    preprocess,
    log: tell,
    progress: bar.update,
  } as const;
  const evaluation = await interruptible((signal) => evaluate({ ...asked, signal })).finally(bar.stop);
  await print(json, evaluationJson(evaluation), () => evaluationText(evaluation));
  tellUnread(evaluation.failures, json);
  await takeAll([
    async () =>
      page && writeWhole({ ...page, content: await evaluationHtml(evaluation, { decoder, threads }) }, guard),
    async () => drawing && writeWhole({ ...drawing, content: await confusionSvg(evaluation) }, guard),
  ]);
}

/** With all that lies in a data set's folder. */
async function filesRead(data: string, files: readonly string[]): Promise<readonly string[]> {
  const within = await readdir(data, { recursive: true }).catch(() => []);
  return [data, ...within.map((name) => join(data, name)), ...(await withExternalData(files)())];
}
