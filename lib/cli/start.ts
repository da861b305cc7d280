#!/usr/bin/env node
/**
 * npm start [-- photo.jpg …] [--device D]: writes alexnet.onnx, cross-checks every layer, names the photos'
 * classes, by its random weights and by the trained ones in the box.
 */
import { Command } from 'commander';
import { dense } from '../../reference/tensor.ts';
import { best } from '../classify/classifier.ts';
import { predict } from '../classify/predict.ts';
import { classNames } from '../labels/labels.ts';
import { exportOnnx } from '../networks/export.ts';
import { megabytes, thousands } from '../report/table.ts';
import { verificationText } from '../report/terminal.ts';
import { chooseDevice, type DeviceWord } from '../runtime/devices.ts';
import { BAND_NOTE, lrnOf } from '../runtime/session.ts';
import { restartForTf32 } from '../runtime/tf32.ts';
import { type VerifyResult, verify } from '../verify/index.ts';
import { predictionText } from './commands/predict.ts';
import { deviceOption, forceOption } from './options.ts';
import { say, sayLine, tell } from './output.ts';
import { attempt } from './program.ts';

interface Options {
  readonly device: DeviceWord;
  readonly force?: boolean;
}

const MODEL = 'alexnet.onnx';

async function start(photos: readonly string[], asked: DeviceWord, force?: boolean): Promise<void> {
  const choice = await chooseDevice(asked);
  const { device } = choice;
  if (await restartForTf32(device, false, tell)) return;
  const lrn = lrnOf(device);
  const made = await exportOnnx(MODEL, { network: 'alexnet2012', seed: 0, lrn, force });
  sayLine(
    `${MODEL}: ${made.network}, ${thousands(made.parameters)} parameters (${made.weights}), ${megabytes(made.bytes)}`,
  );
  if (lrn === 'band') sayLine(BAND_NOTE);
  const result = await verify({ model: MODEL, input: photos, device: choice, log: sayLine });
  say(`\n${verificationText(result)}\n`);
  if (photos.length > 0) {
    sayRandom(photos, result);
    await sayTrained(photos);
  }
  if (result.verdict === 'fail') process.exitCode = 1;
}

/** The names that the network of the check gives. */
function sayRandom(photos: readonly string[], { network, layers, values }: VerifyResult): void {
  sayLine(
    'The weights are random (seed 0), so these names mean nothing; `alexnet predict --weights FILE` gives real ones.',
  );
  say('\n');
  const output = values.device.get(layers.at(-1)!.layer)!;
  const [N, K] = output.shape;
  const names = classNames(network, K);
  for (let n = 0; n < N; n++) {
    const probabilities = Float64Array.from(dense(output).subarray(n * K, (n + 1) * K));
    say(`${predictionText({ image: photos[n], guesses: best(probabilities, names, 5) })}\n`);
  }
}

/** What the trained model in the box makes of the same photos. */
async function sayTrained(photos: readonly string[]): Promise<void> {
  const { network, predictions } = await predict(photos, { network: 'cifar-alexnet', device: 'cpu' });
  sayLine(
    `${network}, the trained model in the box, knows the ten classes of CIFAR-10 and sees 32×32 pixels:`,
  );
  for (const prediction of predictions) say(`\n${predictionText(prediction)}`);
}

const program = new Command('npm start --')
  .description(
    'writes alexnet.onnx and cross-checks every layer on the best device; names the classes of photos',
  )
  .argument('[photo...]', 'JPEG or PNG files')
  .addOption(deviceOption())
  .addOption(forceOption())
  .action((photos: string[], { device, force }: Options) => start(photos, device, force));

process.exitCode = await attempt(program, process.argv);
