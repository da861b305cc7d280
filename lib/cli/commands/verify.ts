/** alexnet verify: compares every layer of a model on a device with the oracle. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { rules } from '../../../reference/training/optimiser.ts';
import { checkTargets, type Guard, makeFolder, type Target } from '../../disk/target.ts';
import { InputError } from '../../errors.ts';
import { withExternalData } from '../../onnx/files.ts';
import {
  baselineOf,
  type ReportOptions,
  reportSteps,
  reportTargets,
  tellGithub,
  verificationJson,
} from '../../report/reports.ts';
import { differenceText, verificationText } from '../../report/terminal.ts';
import { type Choice, chooseDevice, type DeviceWord } from '../../runtime/devices.ts';
import { restartForTf32 } from '../../runtime/tf32.ts';
import { bundleTargets, writeBundle } from '../../verify/bundle.ts';
import { RUN } from '../../verify/dump/record.ts';
import { type VerifyOptions, type VerifyResult, verify } from '../../verify/index.ts';
import { saveRun, saveTargets } from '../../verify/save.ts';
import {
  deviceOption,
  forceOption,
  gather,
  integer,
  jsonOption,
  lrnOption,
  oneOf,
  real,
  towersOption,
  weightOptions,
} from '../options.ts';
import { command, pending, print, sayLine, takeAll, tell } from '../output.ts';

interface Options extends Omit<VerifyOptions, 'model' | 'input' | 'device'>, ReportOptions {
  readonly device?: DeviceWord;
  readonly input?: readonly string[];
  readonly save?: string;
  readonly bundle?: string;
  readonly force?: boolean;
  readonly tf32?: boolean;
  readonly json?: boolean;
}

const REQUIRE = 'what convolutions and fully connected layers must have';

export function register(program: Command): void {
  const command = program
    .command('verify')
    .description('compare every layer on a device with the oracle')
    .argument('[model.onnx]', 'file to verify; default: the network as export writes it');
  weightOptions(command)
    .option('--input <file>', 'a picture, or .npy or .npz for exact numbers; may be repeated', gather)
    .option('--batch <n>', 'images of noise; of images that are given, so many a run', integer(1))
    .option(
      '--values <path>',
      'judge what another engine computed: .npz, .safetensors, or a folder of .npy or .pb',
    )
    .option('--endpoint <url>', 'judge what a server computes: http://HOST:PORT/v2/models/NAME')
    .option('--names <map.json>', 'what the names of those values mean: {"theirs": "conv1", …}')
    .addOption(oneOf('--layout <order>', 'how those values lie (as their shapes say)', ['NCHW', 'NHWC']))
    .addOption(deviceOption())
    .addOption(towersOption())
    .option('--strict-device', 'exit 3 where a layer ran on another device')
    .addOption(lrnOption())
    .addOption(oneOf('--require <arithmetic>', REQUIRE, ['float32', 'tf32', 'float16', 'bfloat16']))
    .option('--tf32', 'leave TF32 on: short for --require tf32')
    .addOption(oneOf('--precision <type>', "storage of the oracle's own chain", ['float32', 'float64']))
    .option(
      '--repeat <n>',
      'run so often, and in other sessions and batches: which values keep their bits',
      integer(1),
    )
    .option('--plain', 'the oracle by its plain loops, not their fast twins')
    .addOption(
      oneOf('--graph <kind>', 'gradients of a batch, or steps of training too', ['gradients', 'training']),
    )
    .option('--labels <file.npy>', 'classes of the images; default: drawn from the seed')
    .option('--dropout <masks>', 'none, or .npz of masks called as the dropout layers; default: none')
    .option('--steps <n>', 'training steps on the batch (1)', integer(1))
    .option('--learning-rate <x>', 'default 0.01', real)
    .option('--momentum <x>', 'default 0.9', real)
    .option('--weight-decay <x>', 'default 0.0005', real)
    .addOption(oneOf('--update <form>', 'whose momentum (paper)', rules))
    .option('--save <dir>', 'write the run there, to be judged again by --values: its values and run.json')
    .option('--bundle <dir>', 'write the first failing layer there as a bug report that repeats itself')
    .option('--report-json <file>', 'write what --json prints there')
    .option('--junit <file>', 'write JUnit XML there')
    .option('--sarif <file>', 'write SARIF 2.1.0 there')
    .option('--html <file>', 'write a page with plots there, which needs nothing else')
    .option('--baseline <file>', 'exit 1 where a layer is less accurate than in this saved --report-json')
    .addOption(forceOption())
    .addOption(jsonOption())
    .action(run);
}

async function run(model: string | undefined, options: Options): Promise<void> {
  const { tf32, require } = options;
  if (tf32 && require && require !== 'tf32') {
    throw new InputError(`--tf32 is short for --require tf32: it does not go with --require ${require}`);
  }
  const { values: folder = '', save } = options;
  if (save !== undefined && existsSync(join(folder, RUN)))
    throw new InputError(`--save: ${folder} is a saved run already: leave it out`);
  const guard = guardOf(model, options);
  // before the work: a folder that cannot be made is known then
  const made: (() => Promise<void>)[] = [];
  try {
    for (const folder of [options.save ?? [], options.bundle ?? []].flat())
      made.push(await makeFolder(folder));
    const targets = await targetsOf(options);
    await checkTargets(targets, guard);
    pending.files = targets.length > 0;
    const compare = await baselineOf(options);
    const { device = 'auto', values, endpoint, towers } = options;
    if (values !== undefined || endpoint !== undefined || towers !== undefined)
      return await judge(model, options, device, compare, guard);
    const choice = await chooseDevice(device);
    if (await restartForTf32(choice.device, tf32 || require === 'tf32', tell)) return;
    await judge(model, options, choice, compare, guard);
  } finally {
    for (const removeEmpty of made.toReversed()) await removeEmpty();
  }
}

/** Runs, says the verdict, and only then writes what is asked for: a disk that is full does not swallow it. */
async function judge(
  model: string | undefined,
  options: Options,
  device: Choice | DeviceWord,
  compare: Awaited<ReturnType<typeof baselineOf>>,
  guard: Guard,
): Promise<void> {
  const { save, bundle, json, tf32, force: _, reportJson, junit, sarif, html, baseline, ...rest } = options;
  const log = json ? tell : sayLine;
  const required = tf32 ? 'tf32' : rest.require;
  const result = await verify({ ...rest, device, model, require: required, tf32, log });
  const changed = compare(result);
  const text = (): string => `\n${verificationText(result)}${changed ? differenceText(changed) : ''}`;
  await print(json, verificationJson(result, changed), text);
  if (result.verdict === 'fail' || changed?.lost.length) process.exitCode = 1;
  if (result.verdict === 'untested') process.exitCode = 2;
  const { evidence } = result;
  await takeAll([
    async () => save !== undefined && saveRun(save, result, { ...rest, require: required, model }, guard),
    async () => bundle !== undefined && evidence && writeBundle(bundle, evidence, guard),
    ...reportSteps({ reportJson, junit, sarif, html, baseline }, guard, result, changed),
    () => tellGithub(result, changed, tell, command),
  ]);
  if (bundle !== undefined && !evidence) tell(`${bundle}: not written: ${noEvidence(result)}`);
}

function guardOf(model: string | undefined, options: Options): Guard {
  const { input, weights, labels, dropout, baseline, values, names, force } = options;
  const files = [model, ...(input ?? []), weights, labels, dropout, baseline, names];
  const given = withExternalData(files.filter((file) => typeof file === 'string'));
  const inputs = async () => [...(await given()), ...(values === undefined ? [] : await filesAt(values))];
  return { inputs, force };
}

/** The file, or those in the folder. */
const filesAt = (path: string): Promise<string[]> =>
  readdir(path).then(
    (names) => names.map((name) => join(path, name)),
    () => [path],
  );

const targetsOf = async (options: Options): Promise<readonly Target[]> => [
  ...(options.save === undefined ? [] : saveTargets(options.save)),
  ...(options.bundle === undefined ? [] : await bundleTargets(options.bundle)),
  ...reportTargets(options),
];

const noEvidence = ({ verdict }: VerifyResult): string =>
  verdict === 'fail' ? 'no layer shows the fault in numbers as the file has them' : 'no layer failed';
