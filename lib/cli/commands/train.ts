/** alexnet train: trains or fine-tunes a network on a data set. */
import { type Command, InvalidArgumentError } from 'commander';
import { methods } from '../../../reference/training/init.ts';
import { rules } from '../../../reference/training/optimiser.ts';
import { MOST_THREADS } from '../../checks.ts';
import { duration, percent } from '../../report/table.ts';
import {
  Diverged,
  type EpochRecord,
  type Glance,
  rehearse,
  type TrainOptions,
  train,
  trainingJson,
  trainingText,
} from '../../train/index.ts';
import { augmentNames, readConfig, recipeNames, scheduleNames } from '../../train/options.ts';
import { rehearsalText } from '../../train/rehearsal.ts';
import { deviceOption, forceOption, integer, jsonOption, networkNames, oneOf, real } from '../options.ts';
import { print, progressBar, tell } from '../output.ts';

interface Options extends Omit<TrainOptions, 'data' | 'freeze' | 'layerRates'> {
  readonly freeze?: string;
  readonly layerRates?: TrainOptions['layerRates'];
  readonly config?: string;
  readonly dryRun?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** conv1=0.1,fc8=10 */
function layerRates(text: string): Record<string, number> {
  return Object.fromEntries(
    text.split(',').map((one) => {
      const [, layer, rate] = /^([^=]+)=([^=]+)$/.exec(one) ?? [];
      if (layer === undefined)
        throw new InvalidArgumentError('It must be LAYER=FACTOR, or several with commas between.');
      return [layer, real(rate)];
    }),
  );
}

export function register(program: Command): void {
  program
    .command('train')
    .description('train or fine-tune a network on a data set')
    .argument('<data>', 'CIFAR-10 (binary), MNIST (IDX), or a folder with a folder of pictures a class')
    .option('--config <file>', 'options in a JSON file; those on the command line win')
    .option('--network <name>', `auto: a small one sized to the data (default), or one of ${networkNames}`)
    .option('--width <factor>', 'times the widths of all layers but the last', real)
    .option('--weights <file>', 'begin with these; another number of classes replaces the last layer')
    .option('--freeze <layers>', 'layers that stay as they are: conv1,conv2')
    .option('--layer-rates <list>', 'times the learning rate: conv1=0.1,fc8=10', layerRates)
    .addOption(oneOf('--recipe <name>', 'all as the paper has it, but for what is said beside', recipeNames))
    .option('--epochs <n>', 'at most so many (90)', integer(1))
    .option('--batch <n>', 'images a step (20 steps an epoch, but at most 128)', integer(1))
    .option('--learning-rate <x>', 'ε (0.01·√(batch/128), a tenth with --weights)', real)
    .option('--momentum <x>', 'µ (0.9)', real)
    .option('--weight-decay <x>', 'λ (0.0005)', real)
    .addOption(oneOf('--update <rule>', 'whose form of the update (paper)', rules))
    .addOption(oneOf('--schedule <name>', 'of the learning rate (plateau)', scheduleNames))
    .addOption(oneOf('--augment <name>', 'crops, mirrors, lighting (standard)', augmentNames))
    .option('--no-dropout', 'without dropout')
    .option('--no-scale', 'raw pixels as they are, where weights begin at random')
    .addOption(oneOf('--init <method>', 'how random weights begin (kaiming)', methods))
    .option(
      '--last-deviation <x>',
      "standard deviation of the last layer's first weights (0.01 with kaiming)",
      real,
    )
    .option('--seed <n>', 'of everything random (0)', integer(0))
    .option('--images <n>', 'so many training images, spread evenly', integer(1))
    .option('--validation-images <n>', 'so many validation images, spread evenly', integer(1))
    .option('--validate-every <epochs>', 'epochs from one validation to the next (1)', integer(1))
    .option('--dry-run', 'checks options, data, weights, folder and memory; trains and writes nothing')
    .option('--strict', 'end at the first picture that cannot be read, which is skipped otherwise')
    .addOption(deviceOption('where to train (auto)'))
    .option(
      '--threads <n>',
      `threads that decode and distort, ${MOST_THREADS} at most`,
      integer(1, MOST_THREADS),
    )
    .option('--out <dir>', 'folder for checkpoints, logs and curves (training)')
    .option('--resume', 'go on from the checkpoint in that folder')
    .option('--checkpoint-every <steps>', 'steps between checkpoints (an epoch)', integer(1))
    .addOption(forceOption())
    .addOption(jsonOption())
    .action(run);
}

async function run(data: string, { config, json, freeze, dryRun, ...given }: Options): Promise<void> {
  const { debug: _, dropout, scale, ...rest } = given as typeof given & { debug?: boolean };
  const base = config === undefined ? {} : await readConfig(config);
  const abort = new AbortController();
  const interrupted = () => abort.abort();
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  const bar = await progressBar(
    'epoch {epoch} of {epochs} {bar} loss {loss}, error {error}, {speed} images/s, {left} left',
    20,
  );
  try {
    const asked = {
      ...base,
      ...rest,
      data,
      ...(freeze === undefined ? {} : { freeze: freeze.split(',').filter(Boolean) }),
      ...(dropout === false ? { dropout } : {}),
      ...(scale === false ? { scale } : {}),
      log: bar.above,
    };
    if (dryRun) {
      const { device, ...found } = await rehearse(asked);
      return await print(json, { ...found, device: device.device }, () => rehearsalText(found));
    }
    const result = await train({
      ...asked,
      progress: (glance) => bar.update(glance.step, glance.steps, shown(glance)),
      epoch: (record) => bar.above(epochLine(record)),
      signal: abort.signal,
    });
    bar.stop();
    await print(json, trainingJson(result), () => trainingText(result));
    if (result.stopped) {
      tell('alexnet: stopped; --resume goes on');
      process.exitCode = 1;
    }
  } catch (error) {
    bar.stop();
    if (!(error instanceof Diverged)) throw error;
    tell(`alexnet: ${error.message}`);
    process.exitCode = 1;
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
  }
}

function epochLine({ epoch, loss, error1, validation, seconds }: EpochRecord): string {
  const training = `epoch ${epoch}: loss ${loss.toFixed(4)}, error ${percent(error1)}`;
  const validated = validation
    ? `; validation: top-1 error ${percent(validation.error1)}, top-5 error ${percent(validation.error5)}`
    : '';
  return `${training}${validated} (${seconds.toFixed(1)} s)`;
}

/** What the bar tells beside itself. */
const shown = ({ epoch, epochs, loss, error, imagesPerSecond, secondsLeft }: Glance) => ({
  epoch,
  epochs,
  loss: loss.toFixed(3),
  error: percent(error),
  speed: imagesPerSecond.toFixed(imagesPerSecond < 10 ? 1 : 0),
  left: duration(secondsLeft),
});
