/** alexnet train: trains or fine-tunes a network on a data set. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { networks } from '../../../reference/networks/index.ts';
import { methods } from '../../../reference/training/init.ts';
import { rules } from '../../../reference/training/optimiser.ts';
import { Diverged, type EpochRecord, type Glance, type TrainOptions, train } from '../../train/index.ts';
import { augmentNames, readConfig, scheduleNames } from '../../train/options.ts';
import { percent, trainingJson, trainingText } from '../../train/result.ts';
import { forceOption, integer, jsonOption } from '../options.ts';

interface Options extends Omit<TrainOptions, 'data' | 'freeze'> {
  readonly freeze?: string;
  readonly config?: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

const number = (text: string): number => {
  if (text.trim() === '' || !Number.isFinite(Number(text)))
    throw new InvalidArgumentError('It must be a number.');
  return Number(text);
};

export function register(program: Command): void {
  const names = networks.map(({ name }) => name).join(', ');
  program
    .command('train')
    .description('train or fine-tune a network on a data set')
    .argument('<data>', 'CIFAR-10 (binary), MNIST (IDX), or a folder with a folder of pictures a class')
    .option('--config <file>', 'options in a JSON file; those on the command line win')
    .option('--network <name>', `auto: a small one sized to the data (default), or one of ${names}`)
    .option('--width <factor>', 'times the widths of all layers but the last', number)
    .option('--weights <file>', 'begin with these; another number of classes replaces the last layer')
    .option('--freeze <layers>', 'layers that stay as they are: conv1,conv2')
    .option('--epochs <n>', 'at most so many (90)', integer(1))
    .option('--batch <n>', 'images a step (128)', integer(1))
    .option('--learning-rate <x>', 'ε (0.01)', number)
    .option('--momentum <x>', 'µ (0.9)', number)
    .option('--weight-decay <x>', 'λ (0.0005)', number)
    .addOption(new Option('--update <rule>', 'whose form of the update (paper)').choices(rules))
    .addOption(new Option('--schedule <name>', 'of the learning rate (plateau)').choices(scheduleNames))
    .addOption(new Option('--augment <name>', 'crops, mirrors, lighting (standard)').choices(augmentNames))
    .option('--no-dropout', 'without dropout')
    .addOption(new Option('--init <method>', 'how random weights begin (kaiming)').choices(methods))
    .option('--last-deviation <x>', "standard deviation of the last layer's first weights", number)
    .option('--seed <n>', 'of everything random (0)', integer(0))
    .option('--images <n>', 'so many training images, spread evenly', integer(1))
    .option('--validation-images <n>', 'so many validation images, spread evenly', integer(1))
    .option('--validate-every <epochs>', 'epochs from one validation to the next (1)', integer(1))
    .addOption(
      new Option('--device <device>', 'where to train (auto)').choices(['auto', 'cpu', 'cuda', 'webgpu']),
    )
    .option('--threads <n>', 'threads that decode and distort', integer(1))
    .option('--out <dir>', 'folder for checkpoints, logs and curves (training)')
    .option('--resume', 'go on from the checkpoint in that folder')
    .option('--checkpoint-every <steps>', 'steps between checkpoints (an epoch)', integer(1))
    .addOption(forceOption())
    .addOption(jsonOption())
    .action(run);
}

async function run(data: string, { config, json, freeze, ...given }: Options): Promise<void> {
  const { debug: _, dropout, ...rest } = given as typeof given & { debug?: boolean };
  const base = config === undefined ? {} : await readConfig(config);
  const abort = new AbortController();
  const interrupted = () => abort.abort();
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  const bar = await progressBar();
  const say = (line: string) => bar.above(line);
  try {
    const result = await train({
      ...base,
      ...rest,
      data,
      ...(freeze === undefined ? {} : { freeze: freeze.split(',').filter(Boolean) }),
      ...(dropout === false ? { dropout } : {}),
      log: say,
      progress: bar.update,
      epoch: (record) => say(epochLine(record)),
      signal: abort.signal,
    });
    bar.stop();
    process.stdout.write(json ? `${JSON.stringify(trainingJson(result))}\n` : trainingText(result));
    if (result.stopped) {
      process.stderr.write('alexnet: stopped; --resume goes on\n');
      process.exitCode = 1;
    }
  } catch (error) {
    bar.stop();
    if (!(error instanceof Diverged)) throw error;
    process.stderr.write(`alexnet: ${error.message}\n`);
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

interface Bar {
  /** A line that stays. */
  above(line: string): void;
  update(glance: Glance): void;
  stop(): void;
}

/** On a terminal alone; elsewhere the lines are all. */
async function progressBar(): Promise<Bar> {
  const write = (line: string) => void process.stderr.write(`${line}\n`);
  if (!process.stderr.isTTY) return { above: write, update() {}, stop() {} };
  const { default: progress } = await import('cli-progress');
  const format = 'epoch {epoch} of {epochs} {bar} loss {loss}, error {error}, {speed} images/s, {left} left';
  const bar = new progress.SingleBar({ format, stream: process.stderr, clearOnComplete: true, barsize: 20 });
  let running = false;
  const stop = () => {
    if (running) bar.stop();
    running = false;
  };
  return {
    above(line) {
      stop();
      write(line);
    },
    update({ step, steps, epoch, epochs, loss, error, imagesPerSecond, secondsLeft }) {
      const payload = {
        epoch,
        epochs,
        loss: loss.toFixed(3),
        error: percent(error),
        speed: imagesPerSecond.toFixed(imagesPerSecond < 10 ? 1 : 0),
        left: duration(secondsLeft),
      };
      if (running) bar.update(step, payload);
      else bar.start(steps, step, payload);
      running = true;
    },
    stop,
  };
}

/** 2 d 3 h, 3 h 20 min, 4 min 10 s. */
function duration(seconds: number): string {
  const whole = Math.round(seconds);
  const units = [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
    ['s', 1],
  ] as const;
  const first = Math.max(
    0,
    units.findIndex(([, size]) => whole >= size),
  );
  return units
    .slice(whole === 0 ? 3 : first, (whole === 0 ? 3 : first) + 2)
    .map(([unit, size], i) => `${Math.floor((i === 0 ? whole : whole % units[first][1]) / size)} ${unit}`)
    .join(' ');
}
